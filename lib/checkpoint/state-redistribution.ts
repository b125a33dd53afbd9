/**
 * Who gets which state when a job is restored with another parallelism. Flink's StateAssignmentOperation and
 * RoundRobinOperatorStateRepartitioner. Pure.
 */
import { intersectKeyGroups, type KeyGroupRange, keyGroupRange } from '../state/key-group.ts'
import type { RedistributionMode } from '../state/operator-state.ts'

/** The elements of a list state, by old subtask, dealt out to `parallelism` new ones. */
export function redistributeList<T>(
  mode: RedistributionMode,
  subtasks: readonly (readonly T[])[],
  parallelism: number,
): T[][] {
  switch (mode) {
    case 'union': {
      const all = subtasks.flat()
      return Array.from({ length: parallelism }, () => [...all])
    }
    case 'broadcast': {
      const any = subtasks.find((items) => items.length > 0) ?? []
      return Array.from({ length: parallelism }, () => [...any])
    }
    case 'split':
      return subtasks.length === parallelism
        ? subtasks.map((items) => [...items])
        : splitEvenly(subtasks.flat(), parallelism)
  }
}

/** Contiguous parts whose sizes differ by at most one, the larger first. */
function splitEvenly<T>(items: readonly T[], parts: number): T[][] {
  const base = Math.floor(items.length / parts)
  const larger = items.length % parts
  let at = 0
  return Array.from({ length: parts }, (_, i) => {
    const size = base + (i < larger ? 1 : 0)
    const part = items.slice(at, at + size)
    at += size
    return part
  })
}

export interface KeyGroupSource {
  /** The old subtask. */
  readonly from: number
  readonly range: KeyGroupRange
}

/** The key groups of new subtask `index`, and which old subtask has which of them. */
export function redistributeKeyGroups(
  maxParallelism: number,
  oldParallelism: number,
  newParallelism: number,
  index: number,
): { range: KeyGroupRange; sources: KeyGroupSource[] } {
  const range = keyGroupRange(maxParallelism, newParallelism, index)
  const sources: KeyGroupSource[] = []
  for (let from = 0; from < oldParallelism; from++) {
    const shared = intersectKeyGroups(range, keyGroupRange(maxParallelism, oldParallelism, from))
    if (shared !== null) sources.push({ from, range: shared })
  }
  return { range, sources }
}
