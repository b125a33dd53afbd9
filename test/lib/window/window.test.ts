import fc from 'fast-check'
import t from 'tap'
import { GLOBAL_WINDOW, mergeWindows, Window, windowStart } from '../../../lib/window/window.ts'
import { runs } from '../types/schema-arbitrary.ts'

t.test('window - the last millisecond is the one before the end', async (t) => {
  t.equal(new Window(0, 10).maxTimestamp, 9)
  t.equal(GLOBAL_WINDOW.maxTimestamp, Number.POSITIVE_INFINITY)
})

t.test('window - windows that touch intersect, windows apart do not', async (t) => {
  const rows: [[number, number], [number, number], boolean][] = [
    [[0, 10], [10, 20], true],
    [[0, 10], [11, 20], false],
    [[0, 10], [2, 3], true],
    [[5, 5], [0, 5], true],
    [[5, 5], [6, 9], false],
  ]
  for (const [a, b, expected] of rows) {
    t.equal(new Window(...a).intersects(new Window(...b)), expected)
    t.equal(new Window(...b).intersects(new Window(...a)), expected)
  }
})

t.test('window - the start holds the timestamp and lies on the grid, for any sign', async (t) => {
  const property = fc.property(
    fc.integer({ min: -1e12, max: 1e12 }),
    fc.integer({ min: 1, max: 1e9 }),
    fc.integer({ min: -1e6, max: 1e6 }),
    (timestamp, size, offset) => {
      const start = windowStart(timestamp, offset, size)
      const isOnGrid = Math.abs((start - offset) % size) === 0
      return start <= timestamp && timestamp < start + size && isOnGrid
    },
  )
  t.doesNotThrow(() => fc.assert(property, runs(1000)))
})

t.test('window - zero is not minus zero', async (t) => {
  t.ok(Object.is(windowStart(3, 0, 10), 0))
  t.ok(Object.is(windowStart(-0, 0, 10), 0))
})

const bounds = fc.tuple(fc.integer({ min: -50, max: 50 }), fc.nat(12))

t.test('window - merged windows cover what the single ones did, and no two of them touch', async (t) => {
  const property = fc.property(fc.array(bounds, { maxLength: 15, size: 'max' }), (list) => {
    const windows = list.map(([start, length]) => new Window(start, start + length))
    const merged = mergeWindows(windows)
    const sources = merged.flatMap((each) => each.sources)
    const isComplete = sources.length === windows.length && windows.every((each) => sources.includes(each))
    const isApart = merged.every((a, i) => merged.slice(i + 1).every((b) => !a.result.intersects(b.result)))
    const isCovered = merged.every(({ result, sources: [first, ...rest] }) =>
      result.equals(rest.reduce((cover, each) => cover.cover(each), first!)),
    )
    return isComplete && isApart && isCovered
  })
  t.doesNotThrow(() => fc.assert(property, runs(500)))
})
