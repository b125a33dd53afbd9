import fc from 'fast-check'
import t from 'tap'
import { MergingWindows } from '../../../lib/window/merging-windows.ts'
import { Window } from '../../../lib/window/window.ts'
import { runs } from '../types/schema-arbitrary.ts'

const text = ({ start, end }: Window): string => `${start}-${end}`

/** Adds a window; what was merged, as text. */
function add(windows: MergingWindows, start: number, end: number): string {
  let merged = ''
  const result = windows.add(new Window(start, end), (merge) => {
    const from = merge.sources.map(text).join(' ')
    merged = ` from ${from}, state ${text(merge.stateWindow)} + [${merge.mergedStateWindows.map(text).join(' ')}]`
  })
  return text(result) + merged
}

t.test('merging windows - windows apart stay apart', async (t) => {
  const windows = new MergingWindows()
  t.equal(add(windows, 0, 3), '0-3')
  t.equal(add(windows, 5, 8), '5-8')
  t.equal(windows.mapping.length, 2)
})

t.test('merging windows - one inside another changes nothing', async (t) => {
  const windows = new MergingWindows()
  add(windows, 0, 10)
  for (const [start, end] of [
    [0, 10],
    [3, 5],
    [10, 10],
  ] as const)
    t.equal(add(windows, start, end), '0-10')
})

t.test('merging windows - a window that grows keeps its state where it is', async (t) => {
  const windows = new MergingWindows()
  add(windows, 0, 4)
  t.equal(add(windows, 3, 6), '0-6 from 0-4, state 0-4 + []')
  t.equal(add(windows, 6, 9), '0-9 from 0-6, state 0-4 + []')
  t.equal(text(windows.stateWindowOf(new Window(0, 9))!), '0-4')
  t.equal(windows.stateWindowOf(new Window(0, 6)), undefined)
})

t.test('merging windows - a bridge merges the state of all it connects into one', async (t) => {
  const windows = new MergingWindows()
  add(windows, 10, 13)
  add(windows, 0, 3)
  add(windows, 5, 8)
  t.equal(add(windows, 2, 10), '0-13 from 0-3 5-8 10-13, state 0-3 + [5-8 10-13]')
  t.equal(windows.mapping.length, 1)
})

t.test('merging windows - a window over others, never seen itself, has their state', async (t) => {
  const windows = new MergingWindows()
  add(windows, 1, 2)
  t.equal(add(windows, 0, 5), '0-5 from 1-2, state 1-2 + []')
})

t.test('merging windows - a retired window is forgotten', async (t) => {
  const windows = new MergingWindows()
  add(windows, 0, 3)
  add(windows, 5, 8)
  windows.retire(new Window(0, 3))
  t.same(
    windows.mapping.map(([inUse]) => text(inUse)),
    ['5-8'],
  )
  t.equal(add(windows, 3, 5), '3-8 from 5-8, state 5-8 + []')
})

t.test('merging windows - come back from their mapping', async (t) => {
  const windows = new MergingWindows()
  add(windows, 0, 4)
  add(windows, 3, 6)
  const again = new MergingWindows(windows.mapping)
  t.equal(add(again, 6, 9), '0-9 from 0-6, state 0-4 + []')
})

const added = fc.array(fc.tuple(fc.integer({ min: 0, max: 60 }), fc.nat(8)), { maxLength: 25, size: 'max' })

t.test('merging windows - no state is lost, shared or left behind, whatever the order', async (t) => {
  const property = fc.property(added, (list) => {
    const windows = new MergingWindows()
    /** Per state window, the windows whose contents are there. */
    const contents = new Map<string, Window[]>()
    const all: Window[] = []
    for (const [start, length] of list) {
      const window = new Window(start, start + length)
      all.push(window)
      const inUse = windows.add(window, ({ stateWindow, mergedStateWindows }) => {
        for (const source of mergedStateWindows) {
          const moved = contents.get(text(source)) ?? []
          contents.delete(text(source))
          contents.set(text(stateWindow), [...(contents.get(text(stateWindow)) ?? []), ...moved])
        }
      })
      const state = text(windows.stateWindowOf(inUse)!)
      contents.set(state, [...(contents.get(state) ?? []), window])
    }
    return (
      windows.mapping.length === contents.size &&
      windows.mapping.every(([a, state], i) => {
        const held = contents.get(text(state))!
        const expected = all.filter((each) => each.intersects(a))
        const isApart = windows.mapping.slice(i + 1).every(([b]) => !a.intersects(b))
        const isCover = a.equals(held.reduce((cover, each) => cover.cover(each)))
        return isApart && isCover && held.length === expected.length
      })
    )
  })
  t.doesNotThrow(() => fc.assert(property, runs(500)))
})
