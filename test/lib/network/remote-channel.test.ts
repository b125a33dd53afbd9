/** Both ends of a remote channel together, over networks of every kind. */
import t from 'tap'
import { SeededRandom } from '../../../lib/base/prng.ts'
import { FRAME_DATA, FRAME_PART, writePrelude } from '../../../lib/network/frame.ts'
import type { FramePort } from '../../../lib/network/frame-port.ts'
import { BATCH_RECORDS_MAX } from '../../../lib/network/record-batch.ts'
import { RemoteOutputChannel } from '../../../lib/network/remote-output-channel.ts'
import { t as types } from '../../../lib/types/t.ts'
import type { Type } from '../../../lib/types/type.ts'
import { ChannelRun, type ChannelRunOptions } from './channel-run.ts'
import type { Faults } from './faulty-port.ts'

const KB = 1024

const NETWORKS: Record<string, Faults> = {
  'a perfect network': {},
  'a slow network': { delayMs: 40 },
  'a network that loses frames': { lost: 0.1, delayMs: 2, jitterMs: 3 },
  'a network that doubles frames': { doubled: 0.3, delayMs: 1, jitterMs: 5 },
  'a network that lets frames overtake each other': { delayMs: 1, jitterMs: 20, mayOvertake: true },
  'a network that does it all': { lost: 0.1, doubled: 0.1, delayMs: 1, jitterMs: 10, mayOvertake: true },
}

for (const [name, faults] of Object.entries(NETWORKS)) {
  t.test(`remote channel - over ${name} everything arrives once and in order`, async (t) => {
    for (const seed of [1, 2, 3]) {
      const run = new ChannelRun({ seed, faults, recordCount: 2000 })
      await run.run(60_000)
      t.ok(run.isDone, `seed ${seed} comes to an end, ${run.received.length} received`)
      t.doesNotThrow(() => run.check(), `seed ${seed}`)
      t.ok(run.stalledMsMax < 3000, `seed ${seed} stalls for ${run.stalledMsMax} ms at most`)
      // One frame may begin within the credit and end beyond it.
      t.ok(run.port.seen.overdraftBytesMax < 0, 'nothing is sent without credit')
    }
  })
}

t.test('remote channel - a fast receiver far away is given a wider window', async (t) => {
  // At the 64 KB of the beginning for every round trip of 40 ms it would take 2400 ms.
  const options: ChannelRunOptions = {
    recordCount: 60_000,
    recordsPerMs: 100,
    sizeOf: () => 60,
    frameBytes: 8 * KB,
  }
  const run = new ChannelRun({ ...options, faults: { delayMs: 20 } })
  await run.run(60_000)
  t.ok(run.isDone)
  t.ok(run.clock.monotonic() < 1500, `${run.clock.monotonic()} ms`)
})

t.test('remote channel - the window of a receiver that turns slow shrinks to what it can take', async (t) => {
  let batchesPerMs = 10
  const queued: number[] = []
  const run = new ChannelRun({
    recordCount: 60_000,
    recordsPerMs: 100,
    sizeOf: () => 60,
    frameBytes: 8 * KB,
    faults: { delayMs: 20 },
    get batchesPerMs() {
      return batchesPerMs
    },
    onMs: ({ clock, input }) => {
      // From one frame a tenth of a ms to one every twenty.
      const ms = clock.monotonic()
      if (ms > 400) batchesPerMs = ms % 20 === 0 ? 1 : 0
      if (ms % 100 === 0) queued.push(input.stats.bytes - run.consumedBytes)
    },
  })
  await run.run(4000)
  const most = Math.max(...queued)
  t.ok(most > 150 * KB, `${most} bytes waited at first`)
  t.ok(queued.at(-1)! <= 80 * KB, `${queued.at(-1)} bytes wait in the end`)
})

t.test(
  'remote channel - a slow receiver holds the sender back, memory stays within the credit',
  async (t) => {
    const options: ChannelRunOptions = {
      recordCount: 4000,
      recordsPerMs: 100,
      sizeOf: () => 400,
      batchesPerMs: 1,
    }
    const run = new ChannelRun({ ...options, faults: { delayMs: 2 } })
    await run.run(60_000)
    t.ok(run.isDone)
    t.doesNotThrow(() => run.check())
    t.ok(run.queuedBytesMax <= 256 * KB, `${run.queuedBytesMax} bytes queued`)
    t.ok(
      run.port.seen.unacknowledgedBytesMax <= 256 * KB,
      `${run.port.seen.unacknowledgedBytesMax} bytes unacknowledged`,
    )
  },
)

