/**
 * Which state a subtask begins with: its share of what all subtasks of the same operator had, whatever the parallelism
 * was then and is now. Flink's StateAssignmentOperation.
 */
import { SluiceError } from '../base/errors.ts'
import type { OperatorStateSnapshot } from '../state/operator-state.ts'
import type { StateChunk } from '../state/state-chunk.ts'
import type { OperatorRecord } from './checkpoint-files.ts'
import { redistributeKeyGroups, redistributeList } from './state-redistribution.ts'
import type { OperatorSnapshot } from './subtask-snapshot.ts'

/** The place of the new subtask. */
export interface Share {
  readonly parallelism: number
  readonly maxParallelism: number
  readonly index: number
}

export interface AssignedState {
  readonly operatorState: readonly OperatorStateSnapshot[]
  /** May hold rows of other key groups, which the backend leaves out. */
  readonly keyed: readonly StateChunk[]
}

/** The old subtasks whose blobs are needed for a share. Throws STATE_INCOMPATIBLE. */
export function neededSubtasks(record: OperatorRecord, share: Share): number[] {
  if (record.maxParallelism !== share.maxParallelism) {
    throw new SluiceError(
      'STATE_INCOMPATIBLE',
      `operator "${record.name}" (uid ${record.id}) was saved with max parallelism ${record.maxParallelism} and has ` +
        `${share.maxParallelism} now; it cannot be changed: set maxParallelism to ${record.maxParallelism}`,
    )
  }
  const all = record.subtasks.map((_, old) => old)
  return record.parallelism === share.parallelism && !record.hasUnion ? [share.index] : all
}

/**
 * `snapshots`: by old subtask, of those that `neededSubtasks` names; undefined where there was none. `broadcastDonor`:
 * whose broadcast state all begin with; null: that of any, since it is the same in all.
 */
export function assignState(
  record: OperatorRecord,
  share: Share,
  snapshots: ReadonlyMap<number, OperatorSnapshot | undefined>,
  broadcastDonor: number | null = null,
): AssignedState {
  const { maxParallelism, parallelism, index } = share
  const { sources } = redistributeKeyGroups(maxParallelism, record.parallelism, parallelism, index)
  return {
    operatorState: assignLists(record, share, snapshots, broadcastDonor),
    keyed: sources.flatMap(({ from }) => [...(snapshots.get(from)?.keyed ?? [])]),
  }
}

function assignLists(
  record: OperatorRecord,
  { parallelism, index }: Share,
  snapshots: ReadonlyMap<number, OperatorSnapshot | undefined>,
  broadcastDonor: number | null,
): OperatorStateSnapshot[] {
  const donor = record.parallelism === parallelism ? index : broadcastDonor
  const kinds = new Map<string, OperatorStateSnapshot>()
  for (const snapshot of snapshots.values()) {
    for (const state of snapshot?.operatorState ?? []) kinds.set(state.name, state)
  }
  return [...kinds.values()].map((kind) => {
    const bySubtask = record.subtasks.map(
      (_, old) => snapshots.get(old)?.operatorState.find((state) => state.name === kind.name)?.items ?? [],
    )
    const isGiven = kind.mode === 'broadcast' && broadcastDonor !== null && donor !== null
    return {
      ...kind,
      items: isGiven ? bySubtask[donor]! : redistributeList(kind.mode, bySubtask, parallelism)[index]!,
    }
  })
}
