import fc from 'fast-check'
import t from 'tap'
import { outputTag } from '../../../lib/function/output-tag.ts'
import { isSliceable, SliceWindowOperator } from '../../../lib/operator/slice-window-operator.ts'
import type { StreamOperator } from '../../../lib/operator/stream-operator.ts'
import { type Folding, foldedContents, reduceFolding } from '../../../lib/operator/window-contents.ts'
import { WindowOperator } from '../../../lib/operator/window-operator.ts'
import { keyGroupOf, subtaskOfKeyGroup } from '../../../lib/state/key-group.ts'
import { type HarnessSnapshot, OperatorHarness } from '../../../lib/testing/operator-harness.ts'
import { MAX_TIMESTAMP } from '../../../lib/time/timestamp.ts'
import { t as types } from '../../../lib/types/t.ts'
import {
  type AlignedWindows,
  sliding,
  slidingProcessingTime,
  tumbling,
} from '../../../lib/window/window-assigner.ts'
import { runs } from '../types/schema-arbitrary.ts'
import {
  type Event,
  type Outputs,
  type PlayOptions,
  play,
  type Reading,
  type Result,
  sorted,
  streams,
  totallingFolding,
} from './window-streams.ts'

const late = outputTag<Reading>('late')

interface Windows {
  readonly assigner: AlignedWindows<Reading>
  readonly allowedLatenessMs: number
}

const sliced = (windows: Windows) => (): StreamOperator<Result> =>
  new SliceWindowOperator({ ...windows, folding: totallingFolding(), lateTag: late })

const general = (windows: Windows) => (): StreamOperator<Result> =>
  new WindowOperator({
    ...windows,
    trigger: windows.assigner.defaultTrigger(),
    contents: foldedContents(totallingFolding(), null),
    lateTag: late,
  })

/** The same outputs in the same order, but for those of different keys that are due at the same time. */
function isSame(a: Outputs, b: Outputs): boolean {
  const times = (outputs: Outputs) =>
    outputs.map((output) => ('timestamp' in output ? output.timestamp : null))
  return times(a).join() === times(b).join() && sorted(a).join() === sorted(b).join()
}

async function isAlike(windows: Windows, events: readonly Event[], options: PlayOptions): Promise<boolean> {
  const expected = await play(general(windows), events, options)
  const found = await play(sliced(windows), events, options)
  return expected.every((outputs, i) => isSame(outputs, found[i]!))
}

const shapes: Windows[] = [
  { assigner: tumbling(10), allowedLatenessMs: 0 },
  { assigner: tumbling(10, { offset: -3 }), allowedLatenessMs: 15 },
  { assigner: sliding(12, 4), allowedLatenessMs: 0 },
  { assigner: sliding(12, 5, { offset: 2 }), allowedLatenessMs: 0 },
  { assigner: sliding(12, 4), allowedLatenessMs: 9 },
  { assigner: sliding(12, 5, { offset: -1 }), allowedLatenessMs: 22 },
  { assigner: sliding(7, 1), allowedLatenessMs: 3 },
]

/** Many records are late, some so late that they are lost. */
const disordered = { disorderMs: 40, delayMs: 4 }

for (const windows of shapes) {
  const name = `${windows.assigner.name}, lateness ${windows.allowedLatenessMs}`
  t.test(`slices - ${name}: results, late ones too, are those of the window operator`, async (t) => {
    const property = fc.asyncProperty(streams(disordered), (events) => isAlike(windows, events, {}))
    await t.resolves(fc.assert(property, runs(60)))
  })
  t.test(`slices - ${name}: also after snapshots, and when pausing`, async (t) => {
    const events = streams({ ...disordered, isRestoring: true })
    const property = fc.asyncProperty(events, fc.boolean(), (events, isPausing) =>
      isAlike(windows, events, { shouldPause: () => isPausing }),
    )
    await t.resolves(fc.assert(property, runs(60)))
  })
}

for (const windows of [...shapes.slice(0, 2), { assigner: tumbling<Reading>(10), allowedLatenessMs: 40 }]) {
  const name = `${windows.assigner.name}, lateness ${windows.allowedLatenessMs}`
  t.test(`slices - ${name}: also when event time begins anew after a restore`, async (t) => {
    const property = fc.asyncProperty(streams({ ...disordered, isRestoring: true }), (events) =>
      isAlike(windows, events, { isWatermarkRestored: false }),
    )
    await t.resolves(fc.assert(property, runs(60)))
  })
}

const keySelectors = [({ key }: Reading) => key] as never

