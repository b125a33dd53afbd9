import t from 'tap'
import { BarrierGate } from '../../../lib/checkpoint/barrier-gate.ts'
import { LocalChannel } from '../../../lib/network/local-channel.ts'
import type { RecordBatch } from '../../../lib/network/record-batch.ts'
import type { StatePrefetch } from '../../../lib/state/state-prefetch.ts'
import { InputLookahead } from '../../../lib/task/input-lookahead.ts'
import { InputProcessor } from '../../../lib/task/input-processor.ts'
import { barrierOf } from '../checkpoint/barriers.ts'
import { EDGE, TIME } from './chains.ts'

/** A processor over some channels; `inputs` says which logical input each belongs to. */
function newProcessor(inputs: readonly number[]) {
  const log: string[] = []
  const channels = inputs.map((_input, i) => new LocalChannel(i + 10, TIME, () => 0))
  const process = [0, 1].map((input) => (batch: RecordBatch, from: number, to: number) => {
    for (let i = from; i < to; i++) {
      if (batch.values[i] === 'bad') throw new Error('bad record')
      log.push(`${input}: ${String(batch.values[i])}`)
    }
  })
  let signals = 0
  const processor = new InputProcessor(
    channels.map((channel, i) => ({ channel, edge: EDGE, input: inputs[i]! })),
    process,
    new BarrierGate(inputs.length),
    {
      watermark: (timestamp) => log.push(`watermark ${timestamp}`),
      status: (isIdle) => log.push(`idle ${isIdle}`),
      snapshot: ({ barrier }) => log.push(`snapshot ${barrier.checkpointId}`),
      subsumed: (checkpointId) => log.push(`subsumed ${checkpointId}`),
      wakeAt() {},
      data: () => signals++,
    },
  )
  let nowMs = 0
  const step = () => processor.step(() => nowMs++)
  return {
    channels,
    processor,
    step,
    stepAll: () => {
      while (step());
      return log.splice(0)
    },
    signals: () => signals,
  }
}

function send(channel: LocalChannel, ...values: unknown[]): void {
  for (const value of values) channel.write(value, -1)
  channel.flush()
}

t.test('input processor - channels take turns, batch by batch', async (t) => {
  const { channels, stepAll } = newProcessor([0, 0, 0])
  for (const turn of [1, 2])
    for (const [i, channel] of channels.entries()) send(channel, `${'abc'[i]}${turn}`)
  t.same(stepAll(), ['0: a1', '0: b1', '0: c1', '0: a2', '0: b2', '0: c2'])
})

t.test('input processor - records and events keep their places in a batch', async (t) => {
  const { channels, stepAll } = newProcessor([0])
  const [channel] = channels
  channel!.event({ kind: 'watermark', timestamp: 1 })
  channel!.write('a', -1)
  channel!.write('b', -1)
  channel!.event({ kind: 'watermark', timestamp: 2 })
  channel!.event({ kind: 'status', isIdle: true })
  channel!.event({ kind: 'status', isIdle: false })
  channel!.write('c', -1)
  channel!.event(barrierOf(4, { alignmentTimeoutMs: 0 }))
  t.same(stepAll(), [
    'watermark 1',
    '0: a',
    '0: b',
    'watermark 2',
    'idle true',
    'idle false',
    '0: c',
    'snapshot 4',
  ])
})

t.test('input processor - time is that of all channels, of both inputs', async (t) => {
  const { channels, stepAll, processor } = newProcessor([0, 1])
  channels[0]!.event({ kind: 'watermark', timestamp: 10 })
  channels[0]!.flush()
  t.same(stepAll(), [])
  channels[1]!.event({ kind: 'watermark', timestamp: 7 })
  send(channels[1]!, 'x')
  t.same(stepAll(), ['watermark 7', '1: x'])
  channels[1]!.event({ kind: 'end' })
  t.same(stepAll(), ['watermark 10'])
  t.notOk(processor.hasEnded)
  channels[0]!.event({ kind: 'end' })
  t.same(stepAll(), ['watermark Infinity'])
  t.ok(processor.hasEnded)
})

t.test('input processor - long batches are done in chunks that others can get in between', async (t) => {
  const { channels, step, stepAll } = newProcessor([0])
  send(channels[0]!, ...Array.from({ length: 500 }, (_, i) => i))
  let steps = 0
  while (step()) steps++
  t.ok(steps > 3, `${steps} steps`)
  t.equal(stepAll().length, 500)
})

t.test('input processor - knows which record it was, for people', async (t) => {
  const { channels, step, processor } = newProcessor([0, 1])
  t.equal(processor.describePosition(0), 'between records')
  send(channels[1]!, 'a', 'b')
  step()
  send(channels[1]!, 'c', 'bad')
  t.throws(() => {
    while (step());
  }, /bad record/)
  t.equal(processor.describePosition(1), 'record 3 from subtask 11 of input 2')
})

