/** Shows what has become of the checkpoints and savepoints of a job. */
import { SluiceError } from '../../lib/base/errors.ts'
import type { CheckpointsView } from '../../lib/protocol/job-master.ts'
import { checkpointTable, describeCounts, subtaskTable } from '../checkpoint-table.ts'
import { withCluster } from '../connect.ts'
import type { VerbSpec } from '../verb.ts'

export const checkpointsVerb: VerbSpec = {
  description:
    'The last of them, newest first; how many is the option checkpoint.history. ALIGNMENT is how long the channels of a ' +
    'subtask waited for each other, SYNC how long it processed nothing, ASYNC how long its state was written while ' +
    'records flowed on: each of the slowest subtask. With an id, every subtask of that checkpoint.',
  examples: [
    ['sluice checkpoints word-count', 'a table'],
    ['sluice checkpoints word-count 17', 'what checkpoint 17 cost each subtask'],
    ["sluice checkpoints word-count --json | jq '.records[0].durationMs'", 'how long the last one took'],
  ],
  async run(context, { args }) {
    const [job, id] = args as [string, string | undefined]
    const checkpointId = id === undefined ? null : Number(id)
    if (checkpointId !== null && !Number.isSafeInteger(checkpointId)) {
      throw new SluiceError('USAGE', `expected the number of a checkpoint, found ${id}`)
    }
    const configured = await context.configure()
    const { view, graph } = await withCluster(context, configured, async ({ client }) => {
      const found = await client.checkpoints(job, checkpointId)
      return { view: found, graph: (await client.describe(found.jobId)).graph }
    })
    if (checkpointId !== null && view.detail === null) throw unknownCheckpoint(job, checkpointId, view)
    const text =
      view.detail === null
        ? `${describeCounts(view.summary)}\n\n${checkpointTable(view.records)}`
        : `${checkpointTable([view.detail])}\n\n${subtaskTable(view.detail, graph)}`
    context.out.data(view.detail ?? view, text)
    return undefined
  },
}

function unknownCheckpoint(job: string, checkpointId: number, { records }: CheckpointsView): SluiceError {
  const known = records.map((record) => record.checkpointId)
  const range = known.length === 0 ? 'there has been none yet' : `known are ${known.at(-1)} to ${known.at(0)}`
  return new SluiceError('USAGE', `nothing is known of checkpoint ${checkpointId} of "${job}": ${range}`)
}
