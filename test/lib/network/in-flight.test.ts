/**
 * Data in flight when a barrier overtakes it, on every carrier: what is recorded and what has been received before make
 * up what was sent before the barrier, and nothing else; restored, it comes out again.
 */
import assert from 'node:assert/strict'
import fc from 'fast-check'
import t from 'tap'
import { ChannelRecorder } from '../../../lib/network/channel-recorder.ts'
import { lastWatermark, readClosingEvent } from '../../../lib/network/frame.ts'
import { LocalChannel } from '../../../lib/network/local-channel.ts'
import { RecordBatch } from '../../../lib/network/record-batch.ts'
import { RestoredFrames } from '../../../lib/network/restored-frames.ts'
import type { CheckpointBarrier, ClosingEvent } from '../../../lib/network/stream-event.ts'
import { t as types } from '../../../lib/types/t.ts'
import type { Type } from '../../../lib/types/type.ts'
import { barrierOf } from '../checkpoint/barriers.ts'
import { runs } from '../types/schema-arbitrary.ts'
import { ChannelRun, RECORD } from './channel-run.ts'
import type { Faults } from './faulty-port.ts'

const INTEGER = types.int64 as Type<unknown>
const KB = 1024

interface Restoring {
  readonly type: Type<unknown>
  readonly isOurs?: (value: unknown) => boolean
  readonly hasWatermarks?: boolean
  readonly watermark?: number
}

function restored(frames: readonly Uint8Array[], options: Restoring): RestoredFrames {
  const { type, isOurs = null, hasWatermarks = true, watermark = Number.NEGATIVE_INFINITY } = options
  return new RestoredFrames({
    frames,
    decoder: type.newBatchDecoder(),
    convert: null,
    isOurs,
    hasWatermarks,
    watermark,
  })
}

/** Records, and watermarks as text, in their order. */
function contentsOf(batch: RecordBatch, from = 0, fromEvent = 0): unknown[] {
  const contents: unknown[] = []
  for (let i = from, event = fromEvent; i <= batch.count; i++) {
    for (; batch.eventPositions[event] === i; event++) {
      const what = batch.events[event]!
      contents.push(what.kind === 'watermark' ? `watermark ${what.timestamp}` : what.kind)
    }
    if (i < batch.count) contents.push(batch.values[i])
  }
  return contents
}

function drain(frames: RestoredFrames): unknown[] {
  const all: unknown[] = []
  for (let batch = frames.poll(); batch !== null; batch = frames.poll()) all.push(...contentsOf(batch))
  return all
}

const NETWORKS: Record<string, Faults> = {
  'a slow network': { delayMs: 40 },
  'a network that does it all': { lost: 0.1, doubled: 0.1, delayMs: 1, jitterMs: 10, mayOvertake: true },
}

for (const [name, faults] of Object.entries(NETWORKS)) {
  t.test(
    `data in flight - over ${name}, with a receiver that stands still, the barrier comes through`,
    async (t) => {
      for (const seed of [1, 2, 3]) {
        let arrived: ClosingEvent | null = null
        const recorder = new ChannelRecorder(RECORD as Type<unknown>)
        let sentBefore = 0
        const run = new ChannelRun({
          seed,
          faults,
          recordCount: 100_000,
          recordsPerMs: 500,
          sizeOf: () => 100,
          batchesPerMs: 0,
          hasBarriers: false,
          isOver: () => arrived !== null,
          onMs: ({ clock, output, expected }) => {
            if (clock.monotonic() !== 3000) return
            t.notOk(output.isAvailable, 'there is no credit left')
            sentBefore = expected.filter((each) => typeof each === 'number').length
            output.write({ n: -1, text: 'the rest of a step' }, 0)
            output.event(barrierOf(1, { isUnaligned: true }))
          },
        })
        run.input.onArrival = (event) => {
          arrived = event
        }
        run.input.record(1, recorder)
        await run.run(60_000)
        t.same(run.errors, [])
        t.match(arrived, { kind: 'barrier', checkpointId: 1, isUnaligned: true })
        const records = drain(restored(recorder.frames, { type: RECORD as Type<unknown> }))
          .filter((each) => typeof each !== 'string')
          .map((each) => (each as { n: number }).n)
        t.same(records, [...Array.from({ length: sentBefore }, (_, n) => n), -1])
        t.notOk(run.output.isAvailable, 'what was sent without credit has to be paid for')
        t.ok(run.queuedBytesMax < 70 * KB, `${run.queuedBytesMax} bytes wait: the credit and one step`)
      }
    },
  )
}