t.test('input processor - is told of data, also of what was there before it', async (t) => {
  const early = new LocalChannel(0, TIME, () => 0)
  send(early, 'early')
  const log: unknown[] = []
  const processor = new InputProcessor(
    [{ channel: early, edge: EDGE, input: 0 }],
    [(batch) => log.push(batch.values[0])],
    new BarrierGate(1),
    {
      watermark() {},
      status() {},
      snapshot() {},
      subsumed() {},
      wakeAt() {},
      data() {},
    },
  )
  t.ok(processor.step(() => 0))
  t.same(log, ['early'])
  const { channels, signals, stepAll } = newProcessor([0])
  send(channels[0]!, 'a')
  send(channels[0]!, 'b')
  t.equal(signals(), 1)
  t.equal(stepAll().length, 2)
  send(channels[0]!, 'c')
  t.equal(signals(), 2)
})

t.test(
  'input processor - a barrier that gives up the checkpoint before it blocks all the same',
  async (t) => {
    const { channels, stepAll } = newProcessor([0, 0])
    const [a, b] = channels
    a!.event(barrierOf(1))
    t.same(stepAll(), [])
    b!.event(barrierOf(2))
    send(b!, 'after 2')
    send(a!, 'before 2')
    t.same(stepAll(), ['subsumed 1', '0: before 2'], 'what has arrived behind the barrier waits')
    a!.event(barrierOf(2))
    t.same(stepAll(), ['snapshot 2', '0: after 2'])
  },
)

t.test('input processor - a batch waits for its state, and others go first', async (t) => {
  const log: string[] = []
  const channels = [0, 1].map((i) => new LocalChannel(i, TIME, () => 0))
  const waiting: { readonly values: string; arrive(): void }[] = []
  let isWorthwhile = true
  let passed = 0
  const prefetch = {
    get isWorthwhile() {
      return isWorthwhile
    },
    pass: () => void passed++,
    read(_count: number, setKeys: () => void, onDone: () => void) {
      setKeys()
      waiting.push({ values: keys.splice(0).join(' '), arrive: onDone })
      return true
    },
  } as unknown as StatePrefetch
  const keys: unknown[] = []
  const setKeys = (batch: RecordBatch) => void keys.push(...batch.values.slice(0, batch.count))
  const processor = new InputProcessor(
    channels.map((channel) => ({ channel, edge: EDGE, input: 0 })),
    [
      (batch, from, to) => {
        for (let i = from; i < to; i++) log.push(String(batch.values[i]))
      },
    ],
    new BarrierGate(2),
    { watermark() {}, status() {}, snapshot() {}, subsumed() {}, wakeAt() {}, data() {} },
    null,
    new InputLookahead(prefetch, [setKeys]),
  )
  const stepAll = () => {
    while (processor.step(() => 0));
    return log.splice(0)
  }
  send(channels[0]!, 'a1', 'a2')
  send(channels[0]!, 'a3')
  send(channels[1]!, 'b1')
  t.same(stepAll(), [])
  t.ok(processor.isAwaitingState)
  t.same(
    waiting.map(({ values }) => values),
    ['a1 a2', 'a3', 'b1'],
    'each has been looked at once',
  )
  waiting[2]!.arrive()
  waiting[1]!.arrive()
  t.same(stepAll(), ['b1'], 'another channel may go first, but not a later batch of the same')
  waiting[0]!.arrive()
  t.same(stepAll(), ['a1', 'a2', 'a3'])
  t.notOk(processor.isAwaitingState)
  isWorthwhile = false
  send(channels[0]!, 'a4')
  t.same(stepAll(), ['a4'])
  t.same([waiting.length, passed], [3, 1], 'and without it nobody waits')
})

t.test('input processor - no more than four batches are looked at ahead', async (t) => {
  const channels = [0, 1, 2].map((i) => new LocalChannel(i, TIME, () => 0))
  let count = 0
  const prefetch = { isWorthwhile: true, pass() {}, read: () => ++count > 0 } as unknown as StatePrefetch
  const processor = new InputProcessor(
    channels.map((channel) => ({ channel, edge: EDGE, input: 0 })),
    [() => {}],
    new BarrierGate(3),
    { watermark() {}, status() {}, snapshot() {}, subsumed() {}, wakeAt() {}, data() {} },
    null,
    new InputLookahead(prefetch, [() => {}]),
  )
  for (const channel of channels) for (const turn of [1, 2, 3]) send(channel, turn)
  // Those that nobody looked at need not wait: what they need is read when it is needed.
  while (processor.step(() => 0));
  t.equal(count, 4)
})
