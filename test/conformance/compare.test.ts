/** The comparator: what it accepts, and above all what it does not. */
import t, { type Test } from 'tap'
import type { Json } from './case.ts'
import { isEqual, isSameOutput } from './compare.ts'

const record = (name: string, ts: number | null): Json => ({ record: [name], ts })
const watermark = (time: number): Json => ({ watermark: time })
const side = (name: string): Json => ({ side: 'late', record: [name], ts: 1 })
const idle: Json = { status: 'idle' }

const [a1, b1, c2, d3] = [record('a', 1), record('b', 1), record('c', 2), record('d', 3)]

function check(t: Test, order: string, rows: readonly (readonly [boolean, Json[], Json[], string])[]): void {
  for (const [isSame, expected, found, what] of rows) {
    t.equal(isSameOutput(expected, found, order), isSame, `${what}: ${JSON.stringify(found)}`)
  }
}

t.test('compare - values are equal if their JSON is', async (t) => {
  const equal: [Json, Json][] = [
    [null, null],
    [1, 1],
    ['MAX', 'MAX'],
    [
      [1, ['x', null]],
      [1, ['x', null]],
    ],
    [
      { a: 1, b: [2] },
      { b: [2], a: 1 },
    ],
    [{ error: 'no timestamp' }, { error: 'TIMESTAMP_MISSING' }],
  ]
  const different: [Json, Json][] = [
    [null, 0],
    [0, false],
    [1, '1'],
    ['', null],
    [
      [1, 2],
      [2, 1],
    ],
    [[1], [1, 1]],
    [[], {}],
    [{}, null],
    [{ a: 1 }, { a: 1, b: null }],
    [{ a: 1, b: null }, { a: 1 }],
    [{ a: 1 }, { b: 1 }],
    [
      { record: [1], ts: null },
      { record: [1], ts: 0 },
    ],
    [{ error: 'no timestamp' }, { record: ['a'], ts: 1 }],
    [
      { side: 'late', record: [1], ts: 1 },
      { record: [1], ts: 1 },
    ],
  ]
  for (const [a, b] of equal)
    t.ok(isEqual(a, b) && isEqual(b, a), `${JSON.stringify(a)} is ${JSON.stringify(b)}`)
  for (const [a, b] of different) {
    t.notOk(isEqual(a, b) || isEqual(b, a), `${JSON.stringify(a)} is not ${JSON.stringify(b)}`)
  }
})

t.test('compare - strict order is the order of the list', async (t) => {
  check(t, 'strict', [
    [true, [], [], 'nothing'],
    [true, [a1, c2, watermark(1)], [a1, c2, watermark(1)], 'the same'],
    [false, [], [a1], 'something instead of nothing'],
    [false, [a1], [], 'nothing instead of something'],
    [false, [a1, b1], [b1, a1], 'swapped'],
    [false, [a1, b1], [a1], 'one missing'],
    [false, [a1], [a1, a1], 'one twice'],
    [false, [a1, watermark(1)], [watermark(1), a1], 'watermark first'],
  ])
})

t.test('compare - any order holds between watermarks and statuses only', async (t) => {
  check(t, 'any', [
    [true, [a1, c2, watermark(1), d3], [c2, a1, watermark(1), d3], 'swapped before the watermark'],
    [true, [d3, c2, side('x')], [side('x'), c2, d3], 'swapped with a side output'],
    [false, [a1, watermark(1)], [watermark(1), a1], 'behind the watermark'],
    [false, [a1, watermark(1), c2], [c2, watermark(1), a1], 'across the watermark'],
    [false, [a1, idle, c2], [a1, c2, idle], 'across a status'],
    [false, [watermark(1), idle], [idle, watermark(1)], 'watermark and status swapped'],
    [false, [watermark(1), watermark(2)], [watermark(2), watermark(1)], 'watermarks swapped'],
    [false, [watermark(1)], [watermark(2)], 'another watermark'],
    [false, [watermark(1)], [], 'no watermark'],
    [false, [], [watermark(1)], 'a watermark too many'],
    [false, [a1, a1, b1], [a1, b1, b1], 'other multiplicities'],
    [false, [a1, b1], [a1, b1, b1], 'one more'],
    [false, [a1], [record('a', 2)], 'another timestamp'],
    [false, [a1], [record('a', null)], 'no timestamp'],
    [false, [side('x')], [record('x', 1)], 'on the main output'],
  ])
})

t.test('compare - by timestamp, only records of the same timestamp may be swapped', async (t) => {
  check(t, 'by-ts', [
    [true, [a1, b1, c2], [b1, a1, c2], 'the same timestamp swapped'],
    [true, [a1, side('x'), c2], [a1, c2, side('x')], 'a side output at another place'],
    [true, [side('x'), a1, side('y'), watermark(1)], [a1, watermark(1), side('y'), side('x')], 'sides apart'],
    [false, [a1, c2], [c2, a1], 'different timestamps swapped'],
    [false, [a1, b1, c2], [a1, c2, b1], 'into the next timestamp'],
    [false, [a1, c2, b1], [b1, c2, a1], 'the same timestamp across another one'],
    [false, [d3, c2], [c2, d3], 'ascending where descending is expected'],
    [false, [a1, b1], [a1, a1], 'one twice instead of the other'],
    [false, [a1, watermark(1), b1], [b1, watermark(1), a1], 'the same timestamp across a watermark'],
    [false, [a1, watermark(1)], [watermark(1), a1], 'behind the watermark'],
    [false, [side('x'), a1], [side('y'), a1], 'another side output'],
    [false, [side('x')], [], 'no side output'],
    [false, [a1], [a1, side('x')], 'a side output too many'],
    [false, [a1, c2], [a1], 'the last one missing'],
    [false, [a1], [a1, c2], 'one more at the end'],
  ])
})

t.test('compare - between decisions on checkpoints, only the order within a channel counts', async (t) => {
  const [a, b, c] = [0, 0, 1].map((channel, i): Json => ({ process: 'abc'[i]!, channel })) as [
    Json,
    Json,
    Json,
  ]
  const trigger = (id: number): Json => ({ trigger: id })
  const abort = (id: number): Json => ({ abort: id, reason: 'subsumed' })
  check(t, 'barrier', [
    [true, [a, b, c], [c, a, b], 'another channel in between'],
    [true, [trigger(2), a], [abort(1), trigger(2), a], 'an abort of an older one more'],
    [true, [abort(2)], [abort(1), abort(2)], 'an abort of an older one before an abort'],
    [false, [a, b], [b, a], 'swapped within a channel'],
    [false, [a, trigger(1)], [trigger(1), a], 'behind the trigger'],
    [false, [trigger(1)], [abort(1), trigger(1)], 'an abort of the same one more'],
    [false, [a], [abort(1), a], 'an abort where none is expected'],
    [false, [abort(1), trigger(2)], [trigger(2)], 'an abort missing'],
    [false, [{ abort: 1, reason: 'cancelled' }], [abort(1)], 'another reason'],
    [false, [a, c], [a, a], 'one twice instead of the other'],
    [false, [a], [a, c], 'one more'],
  ])
})

t.test('compare - other orders are refused', async (t) => {
  t.throws(() => isSameOutput([], [], 'sorted'), { message: /order "sorted"/ })
})
