/** What one subtask of a harness begins with, out of the snapshots of all the subtasks there were before. */
import type { Share } from '../checkpoint/assign-state.ts'
import { redistributeList } from '../checkpoint/state-redistribution.ts'
import type { OperatorStateSnapshot } from '../state/operator-state.ts'
import type { HarnessSnapshot } from './operator-harness.ts'

type Snapshots = ReadonlyMap<string, HarnessSnapshot>

export function mergeSnapshots(before: Snapshots | readonly Snapshots[], share: Share): Snapshots {
  const subtasks = before instanceof Map ? [before as Snapshots] : (before as readonly Snapshots[])
  const ids = new Set(subtasks.flatMap((snapshots) => [...snapshots.keys()]))
  return new Map(
    [...ids].map((id) => {
      const snapshots = subtasks.map((subtask) => subtask.get(id) ?? { keyed: [], operator: [] })
      // Rows of other key groups are left out when they are read.
      const keyed = snapshots.flatMap((snapshot) => snapshot.keyed)
      return [id, { keyed, operator: shareOfLists(snapshots, share) }]
    }),
  )
}

function shareOfLists(
  snapshots: readonly HarnessSnapshot[],
  { parallelism, index }: Share,
): OperatorStateSnapshot[] {
  const kinds = new Map(snapshots.flatMap(({ operator }) => operator.map((state) => [state.name, state])))
  return [...kinds.values()].map((kind) => {
    const bySubtask = snapshots.map(
      ({ operator }) => operator.find((state) => state.name === kind.name)?.items ?? [],
    )
    return { ...kind, items: redistributeList(kind.mode, bySubtask, parallelism)[index]! }
  })
}
