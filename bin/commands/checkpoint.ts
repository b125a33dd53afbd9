/** Takes a checkpoint of a running job at once. */
import { withCluster } from '../connect.ts'
import type { VerbSpec } from '../verb.ts'

export const checkpointVerb: VerbSpec = {
  description:
    'As the periodic ones: it counts as one of those that are kept, and goes when newer ones take its place. What is ' +
    'yours to keep is a savepoint: sluice savepoint.',
  examples: [['sluice checkpoint word-count', 'waits until it is complete; prints where it is']],
  async run(context, { args }) {
    const configured = await context.configure()
    const taken = await withCluster(context, configured, ({ client }) => client.checkpoint(args[0]!))
    context.out.data(taken, taken.uri)
    return undefined
  },
}
