import t from 'tap'
import { collection } from '../../../lib/connectors/generator.ts'
import { encodeReport } from '../../../lib/network/frame.ts'
import { LocalChannel } from '../../../lib/network/local-channel.ts'
import { RemoteOutputChannel } from '../../../lib/network/remote-output-channel.ts'
import { SourceOperator } from '../../../lib/operator/source-operator.ts'
import { t as types } from '../../../lib/types/t.ts'
import type { Type } from '../../../lib/types/type.ts'
import { barrierOf } from '../checkpoint/barriers.ts'
import { TIME } from './chains.ts'
import { HandTask } from './tasks.ts'

const settled = () => new Promise((resolve) => setImmediate(resolve))

/** A promise, and what settles it. */
function latch() {
  let open: () => void = () => {}
  let breakOff: (error: Error) => void = () => {}
  const promise = new Promise<void>((resolve, reject) => {
    open = resolve
    breakOff = reject
  })
  return { promise, open, breakOff }
}

/** An output over a line whose other end is played by the test. */
function remoteOutput() {
  const frames: Uint8Array[] = []
  let onReport: (frame: Uint8Array) => void = () => {}
  const channel = new RemoteOutputChannel({
    address: { jobId: 'j', attempt: 0, edgeId: 'e', from: 0, to: 0 },
    port: {
      isReliable: false,
      frameBytesMax: 1e6,
      send: (_address, _direction, frame) => frames.push(frame),
      receive: (_address, _direction, onFrame) => {
        onReport = onFrame
        return () => {}
      },
    },
    type: types.string as Type<unknown>,
    time: TIME,
    nowMs: () => 0,
    frameBytes: 1000,
    recordBytesMax: 100_000,
    timeoutMs: 1000,
    onError: () => {},
  })
  const report = (nextSequence: number, grantedBytes: number) =>
    onReport(encodeReport({ nextSequence, grantedBytes, isResendRequest: false }))
  return { channel, frames, report }
}

t.test('stream task - from its making to its end', async (t) => {
  const hand = new HandTask({ names: ['a', 'b'] })
  t.equal(hand.task.state, 'created')
  await hand.run()
  t.equal(hand.task.step(1), 'idle')
  hand.send(['x', 'y'])
  hand.inputs[0]!.event({ kind: 'watermark', timestamp: 5 })
  hand.end()
  t.equal(hand.stepAll(), 'blocked', 'while operators finish')
  await settled()
  t.equal(hand.task.state, 'draining')
  t.equal(hand.stepAll(), 'ended')
  await settled()
  t.same(hand.states, ['opening', 'ready', 'running', 'finishing', 'draining', 'finished'])
  t.same(hand.log, [
    ...['b open', 'a open', 'out x', 'out y'],
    ...['a watermark 5', 'b watermark 5', 'out watermark 5'],
    ...['a watermark Infinity', 'b watermark Infinity', 'out watermark Infinity'],
    ...['a finish', 'b finish', 'out end', 'a close', 'b close'],
  ])
  t.equal(hand.task.watermark, Number.POSITIVE_INFINITY)
})

t.test('stream task - if it cannot be opened it has failed, and what was opened is closed', async (t) => {
  const hand = new HandTask({ names: ['a', 'b'] })
  hand.operators[0]!.onOpen = () => Promise.reject(new Error('no disk'))
  await hand.task.open()
  t.same(hand.states, ['opening', 'failed: operator "a" (uid uid-a), subtask 2 of 4, while opening: no disk'])
  t.same(hand.log, ['b open', 'a open', 'a close', 'b close'])
  hand.task.start()
  t.equal(hand.task.state, 'failed')
})

