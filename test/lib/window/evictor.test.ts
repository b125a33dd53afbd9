import t from 'tap'
import {
  countEvictor,
  deltaEvictor,
  type Evictor,
  evictor,
  timeEvictor,
} from '../../../lib/window/evictor.ts'
import { GLOBAL_WINDOW } from '../../../lib/window/window.ts'

type Element = readonly [value: number, timestamp?: number]

/** The values that stay when an evictor looks before the function. */
function kept(each: Evictor<number>, ...elements: Element[]): number[] {
  const all = elements.map(([value, timestamp = Number.NaN]) => ({ value, timestamp }))
  return each.before!(all, GLOBAL_WINDOW).map(({ value }) => value)
}

t.test('count evictor - keeps the last in the order they came', async (t) => {
  t.same(kept(countEvictor(2), [1, 9], [2, 1], [3, 5]), [2, 3])
  t.same(kept(countEvictor(2), [1], [2]), [1, 2])
  t.same(kept(countEvictor(0), [1]), [])
  t.throws(() => countEvictor(-1), { code: 'GRAPH_INVALID' })
  t.throws(() => countEvictor(1.5), { code: 'GRAPH_INVALID' })
})

t.test('time evictor - drops what is as old as the size or older, counted from the youngest', async (t) => {
  t.same(kept(timeEvictor(10), [1, 100], [2, 90], [3, 91], [4, 89]), [1, 3])
  t.same(kept(timeEvictor('1s')), [])
})

t.test('time evictor - without timestamps nothing is dropped', async (t) => {
  t.same(kept(timeEvictor(10), [1], [2, 100], [3, 1]), [1, 2, 3])
  t.same(kept(timeEvictor(10), [1, 100], [2], [3, 1]), [1, 2], 'those that have one may be')
})

t.test('delta evictor - drops what differs from the last one by the threshold or more', async (t) => {
  const difference = deltaEvictor<number>(2, (value, last) => last - value)
  t.same(kept(difference, [1], [3], [2], [4]), [3, 4])
  t.same(kept(difference), [])
})

t.test('evictors - come before the function or after it', async (t) => {
  const rows = [countEvictor<number>(1, { after: true }), timeEvictor<number>(1, { after: true })]
  for (const each of rows) {
    t.equal(each.before, undefined)
    t.type(each.after, 'function')
    t.match(each.name, /\(after\)/)
  }
  const own = evictor<number>('odd', (all) => all.filter(({ value }) => value % 2 === 0))
  t.same(kept(own, [1], [2], [3]), [2])
  t.equal(own.after, undefined)
})
