/** Windows of two streams: the contents that only they have. What windows do otherwise is the window operator's. */
import fc from 'fast-check'
import t from 'tap'
import type { RichCoGroup } from '../../../lib/function/join-functions.ts'
import { outputTag } from '../../../lib/function/output-tag.ts'
import { WindowJoinOperator, type WindowJoinOptions } from '../../../lib/operator/window-join-operator.ts'
import { type HarnessSnapshot, OperatorHarness } from '../../../lib/testing/operator-harness.ts'
import { MAX_TIMESTAMP } from '../../../lib/time/timestamp.ts'
import { t as types } from '../../../lib/types/t.ts'
import { countEvictor } from '../../../lib/window/evictor.ts'
import { session, sliding, tumbling, type WindowAssigner } from '../../../lib/window/window-assigner.ts'
import { runs } from '../types/schema-arbitrary.ts'
import { stamped } from './brief.ts'

interface Item {
  readonly key: string
  readonly id: number
}
type Options = WindowJoinOptions<Item, Item, string>

const item = types.object({ key: types.string, id: types.int32 })

const listing: RichCoGroup<Item, Item, string, never> = {
  process(key, { window }, left, right, out) {
    const ids = (items: readonly Item[]) => items.map(({ id }) => id).join(' ')
    out.collect(`${key} ${window.start}-${window.end}: ${ids(left)} | ${ids(right)}`)
  },
}

function open(assigner: WindowAssigner<Item>, more: Partial<Options> = {}, restore?: HarnessSnapshot) {
  const options: Options = {
    left: { type: item, lateTag: null },
    right: { type: item, lateTag: null },
    assigner,
    trigger: assigner.defaultTrigger(),
    evictor: null,
    allowedLatenessMs: 0,
    coGroup: listing as never,
    ...more,
  }
  const keyOf = ({ key }: Item) => key
  return OperatorHarness.open<string>({
    operator: () => new WindowJoinOperator(options),
    keySelectors: [keyOf, keyOf] as never,
    ...(restore === undefined ? {} : { restore }),
  })
}

type Harness = Awaited<ReturnType<typeof open>>

function watermark(harness: Harness, timestamp: number): void {
  for (const input of [0, 1]) harness.watermark(timestamp, input)
}

t.test('window join - a window has two sides, of which one may be empty', async (t) => {
  const harness = await open(tumbling(10))
  harness.element({ key: 'a', id: 1 }, 3, 0)
  harness.element({ key: 'a', id: 2 }, 1, 1)
  harness.element({ key: 'a', id: 3 }, 9, 0)
  harness.element({ key: 'b', id: 4 }, 5, 1)
  watermark(harness, 9)
  t.same(stamped(harness.takeOutput()), ['a 0-10: 1 3 | 2@9', 'b 0-10:  | 4@9', 9])
  t.equal(harness.keyed!.size, 0)
  await harness.close()
})

t.test('window join - late records of each side go where that side says', async (t) => {
  const harness = await open(tumbling(10), {
    left: { type: item, lateTag: outputTag('late-left', item) },
    allowedLatenessMs: 5,
  })
  harness.element({ key: 'a', id: 1 }, 3, 0)
  watermark(harness, 12)
  harness.takeOutput()
  harness.element({ key: 'a', id: 2 }, 4, 1)
  t.same(stamped(harness.takeOutput()), ['a 0-10: 1 | 2@9'], 'allowed: fires again')
  watermark(harness, 14)
  harness.takeOutput()
  harness.element({ key: 'a', id: 3 }, 4, 0)
  harness.element({ key: 'a', id: 4 }, 4, 1)
  t.match(harness.takeOutput(), [{ kind: 'side', tag: 'late-left', value: { id: 3 } }])
  t.equal(harness.metrics.read().late_records_dropped_total, 1)
  await harness.close()
})

t.test('window join - an evictor sees both sides in the order they came', async (t) => {
  const harness = await open(tumbling(10), { evictor: countEvictor(3) })
  for (const [id, input] of [0, 1, 0, 1, 1].entries()) harness.element({ key: 'a', id }, id, input)
  const snapshot = await harness.snapshot()
  await harness.close()
  const restored = await open(tumbling(10), { evictor: countEvictor(3) }, snapshot)
  watermark(restored, 9)
  t.same(stamped(restored.takeOutput()), ['a 0-10: 2 | 3 4@9', 9])
  await restored.close()
})