t.test('stream task - can be cancelled in every state, and closes what is open once', async (t) => {
  let held = latch()
  const upTo: Record<string, (hand: HandTask) => Promise<void>> = {
    async created() {},
    async opening(hand) {
      hand.operators[0]!.onOpen = () => held.promise
      void hand.task.open()
      await settled()
    },
    ready: (hand) => hand.task.open(),
    running: (hand) => hand.run(),
    async finishing(hand) {
      hand.operators[0]!.onFinish = () => held.promise
      await hand.run()
      hand.end()
      hand.stepAll()
    },
    async draining(hand) {
      await hand.run()
      hand.end()
      hand.stepAll()
      await settled()
    },
  }
  for (const [state, reach] of Object.entries(upTo)) {
    held = latch()
    const hand = new HandTask({ names: ['a', 'b'] })
    await reach(hand)
    t.equal(hand.task.state, state)
    await hand.task.cancel()
    t.equal(hand.task.state, 'cancelled')
    held.open()
    await settled()
    const opened = hand.log.filter((line) => line.endsWith('open')).length
    t.equal(hand.log.filter((line) => line.endsWith('close')).length, opened, state)
    t.equal(hand.states.at(-1), 'cancelled', state)
    hand.send(['late'])
    hand.stepAll()
    await hand.task.fail(new Error('late'))
    await hand.task.cancel()
    t.same(
      hand.states.filter((each) => each.startsWith('cancelled') || each.startsWith('failed')),
      ['cancelled'],
    )
    t.notMatch(hand.log.join(), /late/)
  }
})

t.test('stream task - once finished it stays so', async (t) => {
  const hand = new HandTask()
  await hand.run()
  hand.end()
  hand.stepAll()
  await settled()
  hand.stepAll()
  await settled()
  await hand.task.cancel()
  t.equal(hand.task.state, 'finished')
})

t.test('stream task - a finished task answers those upstream until it is let go of', async (t) => {
  const hand = new HandTask()
  const calls: string[] = []
  hand.inputs[0]!.tick = () => void calls.push('tick')
  hand.inputs[0]!.close = () => void calls.push('close')
  await hand.run()
  hand.end()
  hand.stepAll()
  await settled()
  hand.stepAll()
  await settled()
  t.equal(hand.task.state, 'finished')
  t.same(calls, ['tick'], 'what has arrived is reported at once')
  await hand.task.cancel()
  t.same(calls, ['tick', 'close'])
  const cancelled = new HandTask()
  cancelled.inputs[0]!.close = () => void calls.push('closed')
  await cancelled.run()
  await cancelled.task.cancel()
  t.ok(calls.includes('closed'))
})

t.test('stream task - a failure names the operator and the record, and ends the task', async (t) => {
  const hand = new HandTask({ names: ['a', 'b'], inputCount: 2 })
  hand.operators[1]!.onElement = (value) => {
    if (value === 'bad') throw new Error('boom')
  }
  await hand.run()
  hand.send(['1', '2'], 1)
  hand.stepAll()
  hand.send(['3', 'bad', '4'], 1)
  t.equal(hand.stepAll(), 'ended')
  await settled()
  const expected =
    'failed: operator "b" (uid uid-b), subtask 2 of 4, record 3 from subtask 1 of input 1: boom'
  t.equal(hand.states.at(-1), expected)
  t.equal(hand.stepAll(), 'blocked')
})

t.test('stream task - what cannot be closed has not finished', async (t) => {
  const hand = new HandTask()
  hand.operators[0]!.close = () => {
    throw new Error('still busy')
  }
  await hand.run()
  hand.end()
  hand.stepAll()
  await settled()
  hand.stepAll()
  await settled()
  t.match(hand.states.at(-1), /^failed: operator "a".*while closing: still busy/)
  const finish = new HandTask()
  finish.operators[0]!.onFinish = () => Promise.reject(new Error('no more room'))
  await finish.run()
  finish.end()
  finish.stepAll()
  await settled()
  t.match(finish.states.at(-1), /^failed: operator "a".*while finishing: no more room/)
})

t.test('stream task - takes no new work while an output lacks credit', async (t) => {
  const output = new LocalChannel(0, TIME, () => 0)
  const hand = new HandTask({ output })
  await hand.run()
  for (let i = 0; i < 4; i++) {
    output.write('full', -1)
    output.flush()
  }
  hand.send(['x'])
  const { wakes } = hand
  t.equal(hand.stepAll(), 'blocked')
  t.equal(hand.wakes, wakes)
  output.release(output.poll()!)
  t.equal(hand.wakes, wakes + 1, 'it is told when there is room again')
  hand.stepAll()
  t.same(
    [...Array(4)].map(() => output.poll()!.values[0]),
    ['full', 'full', 'full', 'x'],
  )
})

