import {
  boundedOutOfOrderness,
  type DataStream,
  type KeyedProcessFunction,
  outputTag,
  tumbling,
  t as types,
  valueState,
} from 'sluice'
import { openHarness, type StreamHarnessOptions } from 'sluice/testing'
import t from 'tap'

interface Reading {
  readonly sensor: string
  readonly value: number
}

const Reading = types.object({ sensor: types.string, value: types.float64 })
const late = outputTag('late', Reading)

const sums = (readings: DataStream<Reading>) =>
  readings
    .keyBy(({ sensor }) => sensor)
    .window(tumbling('1s'))
    .lateOutput(late)
    .aggregate({
      createAccumulator: () => 0,
      add: ({ value }, sum) => sum + value,
      getResult: (sum, { key, end }) => `${key} ${end}: ${sum}`,
    })

const reading = (sensor: string, value: number): Reading => ({ sensor, value })

t.test(
  'stream harness - a window fires by event time, and what is late goes to its side output',
  async (t) => {
    const harness = await openHarness(sums, { types: [Reading] })
    harness.input.push(reading('a', 1), 100)
    harness.input.pushAll([
      [reading('a', 2), 999],
      [reading('a', 4), 1000],
    ])
    t.same(harness.values(), [])
    harness.input.watermark(999)
    t.same(harness.output(), [
      { kind: 'record', value: 'a 1000: 3', timestamp: 999 },
      { kind: 'watermark', timestamp: 999 },
    ])
    harness.input.push(reading('a', 8), 500)
    t.same(harness.side(late), [reading('a', 8)])
    t.same(harness.side(late), [], 'told once')
    await harness.end()
    t.same(harness.values(), ['a 2000: 4'])
    await harness.close()
  },
)

t.test('stream harness - late records without a side output are counted', async (t) => {
  const harness = await openHarness((readings: DataStream<Reading>) =>
    readings
      .keyBy(({ sensor }) => sensor)
      .window(tumbling('1s'))
      .reduce((a) => a),
  )
  harness.watermark(5000)
  harness.input.push(reading('a', 1), 100)
  t.equal(harness.metric('late_records_dropped_total'), 1)
  t.equal(harness.metric('no_such_metric'), undefined)
})

t.test('stream harness - two inputs, each with a time of its own', async (t) => {
  const harness = await openHarness((numbers: DataStream<number>, words: DataStream<string>) =>
    numbers.connect(words).process<string>({
      processElement1: (value, context, out) => out.collect(`${value} at ${context.currentWatermark()}`),
      processElement2: (value, _context, out) => out.collect(value.toUpperCase()),
    }),
  )
  const [numbers, words] = harness.inputs
  numbers.push(1)
  words.push('one')
  numbers.watermark(10)
  numbers.push(2)
  words.watermark(7)
  numbers.push(3)
  t.same(harness.values(), ['1 at -Infinity', 'ONE', '2 at -Infinity', '3 at 7'])
  words.idle()
  numbers.push(4)
  t.same(harness.values(), ['4 at 10'], 'an idle input holds nobody back')
})

t.test('stream harness - several operators, united streams, a strategy on a stream', async (t) => {
  const harness = await openHarness((a: DataStream<Reading>, b: DataStream<Reading>) => {
    const times = boundedOutOfOrderness<Reading>(0, ({ value }) => value)
    return sums(a.union(b.filter(({ value }) => value >= 0)).watermarks(times))
  })
  const [a, b] = harness.inputs
  a.push(reading('a', 10))
  b.push(reading('a', 20))
  b.push(reading('a', -1))
  a.push(reading('a', 2000))
  harness.advance('200ms')
  t.same(harness.values(), ['a 1000: 30'])
})

t.test('stream harness - the clock stops at each timer on its way', async (t) => {
  const harness = await openHarness(
    (names: DataStream<string>) =>
      names
        .keyBy((name) => name)
        .process<string>({
          processElement: (_name, context) => context.registerProcessingTimer(context.processingTime() + 10),
          onTimer(timestamp, context, out) {
            out.collect(`${context.currentKey} ${timestamp} ${context.processingTime()}`)
            context.registerProcessingTimer(timestamp + 10)
          },
        }),
    { processingTime: 1000 },
  )
  harness.input.push('a')
  harness.advance(25)
  t.same(harness.values(), ['a 1010 1010', 'a 1020 1020'])
  t.equal(harness.processingTime, 1025)
})

t.test('stream harness - what a function throws comes out of the call that led to it', async (t) => {
  const harness = await openHarness((numbers: DataStream<number>) =>
    numbers.map((n) => {
      if (n === 3) throw new Error('three')
      return n
    }),
  )
  harness.input.push(2)
  t.throws(() => harness.input.push(3), /three/)
})

const counting = (): KeyedProcessFunction<string, string, string> => {
  let count: { value(): number | undefined; update(value: number): void }
  return {
    open: (context) => {
      count = context.state(valueState('count', types.int64))
    },
    processElement(name, _context, out) {
      count.update((count.value() ?? 0) + 1)
      out.collect(`${name} ${count.value()}`)
    },
  }
}
const counts = (names: DataStream<string>) =>
  names.keyBy((name) => name).process(counting(), { uid: 'counts' })

t.test('stream harness - state goes on from a snapshot, at any parallelism', async (t) => {
  const names = Array.from({ length: 40 }, (_, i) => `n${i}`)
  const opened = (restore: StreamHarnessOptions['restore'], parallelism: number) =>
    Promise.all(
      Array.from({ length: parallelism }, (_, subtaskIndex) =>
        openHarness(counts, { parallelism, subtaskIndex, ...(restore === undefined ? {} : { restore }) }),
      ),
    )
  let subtasks = await opened(undefined, 1)
  for (const [round, parallelism] of [1, 3, 2].entries()) {
    const snapshots = await Promise.all(subtasks.map((subtask) => subtask.snapshot()))
    subtasks = await opened(snapshots, parallelism)
    for (const subtask of subtasks) for (const name of names) subtask.input.push(name)
    const results = subtasks.map((subtask) => subtask.values())
    t.same(
      results.flat().sort(),
      names.map((name) => `${name} ${round + 1}`).sort(),
      'each key in one subtask',
    )
    t.ok(results.every(({ length }) => length > 0))
  }
})

t.test('stream harness - a snapshot of other operators is refused', async (t) => {
  const snapshot = await (await openHarness(counts)).snapshot()
  const other = openHarness((names: DataStream<string>) => names.map((name) => name), { restore: snapshot })
  await t.rejects(other, { code: 'STATE_INCOMPATIBLE', message: /counts/ })
})