function open(windows: Windows, restore?: HarnessSnapshot): Promise<OperatorHarness<Result>> {
  const options = restore === undefined ? {} : { restore }
  return OperatorHarness.open<Result>({ operator: sliced(windows), keySelectors, ...options })
}

const element = (harness: OperatorHarness<Result>, key: string, value: number, timestamp: number) =>
  harness.element({ key, value }, timestamp)

/** Results as `key start-end sum`, late records as `late key`, watermarks as numbers. */
function take(harness: OperatorHarness<Result>): (string | number)[] {
  return harness.takeOutput().map((output) => {
    if (output.kind === 'watermark') return output.timestamp
    if (output.kind === 'side') return `late ${(output.value as Reading).key}`
    if (output.kind !== 'record') return 'status'
    const { key, start, end, sum } = output.value
    return `${key} ${start}-${end} ${sum}`
  })
}

t.test('slices - what had fired fires again when the watermark comes there again', async (t) => {
  const windows = { assigner: tumbling<Reading>(10), allowedLatenessMs: 10 }
  const before = await open(windows)
  element(before, 'a', 1, 5)
  element(before, 'b', 1, 5)
  element(before, 'a', 2, 15)
  before.watermark(9)
  const between = await open(windows, await before.snapshot())
  element(between, 'a', 4, 6)
  const after = await open(windows, await between.snapshot())
  t.same([...take(between), ...take(after)], [])
  after.watermark(9)
  t.same(take(after), ['a 0-10 5', 9], 'not for a key that has had no record since')
  element(after, 'b', 3, 6)
  t.same(take(after), ['b 0-10 4'], 'late, but still allowed: at once, with all there was')
  after.watermark(19)
  t.same(take(after), ['a 10-20 2', 19])
  element(after, 'a', 8, 7)
  t.same(take(after), ['late a'])
})

t.test(
  'slices - a sliding window that had gone at the snapshot does not come back with half of what it had',
  async (t) => {
    const windows = { assigner: sliding<Reading>(20, 10), allowedLatenessMs: 0 }
    const before = await open(windows)
    element(before, 'a', 1, 15)
    before.watermark(19)
    const after = await open(windows, await before.snapshot())
    element(after, 'a', 2, 5)
    t.same(take(after), ['late a'])
    element(after, 'a', 4, 15)
    after.watermark(29)
    t.same(take(after), ['a 10-30 5', 29], 'only the window that has not fired')
  },
)

t.test('slices - snapshots taken before the watermark is back remember what had fired', async (t) => {
  const windows = { assigner: sliding<Reading>(20, 10), allowedLatenessMs: 0 }
  const before = await open(windows)
  element(before, 'a', 1, 15)
  before.watermark(19)
  const between = await open(windows, await before.snapshot())
  between.watermark(3)
  const after = await open(windows, await between.snapshot())
  after.watermark(MAX_TIMESTAMP)
  t.same(take(after), ['a 10-30 1', MAX_TIMESTAMP])
})

t.test('slices - two subtasks become one: each key group goes on from where it was', async (t) => {
  const windows = { assigner: sliding<Reading>(20, 10), allowedLatenessMs: 5 }
  const maxParallelism = 8
  const options = { operator: sliced(windows), keySelectors, maxParallelism }
  const two = [0, 1].map((subtaskIndex) =>
    OperatorHarness.open<Result>({ ...options, parallelism: 2, subtaskIndex }),
  )
  const [ahead, behind] = (await Promise.all(two)) as [OperatorHarness<Result>, OperatorHarness<Result>]
  const isAhead = (key: string) => subtaskOfKeyGroup(maxParallelism, 2, keyGroupOf(key, maxParallelism)) === 0
  const keys = ['a', 'b', 'c', 'd', 'e', 'f']
  const [fast, slow] = [keys.filter(isAhead), keys.filter((key) => !isAhead(key))]
  t.ok(fast.length > 0 && slow.length > 0)
  for (const key of keys)
    for (const timestamp of [5, 15]) element(isAhead(key) ? ahead : behind, key, 1, timestamp)
  ahead.watermark(19)
  behind.watermark(12)
  const snapshots = [await ahead.snapshot(), await behind.snapshot()]
  const restore = { keyed: snapshots.flatMap(({ keyed }) => keyed), operator: [] }
  const one = await OperatorHarness.open<Result>({ ...options, restore })
  element(one, slow[0]!, 1, 6)
  t.same(take(one), [], 'fired before, allowed still')
  one.watermark(15)
  t.same(take(one), [`${slow[0]} -10-10 2`, 15])
  element(one, slow[0]!, 1, 6)
  t.same(take(one), [], 'no longer allowed')
  one.watermark(19)
  const sumOf = (key: string) => (key === slow[0] ? 4 : 2)
  t.same(take(one), [...slow.map((key) => `${key} 0-20 ${sumOf(key)}`), 19], 'the others have fired before')
  one.watermark(MAX_TIMESTAMP)
  t.same(take(one).sort(), [...keys.map((key) => `${key} 10-30 1`), MAX_TIMESTAMP].sort())
})

