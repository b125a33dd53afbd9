import fc from 'fast-check'
import t from 'tap'
import { GLOBAL_WINDOW } from '../../../lib/window/window.ts'
import {
  endOfStreamWindow,
  globalWindow,
  session,
  sessionProcessingTime,
  sliding,
  slidingProcessingTime,
  tumbling,
  tumblingProcessingTime,
  type WindowAssigner,
} from '../../../lib/window/window-assigner.ts'
import { runs } from '../types/schema-arbitrary.ts'

const boundsOf = <T>(assigner: WindowAssigner<T>, value: T, timestamp: number): [number, number][] =>
  assigner.assign(value, timestamp).map(({ start, end }) => [start, end])

t.test('tumbling - one window, on a grid that may be shifted', async (t) => {
  t.same(boundsOf(tumbling('5s'), 0, 4999), [[0, 5000]])
  t.same(boundsOf(tumbling('5s'), 0, -1), [[-5000, 0]])
  t.same(boundsOf(tumbling('5s', { offset: '-100ms' }), 0, 4900), [[4900, 9900]])
  t.same(boundsOf(tumblingProcessingTime(10, { offset: 3 }), 0, 2), [[-7, 3]])
})

t.test('sliding - every window that holds the timestamp, the latest first', async (t) => {
  t.same(boundsOf(sliding(10, 4), 0, 9), [
    [8, 18],
    [4, 14],
    [0, 10],
  ])
  t.same(boundsOf(sliding(4, 10), 0, 3), [[0, 4]])
  t.same(boundsOf(sliding(4, 10), 0, 4), [], 'in the gap between windows')
})

t.test('sliding - windows are those of the grid that hold the timestamp, no more, no less', async (t) => {
  const property = fc.property(
    fc.integer({ min: -1000, max: 1000 }),
    fc.integer({ min: 1, max: 40 }),
    fc.integer({ min: 1, max: 40 }),
    fc.integer({ min: -39, max: 39 }),
    (timestamp, size, slide, offset) => {
      const shift = offset % slide
      const found = boundsOf(slidingProcessingTime(size, slide, { offset: shift }), 0, timestamp)
      const expected: number[] = []
      for (let start = timestamp; start > timestamp - size; start--)
        if ((start - shift) % slide === 0) expected.push(start)
      return (
        found.map(([start]) => start).join() === expected.join() && found.every(([a, b]) => b - a === size)
      )
    },
  )
  t.doesNotThrow(() => fc.assert(property, runs(500)))
})

t.test('session - a window from the record to the end of its gap', async (t) => {
  t.same(boundsOf(session('3s'), 0, 7), [[7, 3007]])
  t.same(
    boundsOf(
      sessionProcessingTime<number>((gap) => gap),
      5,
      7,
    ),
    [[7, 12]],
  )
})

t.test('session - a gap read from a record must be a positive integer', async (t) => {
  for (const gap of [0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY]) {
    t.throws(() => session(() => gap).assign(0, 7), { code: 'GRAPH_INVALID' }, String(gap))
  }
})

t.test('global - one window for all, which nothing can be late for', async (t) => {
  for (const assigner of [globalWindow<number>(), endOfStreamWindow<number>()]) {
    t.same(assigner.assign(0, Number.NaN), [GLOBAL_WINDOW])
    t.equal(assigner.timeDomain, 'processing')
  }
  t.equal(globalWindow().defaultTrigger().name, 'never')
  t.equal(endOfStreamWindow().defaultTrigger().name, 'end of stream')
})

t.test('assigners - say what they are, for the fingerprint of a job', async (t) => {
  const names = [
    tumbling('1m'),
    tumbling('1m', { offset: 5 }),
    tumblingProcessingTime('1m'),
    sliding('1m', '10s'),
    session('1s'),
    session(() => 1),
    globalWindow(),
    endOfStreamWindow(),
  ].map(({ name }) => name)
  t.same(names.slice(0, 4), [
    'tumbling(60000ms, event time)',
    'tumbling(60000ms, offset 5ms, event time)',
    'tumbling(60000ms, processing time)',
    'sliding(60000ms, 10000ms, event time)',
  ])
  t.equal(new Set(names).size, names.length)
})

t.test('assigners - the default trigger is that of their time', async (t) => {
  const assigners = [
    tumbling(1),
    sliding(2, 1),
    session(1),
    tumblingProcessingTime(1),
    sessionProcessingTime(1),
  ]
  const names = assigners.map((assigner) => assigner.defaultTrigger().name)
  t.same(names, ['event time', 'event time', 'event time', 'processing time', 'processing time'])
})

t.test('assigners - sizes and offsets that make no sense are refused', async (t) => {
  const refused = { code: 'GRAPH_INVALID' }
  t.throws(() => tumbling(0), refused)
  t.throws(() => tumbling('-1s'), refused)
  t.throws(() => sliding(10, 0), refused)
  t.throws(() => session(0), refused)
  t.throws(() => tumbling(10, { offset: 10 }), refused)
  t.throws(() => tumbling(10, { offset: -10 }), refused)
  t.throws(() => sliding(10, 5, { offset: 5 }), refused)
  t.doesNotThrow(() => sliding(10, 5, { offset: -4 }))
})