t.test('window join - its function is opened, told of windows that go, and closed', async (t) => {
  const calls: string[] = []
  const harness = await open(tumbling(10), {
    coGroup: {
      open: () => void calls.push('open'),
      process: (key) => void calls.push(`process ${key}`),
      clear: ({ window }) => void calls.push(`clear ${window.end}`),
      close: () => void calls.push('close'),
    },
  })
  harness.element({ key: 'a', id: 1 }, 3, 0)
  watermark(harness, 20)
  await harness.close()
  t.same(calls, ['open', 'process a', 'clear 10', 'close'])
})

const draws = fc.array(
  fc.record({
    key: fc.constantFrom('a', 'b'),
    input: fc.nat(1),
    timestamp: fc.nat(60),
    isRestore: fc.nat(6).map((n) => n === 0),
  }),
  { maxLength: 40, size: 'max' },
)

interface Arrival {
  readonly item: Item
  readonly timestamp: number
  readonly input: number
}

/** What each window has, by asking every window that could be there. */
function grid(size: number, slide: number) {
  return (arrivals: readonly Arrival[]): string[] =>
    ['a', 'b'].flatMap((key) => {
      const results: string[] = []
      for (let start = -size; start <= 60; start++) {
        if (((start % slide) + slide) % slide !== 0) continue
        const own = arrivals.filter(
          ({ item, timestamp }) => item.key === key && timestamp >= start && timestamp < start + size,
        )
        if (own.length > 0) results.push(`${key} ${start}-${start + size}: ${side(own, 0)} | ${side(own, 1)}`)
      }
      return results
    })
}

function sessions(gap: number) {
  return (arrivals: readonly Arrival[]): string[] =>
    ['a', 'b'].flatMap((key) => {
      const own = arrivals.filter(({ item }) => item.key === key)
      const times = own.map(({ timestamp }) => timestamp).sort((a, b) => a - b)
      const starts = times.filter((time, i) => i === 0 || time > times[i - 1]! + gap)
      return starts.map((start, i) => {
        const inside = times.filter(
          (time) => time >= start && time < (starts[i + 1] ?? Number.POSITIVE_INFINITY),
        )
        const last = inside.at(-1)!
        const members = own.filter(({ timestamp }) => timestamp >= start && timestamp <= last)
        return `${key} ${start}-${last + gap}: ${side(members, 0)} | ${side(members, 1)}`
      })
    })
}

const side = (arrivals: readonly Arrival[], input: number) =>
  arrivals.flatMap((arrival) => (arrival.input === input ? [arrival.item.id] : [])).join(' ')

/** Merging sessions brings their lists together in another order than the records came in. */
const ordered = (result: string) => {
  const [, head, left, right] = /^(.*: )(.*) \| (.*)$/.exec(result)!
  const sorted = (ids: string) =>
    ids
      .split(' ')
      .sort((a, b) => Number(a) - Number(b))
      .join(' ')
  return `${head}${sorted(left!)} | ${sorted(right!)}`
}

for (const [name, assigner, batch] of [
  ['tumbling', tumbling<Item>(10), grid(10, 10)],
  ['sliding', sliding<Item>(12, 5), grid(12, 5)],
  ['sessions', session<Item>(4), sessions(4)],
] as const) {
  for (const evictor of [null, countEvictor<Item>(1000)]) {
    const how = evictor === null ? '' : ', evicting'
    t.test(`window join - ${name}${how}: what a batch computation gives, snapshots or not`, async (t) => {
      const property = fc.asyncProperty(draws, async (events) => {
        const arrivals: Arrival[] = []
        let harness = await open(assigner, { evictor })
        for (const [id, { key, input, timestamp, isRestore }] of events.entries()) {
          arrivals.push({ item: { key, id }, timestamp, input })
          harness.element({ key, id }, timestamp, input)
          if (!isRestore) continue
          const snapshot = await harness.snapshot()
          await harness.close()
          harness = await open(assigner, { evictor }, snapshot)
        }
        watermark(harness, MAX_TIMESTAMP)
        const found = harness
          .takeOutput()
          .flatMap((output) => (output.kind === 'record' ? [output.value] : []))
        await harness.close()
        return found.map(ordered).sort().join('\n') === batch(arrivals).map(ordered).sort().join('\n')
      })
      await t.resolves(fc.assert(property, runs(50)))
    })
  }
}