t.test('remote channel - a receiver that stops holds no more than the credit it gave', async (t) => {
  const run = new ChannelRun({ recordCount: 100_000, recordsPerMs: 500, sizeOf: () => 100, batchesPerMs: 0 })
  await run.run(5000)
  t.equal(run.received.length, 0)
  t.ok(run.queuedBytesMax >= 60 * KB && run.queuedBytesMax <= 66 * KB, `${run.queuedBytesMax} bytes`)
  t.same(run.errors, [], 'and is not taken for dead')
  t.notOk(run.output.isAvailable)
})

t.test('remote channel - records larger than a message are sent in parts, also through losses', async (t) => {
  for (const [seed, faults] of [
    [1, {}],
    [2, { lost: 0.05, doubled: 0.05, delayMs: 1 }],
  ] as const) {
    const sizeOf = (n: number) => (n % 10 === 3 ? 300 * KB : 20)
    const run = new ChannelRun({
      seed,
      faults,
      recordCount: 60,
      recordsPerMs: 1,
      frameBytesMax: 16 * KB,
      sizeOf,
    })
    await run.run(60_000)
    t.ok(run.isDone)
    t.doesNotThrow(() => run.check())
    t.ok(run.port.seen.largestBytes <= 16 * KB)
  }
})

t.test('remote channel - records in parts do not pile up at a slow receiver', async (t) => {
  let ms = 0
  const run = new ChannelRun({
    recordCount: 100,
    recordsPerMs: 5,
    frameBytesMax: 16 * KB,
    sizeOf: () => 200 * KB,
    batchesPerMs: 0,
    onMs: () => ms++,
  })
  await run.run(2000)
  t.equal(ms, 2000)
  // One whole record, and the window on top of it.
  t.ok(run.input.stats.bytes <= 500 * KB, `${run.input.stats.bytes} bytes wait at the receiver`)
})

t.test('remote channel - many records of allowed size are no record that is too large', async (t) => {
  const run = new ChannelRun({ recordCount: 50, recordBytesMax: 64 * KB, sizeOf: () => 40 * KB })
  await run.run(5000)
  t.ok(run.isDone)
  t.doesNotThrow(() => run.check())
})

t.test('remote channel - a record above the limit is refused where it is written', async (t) => {
  const run = new ChannelRun({ recordCount: 1, recordBytesMax: 64 * KB, sizeOf: () => 100 * KB })
  await t.rejects(run.run(100), { code: 'RECORD_TOO_LARGE' })
})

t.test('remote channel - when the line is cut for a while everything is made up for', async (t) => {
  const run = new ChannelRun({
    recordCount: 3000,
    onMs: ({ port, clock }) => {
      port.isCut = clock.monotonic() > 50 && clock.monotonic() < 5000
    },
  })
  await run.run(20_000)
  t.ok(run.isDone)
  t.doesNotThrow(() => run.check())
})

t.test(
  'remote channel - when the line stays cut the sender says so, once it has something to say',
  async (t) => {
    const silent = new ChannelRun({ recordCount: 3000, recordsPerMs: 0, timeoutMs: 1000 })
    silent.port.isCut = true
    await silent.run(5000)
    t.same(silent.errors, [], 'an idle channel misses nothing')
    const run = new ChannelRun({ recordCount: 3000, timeoutMs: 1000 })
    run.port.isCut = true
    await run.run(5000)
    t.match(run.errors[0], {
      code: 'CHANNEL_BROKEN',
      message: /e0 from subtask 1 to subtask 2: no sign of the receiver/,
    })
    t.ok(run.clock.monotonic() < 1600)
  },
)

t.test('remote channel - a gap on a line that loses nothing breaks the channel', async (t) => {
  const run = new ChannelRun({
    recordCount: 3000,
    isReliable: true,
    onMs: ({ port, clock }) => {
      port.isCut = clock.monotonic() > 20 && clock.monotonic() < 30
    },
  })
  await run.run(5000)
  t.match(run.errors[0], { code: 'CHANNEL_BROKEN', message: /misses frame/ })
})

