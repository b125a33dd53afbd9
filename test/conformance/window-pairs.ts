/** Pair cases of window assignment and merging. */
import { MergingWindows } from '../../lib/window/merging-windows.ts'
import { GLOBAL_WINDOW, mergeWindows, Window, windowStart } from '../../lib/window/window.ts'
import { CaseError, type Json, type JsonObject, numberOf, objectOf } from './case.ts'
import { parseTime } from './literals.ts'
import { functionsAdapter } from './pair-functions.ts'
import { assignerOf, type Element } from './window-parts.ts'

type Bounds = readonly [number, number]

const toWindow = ([start, end]: Bounds): Window => new Window(start, end)
const toBounds = ({ start, end }: Window): Bounds => [start, end]
const byBounds = (a: Bounds, b: Bounds): number => a[0] - b[0] || a[1] - b[1]

export const windowAssignAdapter = functionsAdapter({
  'assign-windows': (config) => {
    const assigner = assignerOf(objectOf(config, 'assigner'))
    return (input: JsonObject) => {
      const element = (input.value ?? ['key', 0]) as unknown as Element
      const windows = assigner.assign(element, parseTime(input.ts))
      return windows.some((window) => window.equals(GLOBAL_WINDOW))
        ? ['global']
        : windows.map(toBounds).sort(byBounds)
    }
  },
  'window-start': () => (input: JsonObject) =>
    windowStart(numberOf(input, 'ts'), numberOf(input, 'offset'), numberOf(input, 'size')),
})

export const windowMergeAdapter = functionsAdapter({
  'window-intersects-cover': () => (input: JsonObject) => {
    const [a, b] = [toWindow(input.a as Bounds), toWindow(input.b as Bounds)]
    return { intersects: a.intersects(b), cover: toBounds(a.cover(b)) }
  },
  'merge-windows': () => (input: readonly Json[]) =>
    mergeWindows((input as unknown as Bounds[]).map(toWindow))
      .map(({ result }) => toBounds(result))
      .sort(byBounds),
  'merging-window-set': () => mergingWindowSet(),
})

/** A set of merging windows and what becomes of it, call by call. */
function mergingWindowSet(): (input: JsonObject) => unknown {
  const windows = new MergingWindows()
  return (input) => {
    if (input.retire !== undefined) {
      windows.retire(toWindow(input.retire as Bounds))
      return { retired: input.retire }
    }
    if (input.add === undefined) throw new CaseError(`expected add or retire, found ${JSON.stringify(input)}`)
    let sources: readonly Window[] = []
    const window = windows.add(toWindow(input.add as Bounds), (merge) => {
      sources = merge.sources
    })
    return {
      window: toBounds(window),
      merged: sources.length > 0,
      from: sources.map(toBounds).sort(byBounds),
    }
  }
}
