import fc from 'fast-check'
import t from 'tap'
import { ManualClock } from '../../../lib/testing/manual-clock.ts'
import {
  ascendingTimestamps,
  boundedOutOfOrderness,
  noWatermarks,
  punctuated,
  type WatermarkGenerator,
  type WatermarkOutput,
  type WatermarkStrategy,
  watermarkGenerator,
} from '../../../lib/time/watermark-strategy.ts'
import { runs } from '../types/schema-arbitrary.ts'

type Output = number | 'idle' | 'active'

function newOutput(): WatermarkOutput & { take(): Output[] } {
  let outputs: Output[] = []
  return {
    emitWatermark: (timestamp) => outputs.push(timestamp),
    markIdle: () => outputs.push('idle'),
    markActive: () => outputs.push('active'),
    take: () => {
      const taken = outputs
      outputs = []
      return taken
    },
  }
}

function newGenerator<T>(strategy: WatermarkStrategy<T>, clock = new ManualClock()): WatermarkGenerator<T> {
  return strategy.newGenerator(clock)
}

t.test('bounded out-of-orderness - trails the greatest timestamp by the delay and 1 ms', async (t) => {
  const generator = newGenerator(boundedOutOfOrderness<string>('1s'))
  const output = newOutput()
  generator.onPeriodicEmit(output)
  t.same(output.take(), [Number.NEGATIVE_INFINITY], 'nothing before the first record')
  generator.onEvent('', 5000, output)
  generator.onEvent('', 4000, output)
  t.same(output.take(), [], 'records alone emit nothing')
  generator.onPeriodicEmit(output)
  t.same(output.take(), [3999])
})

t.test('bounded out-of-orderness - records without a timestamp do not count', async (t) => {
  const generator = newGenerator(boundedOutOfOrderness<string>(0))
  const output = newOutput()
  generator.onEvent('', 7, output)
  generator.onEvent('', Number.NaN, output)
  generator.onPeriodicEmit(output)
  t.same(output.take(), [6])
})

t.test('bounded out-of-orderness - no record within the bound is ever behind the watermark', async (t) => {
  const delay = 10
  const disordered = fc.array(fc.tuple(fc.nat(20), fc.nat(delay), fc.boolean()), {
    maxLength: 100,
    size: 'max',
  })
  const property = fc.property(disordered, (records) => {
    const generator = newGenerator(boundedOutOfOrderness<null>(delay))
    const output = newOutput()
    let time = -100
    let watermark = Number.NEGATIVE_INFINITY
    for (const [step, behind, isPeriodic] of records) {
      time += step
      const timestamp = time - behind
      if (timestamp <= watermark) return false
      generator.onEvent(null, timestamp, output)
      if (isPeriodic) generator.onPeriodicEmit(output)
      for (const emitted of output.take()) watermark = Math.max(watermark, emitted as number)
    }
    return true
  })
  t.doesNotThrow(() => fc.assert(property, runs(200)))
})

t.test('ascending timestamps - trail the greatest timestamp by 1 ms', async (t) => {
  const generator = newGenerator(ascendingTimestamps<string>())
  const output = newOutput()
  generator.onEvent('', 7, output)
  generator.onPeriodicEmit(output)
  t.same(output.take(), [6])
})

t.test('punctuated - emits at once what a record says', async (t) => {
  const strategy = punctuated<number>((value, timestamp) => (value > 0 ? timestamp - value : undefined))
  const generator = newGenerator(strategy)
  const output = newOutput()
  generator.onEvent(0, 10, output)
  generator.onPeriodicEmit(output)
  t.same(output.take(), [])
  generator.onEvent(3, 10, output)
  t.same(output.take(), [7])
})

t.test('no watermarks - says nothing', async (t) => {
  const generator = newGenerator(noWatermarks<string>())
  const output = newOutput()
  generator.onEvent('', 10, output)
  generator.onPeriodicEmit(output)
  t.same(output.take(), [])
})