t.test('data in flight - in one thread, whenever the barrier comes: what was sent before it', async () => {
  const step = fc.constantFrom('write', 'write', 'watermark', 'flush', 'take')
  const steps = fc.array(step, { maxLength: 60 })
  fc.assert(
    fc.property(steps, steps, steps, (before, between, after) => {
      const channel = new LocalChannel(0, new Float64Array(2), () => 0)
      const received: unknown[] = []
      let sent = 0
      const play = (what: string) => {
        if (what === 'write') channel.write(sent++, -1)
        else if (what === 'watermark') channel.event({ kind: 'watermark', timestamp: sent })
        else if (what === 'flush') channel.flush()
        else {
          const next = channel.peek(0)
          const batch = channel.poll()
          assert.equal(batch, next)
          if (batch === null) return
          received.push(...contentsOf(batch))
          channel.release(batch)
        }
      }
      before.forEach(play)
      const recorder = new ChannelRecorder(INTEGER)
      channel.record(7, recorder)
      const receivedBefore = [...received]
      between.forEach(play)
      channel.event(barrierOf(7))
      const sentBefore = sent
      after.forEach(play)
      const recorded = drain(restored(recorder.frames, { type: INTEGER }))
      const records = [...receivedBefore, ...recorded].filter((each) => typeof each === 'number')
      assert.deepEqual(
        records,
        Array.from({ length: sentBefore }, (_, n) => n),
      )
    }),
    runs(500),
  )
})

t.test('data in flight - a recording ends with the input, and when it is told to', async (t) => {
  const channel = new LocalChannel(0, new Float64Array(2), () => 0)
  const arrivals: string[] = []
  channel.onArrival = ({ kind }) => arrivals.push(kind)
  const [stopped, recorder] = [new ChannelRecorder(INTEGER), new ChannelRecorder(INTEGER)]
  channel.record(1, stopped)
  channel.stopRecording()
  channel.write(1, -1)
  channel.event({ kind: 'end' })
  t.same(stopped.frames, [])
  channel.record(1, recorder)
  t.same(drain(restored(recorder.frames, { type: INTEGER })), [1])
  t.same(arrivals, ['end'])
})

t.test('data in flight - what is left of a batch', async (t) => {
  const batch = new RecordBatch()
  for (const n of [0, 1, 2]) {
    batch.addEvent({ kind: 'watermark', timestamp: n })
    batch.values[n] = n
    batch.timestamps[n] = 10 + n
    batch.keyGroups[n] = n
    batch.count++
  }
  batch.addEvent(barrierOf(3))
  const recorder = new ChannelRecorder(INTEGER)
  recorder.batch(batch, 1, 2)
  recorder.batch(batch, 3, 4)
  t.equal(recorder.frames.length, 1, 'of nothing there is no frame')
  t.equal(recorder.byteLength, recorder.frames[0]!.length)
  const left = restored(recorder.frames, { type: INTEGER }).poll()!
  t.same(contentsOf(left), [1, 'watermark 2', 2], 'and the barrier is of no use afterwards')
  t.same([left.timestamps[0], left.timestamps[1], left.keyGroups[0]], [11, 12, 1])
  t.equal((readClosingEvent(recorder.frames[0]!) as CheckpointBarrier).checkpointId, 3)
  t.equal(readClosingEvent(new Uint8Array([8])), null, 'cut short')
  t.equal(lastWatermark(recorder.frames), 2)
})

t.test('data in flight - restored elsewhere, it is sifted, and has the watermark it is given', async (t) => {
  const recorder = new ChannelRecorder(INTEGER)
  for (const first of [0, 10, 20]) {
    const batch = new RecordBatch()
    for (let i = 0; i < 4; i++) {
      batch.values[i] = first + i
      batch.count++
    }
    batch.addEvent({ kind: 'watermark', timestamp: first })
    batch.addEvent({ kind: 'status', isIdle: true })
    recorder.batch(batch)
  }
  const isOurs = (value: unknown) => (value as number) % 3 === 0 && (value as number) < 20
  const options = { type: INTEGER, isOurs, hasWatermarks: false, watermark: 15 }
  t.same(drain(restored(recorder.frames, options)), [0, 3, 12, 'watermark 15'])
  const again = restored(recorder.frames, options)
  again.poll()
  const rest = new ChannelRecorder(INTEGER)
  again.record(rest)
  t.same(
    drain(restored(rest.frames, { type: INTEGER })),
    [12, 'watermark 15'],
    'what is left can be recorded',
  )
  t.same(drain(again), [12, 'watermark 15'], 'and is still to come')
})