t.test('stream task - is drained when everything has arrived at the other end', async (t) => {
  const { channel, frames, report } = remoteOutput()
  const hand = new HandTask({ output: channel })
  await hand.run()
  hand.send(['x'])
  hand.end()
  hand.stepAll()
  await settled()
  t.equal(hand.task.state, 'draining')
  t.equal(hand.stepAll(), 'blocked')
  t.equal(frames.length, 1, 'the records, the last watermark and the end')
  const { wakes } = hand
  report(frames.length, 1e6)
  t.ok(hand.wakes > wakes)
  t.equal(hand.stepAll(), 'ended')
  await settled()
  t.equal(hand.task.state, 'finished')
})

t.test('stream task - waits for a sink that is busy, and fails with it', async (t) => {
  const busy = latch()
  const hand = new HandTask()
  await hand.run()
  hand.operators[0]!.ready = busy.promise
  hand.send(['x'])
  t.equal(hand.stepAll(), 'blocked')
  t.equal(hand.stepAll(), 'blocked')
  t.same(hand.taken(), [])
  hand.operators[0]!.ready = undefined
  const { wakes } = hand
  busy.open()
  await settled()
  t.equal(hand.wakes, wakes + 1)
  t.equal(hand.stepAll(), 'idle')
  t.same(hand.taken(), ['out x'])
  const broken = latch()
  hand.operators[0]!.ready = broken.promise
  hand.stepAll()
  broken.breakOff(new Error('disk full'))
  await settled()
  t.match(hand.states.at(-1), /failed.*while writing: disk full/)
})

t.test(
  'stream task - an operator that pauses in a watermark sees no record before it has gone on',
  async (t) => {
    const hand = new HandTask({ names: ['a', 'b'] })
    await hand.run()
    hand.operators[1]!.pauses = 3
    hand.send(['1'])
    hand.inputs[0]!.event({ kind: 'watermark', timestamp: 5 })
    hand.send(['2'])
    hand.inputs[0]!.event({ kind: 'watermark', timestamp: 6 })
    hand.end()
    hand.stepAll()
    await settled()
    t.same(
      hand.taken().filter((line) => !line.startsWith('a')),
      [
        'out 1',
        'b pauses in 5',
        'b pauses in 5',
        'b pauses in 5',
        'b watermark 5',
        'out watermark 5',
        'out 2',
        'b watermark 6',
        'out watermark 6',
        'b watermark Infinity',
        'out watermark Infinity',
        'out end',
      ],
    )
  },
)

t.test('stream task - operators may pause between records, not in the middle of a batch', async (t) => {
  const hand = new HandTask({ names: ['a', 'b'] })
  const mayPause: string[] = []
  const note = (what: string) => mayPause.push(`${what} ${hand.task.shouldPause()}`)
  await hand.run()
  // The first operator makes a watermark of each record, as punctuated strategies do.
  hand.operators[0]!.onElement = (value) => {
    hand.operators[0]!.emit(value)
    hand.operators[0]!.emitWatermark(Number(value))
  }
  const processWatermark = hand.operators[1]!.processWatermark.bind(hand.operators[1])
  hand.operators[1]!.processWatermark = (timestamp) => {
    note(`at ${timestamp}`)
    return processWatermark(timestamp)
  }
  hand.send(['1', '2'])
  hand.inputs[0]!.event({ kind: 'watermark', timestamp: 3 })
  hand.send(['4'])
  // The time is up from the beginning.
  while (hand.task.step(-1) === 'progress');
  t.same(mayPause, ['at 1 false', 'at 2 false', 'at 3 true', 'at 4 false'])
})

t.test('stream task - the clock fires timers between records, in the task', async (t) => {
  const hand = new HandTask()
  await hand.run()
  const fired: number[] = []
  hand.task.processingTime.callAt(100, () => fired.push(hand.task.processingTime.now()))
  const cancelled = hand.task.processingTime.callAt(50, () => t.fail('was cancelled'))
  cancelled.cancel()
  await hand.clock.advance(150)
  t.same(fired, [], 'not before the task has its turn')
  t.equal(hand.stepAll(), 'idle')
  t.same(fired, [150])
  hand.task.processingTime.callAt(200, () => t.fail('the task has ended'))
  await hand.task.cancel()
  await hand.clock.advance(100)
  hand.stepAll()
})

