import fc from 'fast-check'
import t from 'tap'
import { LocalChannel } from '../../../lib/network/local-channel.ts'
import { BATCH_RECORDS_MAX } from '../../../lib/network/record-batch.ts'
import type { StreamEvent } from '../../../lib/network/stream-event.ts'

function newChannel() {
  const time = new Float64Array(2)
  let nowMs = 0
  const channel = new LocalChannel(3, time, () => nowMs)
  return {
    channel,
    time,
    at: (ms: number) => {
      nowMs = ms
    },
  }
}

/** Takes the next batch: its records and events in order. */
function take(channel: LocalChannel): unknown[] | null {
  const batch = channel.poll()
  if (batch === null) return null
  const taken: unknown[] = []
  for (let i = 0, event = 0; i <= batch.count; i++) {
    while (batch.eventPositions[event] === i) taken.push(batch.events[event++])
    if (i < batch.count) taken.push([batch.values[i], batch.timestamps[i], batch.keyGroups[i]])
  }
  channel.release(batch)
  return taken
}

const watermark = (timestamp: number): StreamEvent => ({ kind: 'watermark', timestamp })

t.test('local channel - records and events come in order, with time and key group', async (t) => {
  const { channel, time } = newChannel()
  time[0] = 5
  channel.write('a', 7)
  channel.event(watermark(5))
  time[0] = Number.NaN
  channel.write('b', -1)
  t.notOk(channel.hasData, 'nothing is handed over yet')
  channel.flush()
  t.ok(channel.hasData)
  t.same(take(channel), [['a', 5, 7], watermark(5), ['b', Number.NaN, -1]])
  t.notOk(channel.hasData)
  t.equal(take(channel), null)
  t.equal(channel.from, 3)
})

t.test('local channel - what is in a channel beside it goes first', async (t) => {
  const [seldom, often] = [newChannel().channel, newChannel().channel]
  seldom.beside = [often]
  often.beside = [seldom]
  const arrived: unknown[] = []
  seldom.onData = () => arrived.push('seldom')
  often.onData = () => arrived.push('often')
  seldom.write('a', -1)
  for (let n = 0; n < BATCH_RECORDS_MAX; n++) often.write(n, -1)
  t.same(arrived, ['seldom', 'often'])
  t.equal(take(seldom)?.length, 1)
  t.equal(take(often)?.length, BATCH_RECORDS_MAX)
  often.write('alone', -1)
  often.flush()
  t.notOk(seldom.hasData, 'nothing is sent where there is nothing')
})

t.test('local channel - any interleaving of both ends loses and reorders nothing', async (t) => {
  const step = fc.constantFrom('write', 'write', 'write', 'event', 'flush', 'take', 'hold')
  const property = fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
    const { channel, time } = newChannel()
    const sent: unknown[] = []
    const received: unknown[] = []
    let signals = 0
    channel.onData = () => signals++
    for (const [i, what] of steps.entries()) {
      if (what === 'write') {
        time[0] = i
        channel.write(i, i % 128)
        sent.push([i, i, i % 128])
      } else if (what === 'event') {
        channel.event(watermark(i))
        sent.push(watermark(i))
      } else if (what === 'flush') {
        const before = { signals, hasData: channel.hasData, isEmpty: sent.length === received.length }
        channel.flush()
        // A receiver that saw nothing is told that there is something.
        if (!before.hasData && channel.hasData && signals !== before.signals + 1) return false
      } else received.push(...(take(channel) ?? []))
    }
    channel.flush()
    for (let batch = take(channel); batch !== null; batch = take(channel)) received.push(...batch)
    return JSON.stringify(received) === JSON.stringify(sent)
  })
  t.doesNotThrow(() => fc.assert(property, { numRuns: 300, seed: 1 }))
})

t.test(
  'local channel - four batches wait at most before it is not available, and it says when it is again',
  async (t) => {
    const { channel } = newChannel()
    let woken = 0
    channel.onAvailable = () => woken++
    for (let i = 0; i < 4; i++) {
      t.ok(channel.isAvailable)
      channel.write(i, -1)
      channel.flush()
    }
    t.notOk(channel.isAvailable)
    channel.write('what the step still emits', -1)
    channel.flush()
    take(channel)
    t.equal(woken, 0)
    t.notOk(channel.isAvailable)
    take(channel)
    t.equal(woken, 1)
    t.ok(channel.isAvailable)
  },
)

t.test('local channel - a sender that fills it while a batch is held is woken all the same', async (t) => {
  const { channel } = newChannel()
  let isAsleep = false
  channel.onAvailable = () => {
    isAsleep = false
  }
  let next = 0
  const send = () => {
    while (!isAsleep) {
      if (channel.isAvailable) {
        channel.write(next++, -1)
        channel.flush()
      } else isAsleep = true
    }
  }
  for (let i = 0; i < 50; i++) {
    send()
    const batch = channel.poll()!
    if (i % 3 === 0) send()
    channel.release(batch)
    t.notOk(isAsleep && !channel.hasData)
  }
  t.ok(next > 50)
})

t.test(
  'local channel - full batches, barriers and the end are handed over at once, the rest at a flush',
  async (t) => {
    const { channel, at } = newChannel()
    t.equal(channel.oldestUnsentMs, Number.POSITIVE_INFINITY)
    at(10)
    channel.write(0, -1)
    at(20)
    channel.write(1, -1)
    t.equal(channel.oldestUnsentMs, 10)
    for (let i = 2; i < BATCH_RECORDS_MAX; i++) channel.write(i, -1)
    t.equal(take(channel)?.length, BATCH_RECORDS_MAX)
    t.equal(channel.oldestUnsentMs, Number.POSITIVE_INFINITY)
    channel.event(watermark(1))
    t.equal(channel.oldestUnsentMs, 20)
    t.notOk(channel.hasData)
    channel.event({ kind: 'end' })
    t.ok(channel.hasData)
    t.same(channel.stats.records, BATCH_RECORDS_MAX)
  },
)

t.test('local channel - the age of what is unsent is that of the oldest, event or record', async (t) => {
  const { channel, at } = newChannel()
  at(10)
  channel.event(watermark(1))
  at(20)
  channel.write(0, -1)
  t.equal(channel.oldestUnsentMs, 10)
})
