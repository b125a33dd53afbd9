/** Puts a new version of a job in the place of the running one. */
import { Option } from 'commander'
import { formatDuration, parseDuration } from '../../lib/base/units.ts'
import type { CheckpointMetadata } from '../../lib/checkpoint/checkpoint-files.ts'
import { restoreProblems } from '../../lib/checkpoint/restore-problems.ts'
import { type PackedJob, packJob } from '../../lib/client/submit-job.ts'
import { type UpgradeStep, upgradeJob } from '../../lib/client/upgrade-job.ts'
import type { JobSubmission } from '../../lib/protocol/job-submission.ts'
import { describeMisfit } from '../../lib/state/state-misfit.ts'
import { openBlobStore } from '../../lib/storage/open-blob-store.ts'
import { trialOpen } from '../../lib/task/trial-open.ts'
import { withCluster } from '../connect.ts'
import { jobPath } from '../job-file.ts'
import { ProgressReporter } from '../progress-reporter.ts'
import { type CommandContext, ConfigOption, type Configured, type VerbInput, type VerbSpec } from '../verb.ts'
import { readMetadata } from '../with-store.ts'

const STABLE = '5s'

const STEPS: Readonly<Record<UpgradeStep, (detail: string) => string>> = {
  checking: (jobId) =>
    `checking whether the new version fits the state of job ${jobId}, which runs on meanwhile`,
  stopping: (jobId) => `it fits; stopping job ${jobId} with a savepoint`,
  starting: (uri) => `starting the new version from ${uri}`,
  'going-back': (uri) => `it does not come up; going back to the old version, from ${uri}`,
}

export const upgradeVerb: VerbSpec = {
  description:
    'First, while the old version runs on, its state is compared with what the new one declares: uids, max parallelism, ' +
    'types. For that the functions of the new version are opened and closed again, here; sources and sinks are not. ' +
    'What does not fit is listed, exit code 6, and the old version runs on. If it fits, the old version is stopped with a ' +
    'savepoint and the new one started from there. It has come up when all its tasks run and it has completed a ' +
    'checkpoint, or has run for a while (--stable); if it fails before that, the old version goes on from the savepoint. ' +
    'The new version runs with the settings of the old one.',
  options: [
    new ConfigOption('-p, --parallelism <count>', 'job.parallelism'),
    new Option(
      '--allow-non-restored-state',
      'leave state behind that no operator of the new version takes up',
    ),
    new Option('--savepoint <uri>', 'where the savepoint goes; default: into the storage of the job'),
    new Option('--stable <duration>', 'how long it has to run without a checkpoint').default(STABLE),
  ],
  examples: [
    ['sluice upgrade word-count word-count.ts', 'prints the id of the new version'],
    [
      'sluice upgrade word-count word-count.ts -p 4 -- --since 2024',
      'at another parallelism, with other arguments',
    ],
  ],
  hasJobArgs: true,
  async run(context, input) {
    const [job, file] = input.args as [string, string]
    const path = jobPath(file)
    const stableMs = parseDuration(String(input.options.stable))
    const configured = await context.configure()
    const isPartialAllowed = input.options.allowNonRestoredState === true
    const progress = new ProgressReporter(context)
    const startedMs = context.clock.monotonic()
    try {
      const upgraded = await withCluster(context, configured, ({ client, bus }) => {
        let packed: PackedJob | null = null
        return upgradeJob({
          ...{ client, clock: context.clock, job, isPartialAllowed, stableMs },
          savepointUri: input.options.savepoint === undefined ? null : String(input.options.savepoint),
          prepare: async (old) => {
            const options = { bus, clock: context.clock, logger: configured.log, env: process.env }
            const blobs = await openBlobStore(configured.config['storage.uri'], options)
            packed = await packJob(path, { ...buildOptions(old, configured, input), blobs }).finally(() =>
              blobs.close(),
            )
            const { module, graph, settings } = packed
            return { module, graph, settings: { ...old.settings, graph: settings } }
          },
          readMetadata: (uri) => readMetadata(context, configured, uri),
          findProblems: (metadata) => findProblems(context, metadata, packed!, isPartialAllowed),
          onStep: (step, detail) => {
            context.out.event({ event: step, detail })
            context.out.note(STEPS[step](detail))
          },
          onProgress: (description) => progress.update(description),
        })
      })
      const took = formatDuration(context.clock.monotonic() - startedMs)
      context.out.note(`the new version is up as job ${upgraded.jobId}, after ${took}`)
      context.out.data({ event: 'upgraded', ...upgraded }, upgraded.jobId)
    } finally {
      progress.close()
    }
    return undefined
  },
}

/** A max parallelism that was derived from the parallelism stays, whatever the parallelism is now. */
function buildOptions({ graph, settings }: JobSubmission, { config, origins }: Configured, input: VerbInput) {
  const isGiven = origins['job.parallelism'].kind === 'flag'
  const limits = [...new Set(graph.vertices.map(({ maxParallelism }) => maxParallelism))]
  const maxParallelism = settings.graph.maxParallelism ?? (limits.length === 1 ? limits[0]! : null)
  return {
    parallelism: isGiven ? config['job.parallelism'] : settings.graph.parallelism,
    ...(maxParallelism === null ? {} : { maxParallelism }),
    args: input.jobArgs.length > 0 ? input.jobArgs : settings.graph.args,
  }
}

async function findProblems(
  { out }: CommandContext,
  metadata: CheckpointMetadata,
  { graph, origin }: PackedJob,
  isPartialAllowed: boolean,
): Promise<string[]> {
  const { misfits, unopened } = await trialOpen(metadata, origin.nodes)
  for (const operator of unopened) {
    out.note(`not checked, for it cannot be opened here; its nodes will: ${operator}`)
  }
  return [...restoreProblems(metadata, graph, isPartialAllowed), ...misfits.map(describeMisfit)]
}