t.test('stream task - output waits for company no longer than the linger', async (t) => {
  let nowMs = 0
  const output = new LocalChannel(0, TIME, () => nowMs)
  const hand = new HandTask({ output, lingerMs: 5 })
  await hand.run()
  t.equal(hand.task.nextFlushMs(), Number.POSITIVE_INFINITY)
  nowMs = 0.1
  hand.operators[0]!.emit('x')
  const dueMs = hand.task.nextFlushMs()
  t.equal(dueMs, 5.1)
  hand.task.flush(5)
  t.notOk(output.hasData)
  hand.task.flush(dueMs)
  t.ok(output.hasData, 'when it is due it is sent')
  t.equal(hand.task.nextFlushMs(), Number.POSITIVE_INFINITY)
})

t.test(
  'stream task - a neighbour in the same thread gets what there is as soon as nothing more comes',
  async (t) => {
    const output = new LocalChannel(0, TIME, () => 0)
    const hand = new HandTask({ output })
    await hand.run()
    hand.send(['x'])
    t.equal(hand.stepAll(), 'idle')
    t.ok(output.hasData)
  },
)

t.test('stream task - a frame that cannot be sent fails the task, whoever sends it', async (t) => {
  const { channel } = remoteOutput()
  const hand = new HandTask({ output: channel })
  await hand.run()
  channel.flush = () => {
    throw new Error('too large')
  }
  hand.operators[0]!.emit('x')
  t.doesNotThrow(() => hand.task.flush(1000))
  await settled()
  t.match(hand.states.at(-1), /^failed: operator "a".*while sending: too large/)
})

t.test(
  'stream task - a channel waits at a barrier until all have reached it, then comes the snapshot',
  async (t) => {
    const hand = new HandTask({ inputCount: 2 })
    await hand.run()
    hand.inputs[0]!.event({ kind: 'watermark', timestamp: 5 })
    hand.send(['a'], 0)
    hand.inputs[0]!.event(barrierOf(7))
    hand.inputs[0]!.event({ kind: 'watermark', timestamp: 6 })
    hand.send(['b'], 0)
    hand.send(['c'], 1)
    hand.stepAll()
    t.same(hand.taken(), ['out a', 'out c'])
    hand.inputs[1]!.event(barrierOf(7))
    hand.send(['d'], 1)
    hand.stepAll()
    t.same(hand.taken(), [], 'nothing while operators prepare')
    await settled()
    hand.stepAll()
    t.same(
      hand.snapshots.map(([id, { operators, inputs }]) => [
        id,
        operators,
        inputs.map(({ channels }) => channels.map(({ from, watermark }) => [from, watermark])),
      ]),
      [
        [
          7,
          [],
          [
            [
              [0, 5],
              [1, Number.NEGATIVE_INFINITY],
            ],
          ],
        ],
      ],
      'with the event time of each channel',
    )
    t.same(hand.taken(), ['out barrier', 'out b', 'out d'])
    t.equal(hand.task.checkpoints.passedId, 7)
  },
)

t.test('stream task - what was triggered twice, or is old, is taken once', async (t) => {
  const operator = new SourceOperator(collection(['x'], types.string), null)
  const hand = new HandTask({ source: operator as unknown as SourceOperator<unknown, never> })
  operator.connect({ requestSplit: () => {} })
  await hand.run()
  for (const id of [3, 3, 2]) {
    hand.task.checkpoints.trigger(barrierOf(id))
    hand.stepAll()
    await settled()
    hand.stepAll()
  }
  t.same(
    hand.snapshots.map(([id]) => id),
    [3],
  )
})