t.test('slices - results may keep the window they were given', async (t) => {
  const kept: object[] = []
  const folding = { ...totallingFolding(), result: (_totals: unknown, window: object) => kept.push(window) }
  const assigner = tumbling<Reading>(10)
  const operator = () => new SliceWindowOperator({ assigner, folding, allowedLatenessMs: 0, lateTag: null })
  const harness = await OperatorHarness.open({ operator, keySelectors })
  for (const [key, timestamp] of [
    ['a', 1],
    ['b', 2],
    ['a', 11],
  ] as const)
    harness.element({ key, value: 1 }, timestamp)
  harness.watermark(MAX_TIMESTAMP)
  t.same(kept, [
    { key: 'a', start: 0, end: 10 },
    { key: 'b', start: 0, end: 10 },
    { key: 'a', start: 10, end: 20 },
  ])
})

t.test('slices - late records without a late output are counted', async (t) => {
  const operator = () =>
    new SliceWindowOperator({
      assigner: tumbling<Reading>(10),
      folding: totallingFolding(),
      allowedLatenessMs: 0,
      lateTag: null,
    })
  const harness = await OperatorHarness.open<Result>({ operator, keySelectors })
  harness.watermark(9)
  element(harness, 'a', 1, 5)
  element(harness, 'a', 1, 10)
  t.same(take(harness), [9])
  t.equal(harness.metrics.read().late_records_dropped_total, 1)
})

t.test('slices - a snapshot must not catch half of a firing', async (t) => {
  const windows = { assigner: tumbling<Reading>(10), allowedLatenessMs: 0 }
  let isSafeWhilePaused = true
  const harness: OperatorHarness<Result> = await OperatorHarness.open<Result>({
    operator: sliced(windows),
    keySelectors,
    shouldPause: () => {
      if (harness.operator.isSnapshotSafe) isSafeWhilePaused = false
      return true
    },
  })
  for (let key = 0; key < 200; key++) element(harness, `${key}`, 1, 5)
  harness.watermark(9)
  t.ok(harness.pauseCount >= 3)
  t.equal(isSafeWhilePaused, true)
  t.equal(harness.operator.isSnapshotSafe, true)
  t.equal(take(harness).length, 201)
})

t.test('slices - records without a timestamp, or with one that is none, are refused', async (t) => {
  const harness = await open({ assigner: tumbling(10), allowedLatenessMs: 0 })
  const value: Reading = { key: 'a', value: 1 }
  t.throws(() => harness.element(value), { code: 'TIMESTAMP_MISSING' })
  for (const timestamp of [1.5, MAX_TIMESTAMP]) {
    t.throws(() => harness.element(value, timestamp), { code: 'TIMESTAMP_INVALID' })
  }
})

t.test('slices - state is gone when the last window over it is', async (t) => {
  const harness = await open({ assigner: sliding(20, 10), allowedLatenessMs: 5 })
  for (const timestamp of [5, 15, 25]) element(harness, 'a', 1, timestamp)
  const sizes = [19, 23, 24, 33, 34, 43, 44].map((watermark) => {
    harness.watermark(watermark)
    return harness.keyed!.sliceTable('window/slices', totallingFolding().type).size
  })
  t.same(sizes, [3, 3, 2, 2, 1, 1, 0])
})

t.test(
  'slices - are for aligned event-time windows that overlap only if their contents can be merged',
  async (t) => {
    const folding = reduceFolding<number>((a, b) => a + b, types.int32) as unknown as Folding<
      never,
      never,
      number
    >
    const unmergeable = { ...folding, merge: null }
    t.equal(isSliceable(tumbling(10), folding), true)
    t.equal(isSliceable(sliding(20, 10), folding), true)
    t.equal(isSliceable(tumbling(10), unmergeable), true)
    t.equal(isSliceable(sliding(20, 10), unmergeable), false)
    t.equal(isSliceable(sliding(10, 20), folding), false)
    t.equal(isSliceable(slidingProcessingTime(20, 10), folding), false)
  },
)
