/** Whether a job can begin from a checkpoint, as far as its graph tells; the types of states are the operators' own. */
import type { JobGraph } from '../graph/job-graph.ts'
import { inFlightProblems } from './channel-snapshot.ts'
import type { CheckpointMetadata, OperatorRecord } from './checkpoint-files.ts'

/**
 * Everything that is wrong, each as a clause; empty: it fits. An operator that had no state may go without further ado;
 * `isPartialAllowed`: so may others, whose state is left behind.
 */
export function restoreProblems(
  metadata: CheckpointMetadata,
  graph: JobGraph,
  isPartialAllowed: boolean,
): string[] {
  const lost = isPartialAllowed ? [] : inFlightProblems(metadata.inFlight, graph)
  return [...operatorProblems(metadata, graph, isPartialAllowed), ...lost]
}

function operatorProblems(
  metadata: CheckpointMetadata,
  { vertices }: JobGraph,
  isPartialAllowed: boolean,
): string[] {
  const limits = new Map(
    vertices.flatMap(({ operators, maxParallelism }) =>
      operators.map(({ id }): [string, number] => [id, maxParallelism]),
    ),
  )
  return metadata.operators.flatMap((record) => {
    const { id, name, maxParallelism } = record
    const limit = limits.get(id)
    const operator = `operator "${name}" (uid ${id})`
    if (limit === undefined) {
      return isPartialAllowed || !hasState(record, metadata)
        ? []
        : [`${operator} is not in the job any more; it has ${describeStates(record)}`]
    }
    if (limit === maxParallelism) return []
    return [
      `${operator} was saved with max parallelism ${maxParallelism}, the job has ${limit}: ` +
        'keys are spread over that many groups for ever, so it cannot be changed',
    ]
  })
}

function hasState({ id, states }: OperatorRecord, metadata: CheckpointMetadata): boolean {
  const hasEntries = states.some(({ entryCount }) => entryCount > 0)
  return hasEntries || metadata.enumerators.some((enumerator) => enumerator.id === id)
}

function describeStates({ states }: OperatorRecord): string {
  if (states.length === 0) return 'state'
  return `the state${states.length === 1 ? '' : 's'} ${states.map(({ name }) => `"${name}"`).join(', ')}`
}