t.test('remote channel - a reliable line needs no acknowledgement to be drained', async (t) => {
  const run = new ChannelRun({ recordCount: 100, isReliable: true })
  await run.run(5000)
  t.ok(run.isDone)
  t.doesNotThrow(() => run.check())
  t.equal(run.output.stats.resentFrames, 0)
})

t.test('remote channel - foreign bytes on the line are counted and dropped', async (t) => {
  const random = new SeededRandom(9)
  const run = new ChannelRun({
    recordCount: 1000,
    onMs: ({ port }) => {
      const frame = Uint8Array.from({ length: random.nextInt(20) }, () => random.nextInt(256))
      // A well-formed next frame cannot be told from the sender's: its kind is left out.
      if (frame.length > 0 && frame[0]! >= FRAME_DATA && frame[0]! <= FRAME_PART + 2) frame[0] = 99
      port.inject('data', frame)
      port.inject('credit', frame)
    },
  })
  await run.run(10_000)
  t.ok(run.isDone)
  t.doesNotThrow(() => run.check())
  t.ok(run.input.stats.droppedFrames > 50)
  t.ok(run.output.stats.droppedFrames > 50)
})

t.test('remote channel - a frame that cannot be decoded fails the channel, naming it', async (t) => {
  const run = new ChannelRun({ recordCount: 0 })
  const frame = Uint8Array.from([0, 0, 0, 0, 0, 7, 7, 7])
  writePrelude(frame, FRAME_DATA, 0)
  run.port.inject('data', frame)
  t.equal(run.input.poll(), null)
  t.match(run.errors[0], {
    code: 'DECODE_FAILED',
    message: /^channel e0 from subtask 1 to subtask 2: expected 1 more bytes/,
  })
  const large = new ChannelRun({ recordCount: 0, recordBytesMax: 100 })
  for (let sequence = 0; sequence < 5; sequence++) {
    const part = new Uint8Array(50)
    writePrelude(part, FRAME_PART, sequence)
    large.port.inject('data', part)
  }
  t.match(large.errors[0], { code: 'RECORD_TOO_LARGE' })
})

t.test('remote channel - says when it is available again, and when it is drained', async (t) => {
  const calls: boolean[][] = []
  const run = new ChannelRun({
    recordCount: 2000,
    recordsPerMs: 300,
    sizeOf: () => 200,
    faults: { delayMs: 5 },
  })
  run.output.onAvailable = () => calls.push([run.output.isAvailable, run.output.isDrained])
  let wasData = 0
  run.input.onData = () => {
    wasData++
    t.ok(run.input.hasData)
  }
  await run.run(10_000)
  t.ok(run.isDone)
  t.ok(calls.some(([isAvailable]) => isAvailable))
  t.same(calls.at(-1), [true, true])
  t.ok(wasData > 1)
})

t.test('remote channel - a closed end is quiet', async (t) => {
  const run = new ChannelRun({ recordCount: 1000, batchesPerMs: 0 })
  await run.run(20)
  run.input.close()
  run.output.close()
  t.notOk(run.input.hasData)
  const { dataFrames } = run.port.seen
  await run.clock.advance(5000)
  t.equal(run.port.seen.dataFrames, dataFrames)
})

t.test('remote channel - what is in a channel beside it goes first', async (t) => {
  const sent: string[] = []
  const newOutput = (edgeId: string) => {
    const port: FramePort = {
      isReliable: true,
      frameBytesMax: 2 ** 20,
      send: (address) => sent.push(address.edgeId),
      receive: () => () => {},
    }
    return new RemoteOutputChannel({
      address: { jobId: 'job', attempt: 0, edgeId, from: 0, to: 1 },
      port,
      type: types.int64 as Type<unknown>,
      time: new Float64Array(2),
      nowMs: () => 0,
      frameBytes: 32 * KB,
      recordBytesMax: 2 ** 20,
      timeoutMs: 1000,
      onError: (error) => t.fail(error.message),
    })
  }
  const [seldom, often] = [newOutput('seldom'), newOutput('often')]
  seldom.beside = [often]
  often.beside = [seldom]
  seldom.write(1, -1)
  for (let n = 0; n < BATCH_RECORDS_MAX; n++) often.write(n, -1)
  t.same(sent, ['seldom', 'often'])
  often.write(1, -1)
  often.event({ kind: 'end' })
  t.same(sent, ['seldom', 'often', 'often'])
})
