import t from 'tap'
import type { WindowOf } from '../../../lib/function/functions.ts'
import {
  aggregateFolding,
  bufferedContents,
  evictingContents,
  foldedContents,
  reduceFolding,
} from '../../../lib/operator/window-contents.ts'
import { t as types } from '../../../lib/types/t.ts'
import { countEvictor, evictor } from '../../../lib/window/evictor.ts'
import type { Context } from './window-script.ts'

const context = { window: { key: 'k', start: 0, end: 10 } } as unknown as Context
const window: WindowOf<string> = { key: 'k', start: 0, end: 10 }

function newOutput(): { collect(value: unknown): void; values: unknown[] } {
  const values: unknown[] = []
  return { collect: (value) => void values.push(value), values }
}

const joining = {
  process: (
    key: unknown,
    _context: unknown,
    elements: Iterable<number>,
    out: { collect(value: string): void },
  ) => out.collect(`${key}: ${[...elements].join(' ')}`),
} as never

t.test('contents - a reduction begins with its first value', async (t) => {
  const folding = reduceFolding<number>((a, b) => a + b, types.int32)
  t.equal(folding.add(5, folding.add(3, undefined)), 8)
  t.equal(folding.merge!(2, 3), 5)
  t.equal(folding.result(7, window), 7)
})

t.test('contents - an aggregation begins with its accumulator, and may not be mergeable', async (t) => {
  const averaging = {
    createAccumulator: () => [0, 0] as [number, number],
    add: (value: number, [sum, count]: [number, number]): [number, number] => [sum + value, count + 1],
    getResult: ([sum, count]: [number, number], { key }: WindowOf<never>) => `${key} ${sum / count}`,
  }
  const folding = aggregateFolding(averaging, types.any as never)
  const accumulator = folding.add(4, folding.add(2, undefined))
  t.equal(folding.result(accumulator, window), 'k 3')
  t.equal(folding.merge, null)
})

t.test('contents - a copied accumulator may be merged into', async (t) => {
  const counting = {
    createAccumulator: () => ({ count: 0 }),
    add: (_value: number, total: { count: number }) => {
      total.count++
      return total
    },
    getResult: ({ count }: { count: number }) => count,
    merge: (a: { count: number }, b: { count: number }) => {
      a.count += b.count
      return a
    },
  }
  const folding = aggregateFolding(counting, types.any as never)
  const original = folding.add(1, undefined)
  const copy = folding.copy(original)
  folding.merge!(copy, folding.add(1, undefined))
  t.same([original, copy], [{ count: 1 }, { count: 2 }])
})

t.test('contents - folded ones emit the result, through the function if there is one', async (t) => {
  const folding = reduceFolding<number>((a, b) => a + b, types.int32)
  const [plain, processed] = [newOutput(), newOutput()]
  t.equal(foldedContents(folding, null).emit(7, context, plain), 7)
  t.equal(foldedContents(folding, joining).emit(7, context, processed), 7)
  t.same([plain.values, processed.values], [[7], ['k: 7']])
})

t.test('contents - buffered ones keep all records in order', async (t) => {
  const contents = bufferedContents<number, string>(types.int32, joining)
  const out = newOutput()
  const elements = contents.merge!(
    contents.add(2, 0, contents.add(1, 0, undefined)),
    contents.add(3, 0, undefined),
  )
  t.same(contents.emit(elements, context, out), [1, 2, 3])
  t.same(out.values, ['k: 1 2 3'])
})

t.test(
  'contents - evicting ones give the function what is left, and keep what is left after it',
  async (t) => {
    const element = (value: number) => ({ value, timestamp: value * 10 })
    const then = { kind: 'process', process: joining } as const
    const before = evictingContents<number, string>(types.int32, countEvictor(2), then)
    const out = newOutput()
    t.same(before.emit([1, 2, 3].map(element), context, out), [2, 3].map(element))
    const after = evictingContents<number, string>(types.int32, countEvictor(1, { after: true }), then)
    t.same(after.emit([1, 2, 3].map(element), context, out), [3].map(element))
    const none = evictingContents<number, string>(types.int32, countEvictor(0, { after: true }), then)
    t.equal(none.emit([1].map(element), context, out), undefined)
    t.same(out.values, ['k: 2 3', 'k: 1 2 3', 'k: 1'])
  },
)

t.test('contents - evicting ones fold what is left, if anything is', async (t) => {
  const folding = reduceFolding<number>((a, b) => a + b, types.int32)
  const odd = evictor<number>('odd', (all) => all.filter(({ value }) => value % 2 === 0))
  const contents = evictingContents<number, number>(types.int32, odd, {
    kind: 'fold',
    folding: folding as never,
    process: null,
  })
  const out = newOutput()
  contents.emit(
    [1, 2, 4].map((value) => ({ value, timestamp: 0 })),
    context,
    out,
  )
  contents.emit(
    [1, 3].map((value) => ({ value, timestamp: 0 })),
    context,
    out,
  )
  t.same(out.values, [6])
})
