/**
 * The enumerator of sources whose splits are known beforehand: deals them out to the readers once, split i to reader
 * i modulo the number of readers. Its state is what has not been dealt out yet.
 */
import type { EnumeratorContext, Split, SplitEnumerator } from '../function/source.ts'

export function staticSplits<S extends Split>(
  context: EnumeratorContext<S>,
  splits: readonly S[],
  restored: readonly S[] | undefined,
): SplitEnumerator<readonly S[], S> {
  const { parallelism } = context
  const pending = new Map<number, S[]>()
  for (const [i, split] of (restored ?? splits).entries()) {
    pending.set(i % parallelism, [...(pending.get(i % parallelism) ?? []), split])
  }
  return {
    start() {},
    onSplitRequest(subtaskIndex) {
      for (const split of pending.get(subtaskIndex) ?? []) context.assign(split, subtaskIndex)
      pending.delete(subtaskIndex)
      context.noMoreSplits(subtaskIndex)
    },
    addSplitsBack(splits, subtaskIndex) {
      pending.set(subtaskIndex, [...(pending.get(subtaskIndex) ?? []), ...splits])
    },
    snapshot: () => [...pending.values()].flat(),
    close() {},
  }
}