t.test('strategies - every split has a generator of its own', async (t) => {
  const strategies = [
    boundedOutOfOrderness<string>(0),
    watermarkGenerator<string>(() => {
      let greatest = 0
      return {
        onEvent: (_value, timestamp) => {
          greatest = Math.max(greatest, timestamp)
        },
        onPeriodicEmit: (output) => output.emitWatermark(greatest - 1),
      }
    }),
  ]
  for (const strategy of strategies) {
    const [a, b] = [newGenerator(strategy), newGenerator(strategy)]
    const output = newOutput()
    a.onEvent('', 9, output)
    b.onEvent('', 5, output)
    a.onPeriodicEmit(output)
    b.onPeriodicEmit(output)
    t.same(output.take(), [8, 4])
  }
})

t.test('strategies - settings add up and leave the original alone', async (t) => {
  const plain = boundedOutOfOrderness<{ at: number }>(5)
  const full = plain
    .withTimestamps(({ at }) => at)
    .withIdleness('2s')
    .withAlignment('group', '1m')
  t.equal(plain.timestampOf, null)
  t.equal(plain.idleTimeoutMs, null)
  t.equal(plain.alignment, null)
  t.equal(full.timestampOf?.({ at: 7 }, undefined), 7)
  t.equal(full.idleTimeoutMs, 2000)
  t.same(full.alignment, { group: 'group', maxDriftMs: 60_000, updateIntervalMs: 200 })
})

t.test('strategies - durations that make no sense are refused', async (t) => {
  const refused = { code: 'GRAPH_INVALID' }
  t.throws(() => boundedOutOfOrderness(-1), refused)
  t.throws(() => ascendingTimestamps().withIdleness(0), refused)
  t.throws(() => ascendingTimestamps().withIdleness('-5s'), refused)
  t.throws(() => ascendingTimestamps().withAlignment('group', 0), refused)
  t.throws(() => boundedOutOfOrderness('soon'), { code: 'CONFIG_INVALID' })
})

/** Asks a generator at every multiple of 50 ms up to `untilMs`; what it said, by time. */
async function ask(
  clock: ManualClock,
  generator: WatermarkGenerator<string>,
  untilMs: number,
): Promise<(readonly [number, Output])[]> {
  const output = newOutput()
  const said: (readonly [number, Output])[] = []
  while (clock.monotonic() < untilMs) {
    await clock.advance(50)
    generator.onPeriodicEmit(output)
    for (const each of output.take()) said.push([clock.monotonic(), each])
  }
  return said
}

t.test('idleness - needs more than the timeout, counted from the first check without records', async (t) => {
  const clock = new ManualClock()
  const generator = newGenerator(ascendingTimestamps<string>().withIdleness(100), clock)
  const output = newOutput()
  generator.onEvent('', 10, output)
  const expected = [
    [50, 9],
    [100, 9],
    [150, 9],
    [200, 9],
    [250, 'idle'],
  ]
  t.same(await ask(clock, generator, 400), expected)
})

t.test('idleness - a record is activity, but the watermark after it says so', async (t) => {
  const clock = new ManualClock()
  const generator = newGenerator(ascendingTimestamps<string>().withIdleness(100), clock)
  const output = newOutput()
  t.same((await ask(clock, generator, 250)).at(-1), [200, 'idle'], 'a split without any records is idle too')
  generator.onEvent('', 20, output)
  t.same(output.take(), [])
  t.same(await ask(clock, generator, 300), [[300, 19]])
  await ask(clock, generator, 400)
  generator.onEvent('', 30, output)
  t.same((await ask(clock, generator, 650)).at(-1), [650, 'idle'], 'the record has put it off')
})

t.test('idleness - punctuated watermarks still come at once', async (t) => {
  const generator = newGenerator(punctuated<number>((value) => value).withIdleness(100))
  const output = newOutput()
  generator.onEvent(5, 5, output)
  t.same(output.take(), [5])
})
