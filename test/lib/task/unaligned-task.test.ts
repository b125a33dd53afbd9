/** One task and barriers that overtake: under back pressure, after a timeout, with data in flight before and after. */
import t from 'tap'
import type { SubtaskSnapshot } from '../../../lib/checkpoint/subtask-snapshot.ts'
import { ChannelRecorder } from '../../../lib/network/channel-recorder.ts'
import { LocalChannel } from '../../../lib/network/local-channel.ts'
import { RecordBatch } from '../../../lib/network/record-batch.ts'
import { RestoredFrames } from '../../../lib/network/restored-frames.ts'
import { t as types } from '../../../lib/types/t.ts'
import { barrierOf } from '../checkpoint/barriers.ts'
import { EDGE, TIME } from './chains.ts'
import { HandTask } from './tasks.ts'

const settled = () => new Promise<void>((resolve) => setImmediate(resolve))
const unaligned = (id: number) => barrierOf(id, { isUnaligned: true })

/** Steps, with time for what is asynchronous. */
async function stepAll(hand: HandTask): Promise<void> {
  for (let i = 0; i < 4; i++) {
    hand.stepAll()
    await settled()
  }
}

function inFlight({ inputs }: SubtaskSnapshot): unknown[][] {
  return inputs.flatMap(({ channels }) => channels.map(({ frames }) => recordsIn(framesOf(frames))))
}

function framesOf(frames: readonly Uint8Array[]): RestoredFrames {
  return new RestoredFrames({
    frames,
    decoder: types.any.newBatchDecoder(),
    convert: null,
    isOurs: null,
    hasWatermarks: true,
    watermark: Number.NEGATIVE_INFINITY,
  })
}

function recordsIn(frames: RestoredFrames): unknown[] {
  const records: unknown[] = []
  for (let batch = frames.poll(); batch !== null; batch = frames.poll())
    records.push(...batch.values.slice(0, batch.count))
  return records
}

/** An output whose other end takes nothing. */
function fullOutput(): LocalChannel {
  const output = new LocalChannel(0, TIME, () => 0)
  while (output.isAvailable) {
    output.write('x', -1)
    output.flush()
  }
  return output
}

t.test('unaligned task - a barrier is taken and sent on although the output is blocked', async (t) => {
  const output = fullOutput()
  const sent: string[] = []
  output.onArrival = (event) => sent.push(event.kind === 'barrier' ? `${event.checkpointId}` : 'end')
  const hand = new HandTask({ inputCount: 2, output })
  await hand.run()
  hand.send(['a', 'b'], 0)
  hand.send(['c'], 1)
  await stepAll(hand)
  t.equal(hand.stepAll(), 'blocked')
  hand.inputs[0]!.event(unaligned(1))
  hand.send(['behind the barrier'], 0)
  await stepAll(hand)
  t.same(sent, ['1'])
  t.same(hand.snapshots, [], 'the barrier of the other channel is still to come')
  hand.send(['d'], 1)
  hand.inputs[1]!.event(unaligned(1))
  hand.send(['behind the barrier'], 1)
  await stepAll(hand)
  t.equal(hand.snapshots.length, 1)
  t.same(inFlight(hand.snapshots[0]![1]), [
    ['a', 'b'],
    ['c', 'd'],
  ])
  t.equal(hand.times[0]!.isUnaligned, true)
})

t.test('unaligned task - in the middle of a batch, what is left of it is in flight', async (t) => {
  const hand = new HandTask({ inputCount: 1 })
  await hand.run()
  hand.inputs[0]!.write('a', -1)
  hand.inputs[0]!.event({ kind: 'watermark', timestamp: 3 })
  hand.inputs[0]!.write('b', -1)
  hand.inputs[0]!.flush()
  hand.task.step(Number.NEGATIVE_INFINITY)
  t.same(hand.taken(), ['out a'])
  hand.inputs[0]!.event(unaligned(1))
  await stepAll(hand)
  const [, snapshot] = hand.snapshots[0]!
  t.same(inFlight(snapshot), [['b']])
  t.equal(snapshot.watermark, Number.NEGATIVE_INFINITY, 'the watermark is in flight, too')
  t.same(hand.taken(), ['out barrier', 'a watermark 3', 'out watermark 3', 'out b'])
})

