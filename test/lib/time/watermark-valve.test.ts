import fc from 'fast-check'
import t from 'tap'
import { MAX_TIMESTAMP, MIN_TIMESTAMP } from '../../../lib/time/timestamp.ts'
import { WatermarkValve } from '../../../lib/time/watermark-valve.ts'
import { runs } from '../types/schema-arbitrary.ts'

type Output = number | 'idle' | 'active'

function newValve(channelCount: number): { valve: WatermarkValve; take(): Output[] } {
  let outputs: Output[] = []
  const valve = new WatermarkValve(channelCount, {
    watermark: (timestamp) => outputs.push(timestamp),
    status: (isIdle) => outputs.push(isIdle ? 'idle' : 'active'),
  })
  return {
    valve,
    take: () => {
      const taken = outputs
      outputs = []
      return taken
    },
  }
}

t.test('valve - sends the least watermark of all channels, once', async (t) => {
  const { valve, take } = newValve(3)
  valve.onWatermark(0, 5)
  valve.onWatermark(1, 7)
  t.same(take(), [])
  valve.onWatermark(2, 3)
  t.same(take(), [3])
  valve.onWatermark(2, 3)
  valve.onWatermark(0, 6)
  t.same(take(), [])
  valve.onWatermark(2, 9)
  t.same(take(), [6])
  t.equal(valve.watermark, 6)
})

t.test('valve - a channel that has ended holds nothing back', async (t) => {
  const { valve, take } = newValve(2)
  valve.onWatermark(0, 5)
  valve.onEnd(1)
  t.same(take(), [5])
  valve.onStatus(0, true)
  t.same(take(), [MAX_TIMESTAMP])
  valve.onEnd(0)
  t.same(take(), [])
})

t.test('valve - an idle channel that ends is active again first', async (t) => {
  const { valve, take } = newValve(1)
  valve.onStatus(0, true)
  valve.onEnd(0)
  t.same(take(), ['idle', 'active', MAX_TIMESTAMP])
})

t.test('valve - goes on where another left off', async (t) => {
  const { valve: before } = newValve(2)
  before.onWatermark(0, 5)
  before.onWatermark(1, 3)
  before.onStatus(1, true)
  before.onWatermark(0, 8)
  t.same([before.watermark, before.watermarkOf(0), before.watermarkOf(1)], [8, 8, 3])
  const { valve, take } = newValve(2)
  valve.restore(8, [8, 3])
  t.same(take(), [], 'nothing is said anew')
  t.equal(valve.watermark, 8)
  valve.onWatermark(0, 9)
  t.same(take(), [9], 'one that was idle does not hold it back')
  valve.onWatermark(1, 10)
  valve.onWatermark(0, 12)
  t.same(take(), [10], 'until it has caught up')
})

/** The rules as they are said, channel by channel, without any cleverness. */
class ModelValve {
  readonly channels: { watermark: number; isIdle: boolean; isAligned: boolean }[]
  last = MIN_TIMESTAMP
  isIdle = false

  constructor(channelCount: number) {
    this.channels = Array.from({ length: channelCount }, () => ({
      watermark: MIN_TIMESTAMP,
      isIdle: false,
      isAligned: true,
    }))
  }

  onWatermark(index: number, timestamp: number): Output[] {
    const channel = this.channels[index]!
    if (channel.isIdle || timestamp <= channel.watermark) return []
    channel.watermark = timestamp
    if (timestamp >= this.last) channel.isAligned = true
    return this.#advance(this.#minimum())
  }

  onStatus(index: number, isIdle: boolean): Output[] {
    const channel = this.channels[index]!
    if (channel.isIdle === isIdle) return []
    channel.isIdle = isIdle
    channel.isAligned = !isIdle && channel.watermark >= this.last
    const wasIdle = this.isIdle
    this.isIdle = this.channels.every((each) => each.isIdle)
    if (!isIdle) return wasIdle ? ['active'] : []
    const heldBack = channel.watermark === this.last
    if (!this.isIdle) return heldBack ? this.#advance(this.#minimum()) : []
    const greatest = Math.max(...this.channels.map(({ watermark }) => watermark))
    return [...(heldBack ? this.#advance(greatest) : []), 'idle']
  }

  #minimum(): number {
    const aligned = this.channels.filter((each) => each.isAligned && !each.isIdle)
    return aligned.length === 0 ? MIN_TIMESTAMP : Math.min(...aligned.map(({ watermark }) => watermark))
  }

  #advance(timestamp: number): Output[] {
    if (timestamp <= this.last) return []
    this.last = timestamp
    return [timestamp]
  }
}

const CHANNELS = 4

/** Watermarks grow with the stream, by and large, so that there is always something left to happen. */
const events = fc
  .array(
    fc.record({
      channel: fc.nat(CHANNELS - 1),
      event: fc.oneof(
        { weight: 60, arbitrary: fc.integer({ min: -15, max: 15 }) },
        { weight: 1, arbitrary: fc.constant(MAX_TIMESTAMP) },
        { weight: 30, arbitrary: fc.boolean() },
      ),
    }),
    { maxLength: 80, size: 'max' },
  )
  .map((list) =>
    list.map(({ channel, event }, i) => ({ channel, event: typeof event === 'number' ? event + i : event })),
  )

t.test('valve - does what the rules say; never goes back, never says a status twice', async () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: CHANNELS }), events, (channelCount, sequence) => {
      const { valve, take } = newValve(channelCount)
      const model = new ModelValve(channelCount)
      const all: Output[] = []
      for (const { channel, event } of sequence) {
        const index = channel % channelCount
        const expected =
          typeof event === 'number' ? model.onWatermark(index, event) : model.onStatus(index, event)
        if (typeof event === 'number') valve.onWatermark(index, event)
        else valve.onStatus(index, event)
        const outputs = take()
        if (outputs.join() !== expected.join()) return false
        all.push(...outputs)
      }
      return isMonotonous(all) && isAlternating(all)
    }),
    runs(300),
  )
})

function isMonotonous(outputs: readonly Output[]): boolean {
  const watermarks = outputs.filter((output) => typeof output === 'number')
  return watermarks.every((timestamp, i) => i === 0 || timestamp > watermarks[i - 1]!)
}

function isAlternating(outputs: readonly Output[]): boolean {
  const statuses = outputs.filter((output) => typeof output !== 'number')
  return statuses.every((status, i) => status === (i % 2 === 0 ? 'idle' : 'active'))
}
