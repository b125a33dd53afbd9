/** Draws the graph of a job that is not run. */
import { Option } from 'commander'
import { buildJob, graphSettings } from '../../lib/api/job.ts'
import { importJob, jobUrl } from '../../lib/api/load-job.ts'
import { drawMermaid, drawText } from '../../lib/graph/draw-graph.ts'
import { jobPath } from '../job-file.ts'
import { ConfigOption, type VerbSpec } from '../verb.ts'

export const graphVerb: VerbSpec = {
  options: [
    new Option('--format <format>', 'text, json or mermaid')
      .choices(['text', 'json', 'mermaid'])
      .default('text'),
    new Option('--mermaid', 'the same as --format mermaid'),
    new ConfigOption('--parallelism <count>', 'job.parallelism'),
    new ConfigOption('--max-parallelism <count>', 'job.maxParallelism'),
  ],
  examples: [
    ['sluice graph job.ts', 'operators, chains and uids'],
    ['sluice graph job.ts --mermaid > job.mmd', 'a diagram for documents'],
  ],
  hasJobArgs: true,
  async run(context, { args, options, jobArgs }) {
    const { config } = await context.configure()
    const definition = await importJob(jobUrl(jobPath(args[0]!)), args[0]!)
    const overrides = { parallelism: config['job.parallelism'], maxParallelism: config['job.maxParallelism'] }
    const { graph } = buildJob(definition, graphSettings(definition, overrides, jobArgs))
    const format = context.globals.isJson ? 'json' : options.mermaid === true ? 'mermaid' : options.format
    const text =
      format === 'json'
        ? JSON.stringify(graph, null, 2)
        : format === 'mermaid'
          ? drawMermaid(graph)
          : drawText(graph)
    context.out.data(graph, text)
    return undefined
  },
}