t.test('unaligned task - channels that are late when the time is over turn unaligned', async (t) => {
  const hand = new HandTask({ inputCount: 2 })
  await hand.run()
  const barrier = barrierOf(1, { alignmentTimeoutMs: 50 })
  hand.inputs[0]!.event(barrier)
  hand.send(['waits'], 0)
  await stepAll(hand)
  t.same(hand.taken(), [], 'aligned so far')
  await hand.clock.advance(50)
  await stepAll(hand)
  t.same(
    hand.taken(),
    ['out barrier'],
    'and no channel waits once the snapshot is taken but those that are early',
  )
  hand.send(['late'], 1)
  hand.inputs[1]!.event(barrier)
  await stepAll(hand)
  t.same(inFlight(hand.snapshots[0]![1]), [[], ['late']])
  t.same(hand.taken(), ['out late', 'out waits'])
  t.same([hand.times[0]!.isUnaligned, hand.times[0]!.alignmentMs], [true, 50])
})

t.test('unaligned task - a newer checkpoint takes the place of one that is not through', async (t) => {
  const hand = new HandTask({ inputCount: 2 })
  await hand.run()
  for (const id of [1, 2]) {
    hand.inputs[0]!.event(unaligned(id))
    await stepAll(hand)
  }
  t.match(hand.declined, [/^1: the barrier of a newer checkpoint came/])
  hand.inputs[1]!.event(unaligned(2))
  await stepAll(hand)
  t.same(
    hand.snapshots.map(([id]) => id),
    [2],
  )
})

t.test('unaligned task - what nobody waits for is recorded no more', async (t) => {
  const hand = new HandTask({ inputCount: 2 })
  await hand.run()
  hand.inputs[0]!.event(unaligned(1))
  await stepAll(hand)
  await hand.task.checkpoints.ended(1, false)
  hand.inputs[1]!.event(unaligned(1))
  await stepAll(hand)
  t.same([hand.snapshots, hand.declined], [[], []])
})

t.test('unaligned task - when all upstream have finished the coordinator is enough', async (t) => {
  const output = fullOutput()
  const hand = new HandTask({ inputCount: 2, output })
  await hand.run()
  hand.send(['a'], 0)
  hand.end(0)
  hand.task.checkpoints.trigger(unaligned(1))
  await stepAll(hand)
  t.same(hand.snapshots, [], 'one channel may still bring a barrier')
  hand.end(1)
  await stepAll(hand)
  t.same(inFlight(hand.snapshots[0]![1]), [['a'], []])
})

t.test('unaligned task - restored: what was in flight comes first, at the time it was', async (t) => {
  const recorder = new ChannelRecorder(EDGE.type)
  const batch = new RecordBatch()
  for (const value of ['in flight 1', 'in flight 2']) {
    batch.values[batch.count] = value
    batch.count++
    batch.addEvent({ kind: 'watermark', timestamp: 10 * batch.count })
  }
  recorder.batch(batch)
  const restoredInputs = {
    watermark: 4,
    channels: [
      { watermark: 4, frames: null },
      { watermark: 7, frames: framesOf(recorder.frames) },
    ],
  }
  const hand = new HandTask({ inputCount: 2, restoredInputs })
  await hand.run()
  hand.send(['new'], 0)
  hand.inputs[0]!.event(unaligned(1))
  hand.inputs[1]!.event(unaligned(1))
  await stepAll(hand)
  t.same(inFlight(hand.snapshots[0]![1]), [['new'], ['in flight 1', 'in flight 2']], 'it is in flight still')
  t.same(
    hand.snapshots[0]![1].inputs.map(({ channels }) => channels.map(({ watermark }) => watermark)),
    [[4, 7]],
  )
  hand.inputs[0]!.event({ kind: 'watermark', timestamp: 15 })
  hand.inputs[0]!.flush()
  await stepAll(hand)
  t.same(hand.taken(), [
    'out barrier',
    'a watermark 4',
    'out watermark 4',
    'out in flight 1',
    'out in flight 2',
    'out new',
    'a watermark 15',
    'out watermark 15',
  ])
})