t.test('stream task - checkpoints that are triggered together are taken one after the other', async (t) => {
  const operator = new SourceOperator(collection(['x'], types.string), null)
  const hand = new HandTask({ source: operator as unknown as SourceOperator<unknown, never> })
  operator.connect({ requestSplit: () => {} })
  await hand.run()
  for (const id of [2, 1, 3, 4]) hand.task.checkpoints.trigger(barrierOf(id))
  void hand.task.checkpoints.ended(3, false)
  for (let i = 0; i < 4; i++) {
    hand.stepAll()
    await settled()
  }
  t.same(
    hand.snapshots.map(([id]) => id),
    [1, 2, 4],
    'and none that has been given up',
  )
})

t.test('stream task - halted at a savepoint, it takes no other checkpoint', async (t) => {
  const operator = new SourceOperator(collection(['x'], types.string), null)
  const hand = new HandTask({ source: operator as unknown as SourceOperator<unknown, never> })
  operator.connect({ requestSplit: () => {} })
  await hand.run()
  const go = async () => {
    for (let i = 0; i < 4; i++) {
      hand.stepAll()
      await settled()
    }
    return hand.snapshots.splice(0).map(([id]) => id)
  }
  hand.task.checkpoints.haltAt(1, false)
  hand.task.checkpoints.trigger(barrierOf(1))
  t.same(await go(), [1])
  hand.task.checkpoints.trigger(barrierOf(2))
  t.same(await go(), [])
  t.equal(hand.task.waitsFor, 'halted at checkpoint 1')
  void hand.task.checkpoints.ended(1, false)
  hand.task.checkpoints.haltAt(1, false)
  t.same(await go(), [2], 'given up, it is not halted at, however late the order is')
})

t.test('stream task - a source is read in chunks until it ends, and time ends with it', async (t) => {
  const operator = new SourceOperator(collection(['x', 'y', 'z'], types.string), null)
  const hand = new HandTask({ source: operator as unknown as SourceOperator<unknown, never> })
  const requests: string[] = []
  operator.connect({ requestSplit: () => requests.push('split') })
  await hand.run()
  t.same(requests, ['split'])
  t.equal(hand.stepAll(), 'idle')
  operator.addSplits([{ id: '0', next: 0, step: 1 }])
  operator.noMoreSplits()
  hand.stepAll()
  await settled()
  t.equal(hand.stepAll(), 'ended')
  await settled()
  t.same(hand.taken(), [
    'out x',
    'out y',
    'out z',
    'a watermark Infinity',
    'out watermark Infinity',
    'out end',
  ])
  t.equal(hand.task.sourceRecordCount, 3)
  t.equal(hand.task.state, 'finished')
})

t.test(
  'stream task - a barrier that comes while the last snapshot is being written has it written first',
  async (t) => {
    const hand = new HandTask({ inputCount: 1, keyedTables: 3, entriesPerTable: 5000 })
    await hand.run()
    for (const id of [1, 2]) {
      hand.inputs[0]!.event(barrierOf(id))
      for (const _unit of ['hear of the barrier', 'reach it', 'prepare', 'freeze']) {
        hand.task.step(Number.NEGATIVE_INFINITY)
        await settled()
      }
    }
    t.same(
      hand.snapshots.map(([id]) => id),
      [1],
    )
    hand.stepAll()
    t.same(
      hand.snapshots.map(([id, { operators }]) => [
        id,
        operators[0]!.keyed.reduce((sum, { rowCount }) => sum + rowCount, 0),
      ]),
      [
        [1, 15_000],
        [2, 15_000],
      ],
    )
  },
)

t.test(
  'stream task - input that ends while a snapshot is being written: that first, and one end',
  async (t) => {
    const hand = new HandTask({ inputCount: 1, keyedTables: 1, entriesPerTable: 50_000 })
    await hand.run()
    hand.inputs[0]!.event(barrierOf(1))
    hand.end()
    hand.stepAll()
    await settled()
    hand.stepAll()
    await settled()
    hand.stepAll()
    await settled()
    t.same(
      hand.snapshots.map(([id, { operators }]) => [
        id,
        operators[0]!.keyed.reduce((sum, { rowCount }) => sum + rowCount, 0),
      ]),
      [[1, 50_000]],
    )
    t.same(
      hand.log.filter((line) => / (finish|end)$/.test(line)),
      ['a finish', 'out end'],
    )
    t.equal(hand.task.state, 'finished')
  },
)
