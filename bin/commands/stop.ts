/** Ends a job with a savepoint: what it has done is committed, and another job can go on from there. */
import { Option } from 'commander'
import { SluiceError } from '../../lib/base/errors.ts'
import { withCluster } from '../connect.ts'
import type { VerbSpec } from '../verb.ts'

export const stopVerb: VerbSpec = {
  description:
    'Nothing that is not in the savepoint gets out: after it, sources and operators do nothing more. To end a job ' +
    'without one: sluice cancel.',
  options: [
    new Option('--savepoint [uri]', 'where to; without a URI into the storage of the job'),
    new Option('--drain', 'end event time first: all windows fire. Only if nothing is to go on from here'),
  ],
  examples: [
    ['sluice stop word-count --savepoint', 'prints the URI of the savepoint'],
    ['sluice run new-word-count.ts --from $(sluice stop word-count --savepoint)', 'a new version goes on'],
  ],
  async run(context, { args, options }) {
    if (options.savepoint === undefined) {
      throw new SluiceError('USAGE', 'say --savepoint [uri]; to end the job without one: sluice cancel')
    }
    const uri = typeof options.savepoint === 'string' ? options.savepoint : null
    const stop = options.drain === true ? 'drain' : 'suspend'
    const configured = await context.configure()
    const taken = await withCluster(context, configured, async ({ client }) => {
      const savepoint = await client.savepoint(args[0]!, { uri, stop })
      await client.waitForEnd(savepoint.jobId)
      return savepoint
    })
    context.out.data(taken, taken.uri)
    return undefined
  },
}
