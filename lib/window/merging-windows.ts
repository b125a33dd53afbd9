/**
 * The windows of one key under a merging assigner. Each window in use is mapped to the window under whose id its
 * contents are stored, which stays the same while the window grows, so that merging into an existing window moves no
 * state. Flink's MergingWindowSet.
 */
import { mergeWindows, type Window } from './window.ts'

/** Called when windows have become one. */
export type MergeListener = (merge: {
  /** The window they became. */
  readonly result: Window
  /** The windows that are no more; never includes the one that was just added. */
  readonly sources: readonly Window[]
  /** Where the contents of the result are. */
  readonly stateWindow: Window
  /** Where the contents to be added to them are. */
  readonly mergedStateWindows: readonly Window[]
}) => void

export class MergingWindows {
  /** Pairs of window in use and state window. */
  #mapping: (readonly [Window, Window])[]

  constructor(mapping: Iterable<readonly [Window, Window]> = []) {
    this.#mapping = [...mapping]
  }

  get mapping(): readonly (readonly [Window, Window])[] {
    return this.#mapping
  }

  stateWindowOf(window: Window): Window | undefined {
    return this.#mapping.find(([inUse]) => inUse.equals(window))?.[1]
  }

  /** The window goes away. */
  retire(window: Window): void {
    this.#mapping = this.#mapping.filter(([inUse]) => !inUse.equals(window))
  }

  /** Adds a window; returns the window in use that it became part of. */
  add(added: Window, onMerge: MergeListener): Window {
    const merged = mergeWindows([...this.#mapping.map(([inUse]) => inUse), added]).find(({ sources }) =>
      sources.includes(added),
    )!
    const sources = merged.sources.filter((source) => source !== added)
    if (sources.length === 0) {
      this.#mapping.push([added, added])
      return added
    }
    const stateWindows = sources.map((source) => this.stateWindowOf(source)!)
    const isUnchanged = sources.length === 1 && sources[0]!.equals(merged.result)
    if (isUnchanged) return merged.result
    for (const source of sources) this.retire(source)
    const stateWindow = stateWindows[0]!
    this.#mapping.push([merged.result, stateWindow])
    onMerge({ result: merged.result, sources, stateWindow, mergedStateWindows: stateWindows.slice(1) })
    return merged.result
  }
}
