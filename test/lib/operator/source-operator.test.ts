/** A source operator with a reader that does as it is told. */
import t from 'tap'
import type {
  PollResult,
  ReaderContext,
  ReaderOutput,
  Source,
  SourceReader,
  Split,
} from '../../../lib/function/source.ts'
import { SourceOperator } from '../../../lib/operator/source-operator.ts'
import { type HarnessSnapshot, OperatorHarness } from '../../../lib/testing/operator-harness.ts'
import { MAX_TIMESTAMP } from '../../../lib/time/timestamp.ts'
import {
  ascendingTimestamps,
  boundedOutOfOrderness,
  punctuated,
  type WatermarkStrategy,
} from '../../../lib/time/watermark-strategy.ts'
import { t as types } from '../../../lib/types/t.ts'
import { stamped } from './brief.ts'

interface Part extends Split {
  readonly position: number
}

type Reading = (output: ReaderOutput<string>) => void

class ToldReader implements SourceReader<string, Part> {
  readonly calls: string[] = []
  readonly splits: Part[] = []
  /** What it was told to leave alone, each time. */
  readonly paused: string[][] = []
  reading: Reading = () => {}
  result: PollResult = 'more'

  start(): void {
    this.calls.push('start')
  }

  addSplits(splits: readonly Part[]): void {
    this.splits.push(...splits)
    this.calls.push(`add ${splits.map(({ id, position }) => `${id}:${position}`).join()}`)
  }

  noMoreSplits(): void {
    this.calls.push('no more')
  }

  pauseSplits(splitIds: ReadonlySet<string>): void {
    this.paused.push([...splitIds])
  }

  poll(output: ReaderOutput<string>, recordsMax: number): PollResult {
    this.calls.push(`poll ${recordsMax}`)
    this.reading(output)
    return this.result
  }

  snapshot(): Part[] {
    return this.splits.map(({ id, position }) => ({ id, position: position + 1 }))
  }

  checkpointCompleted(checkpointId: number): void {
    this.calls.push(`completed ${checkpointId}`)
  }

  close(): void {
    this.calls.push('close')
  }
}

interface Opened {
  readonly reader: ToldReader
  readonly harness: OperatorHarness<string>
  readonly operator: SourceOperator<string, Part>
  readonly requests: string[]
  /** Lets the reader collect; what came out. */
  read(reading: Reading): unknown[]
  clock(nowMs: number): unknown[]
}

const INTERVAL_MS = 50

async function open(strategy: WatermarkStrategy<string> | null, restore?: HarnessSnapshot): Promise<Opened> {
  const reader = new ToldReader()
  const requests: string[] = []
  const source = {
    name: 'told',
    isBounded: false,
    type: types.string,
    splitType: types.object({ id: types.string, position: types.int32 }),
    createReader: (context: ReaderContext) => {
      requests.push(`reader ${context.subtaskIndex} of ${context.parallelism}`)
      return reader
    },
  } as unknown as Source<string, Part>
  const operator = new SourceOperator(source, strategy)
  operator.connect({ requestSplit: () => void requests.push('split') })
  const harness = await OperatorHarness.open<string>({
    operator: () => operator,
    keySelectors: [],
    watermarkIntervalMs: INTERVAL_MS,
    ...(restore === undefined ? {} : { restore }),
  })
  return {
    reader,
    harness,
    operator,
    requests,
    read(reading) {
      reader.reading = reading
      operator.poll(10)
      return stamped(harness.takeOutput())
    },
    clock(nowMs) {
      harness.processingTime(nowMs)
      return stamped(harness.takeOutput())
    },
  }
}

const part = (id: string, position = 0): Part => ({ id, position })

t.test('source - the reader is started, asks for a split, and is told of splits and the end', async (t) => {
  const { reader, requests, operator, harness } = await open(null)
  t.same(requests, ['reader 0 of 1', 'split'])
  operator.addSplits([part('a'), part('b', 5)])
  operator.noMoreSplits()
  reader.result = 'idle'
  t.equal(operator.poll(7), 'idle')
  await harness.checkpointCompleted(3)
  await harness.close()
  t.same(reader.calls, ['start', 'add a:0,b:5', 'no more', 'poll 7', 'completed 3', 'close'])
})

t.test('source - records carry the timestamps of the source, or those of the strategy', async (t) => {
  const plain = await open(null)
  const collect: Reading = (output) => {
    output.ofSplit('a').collect('x', 5)
    output.ofSplit('a').collect('y')
  }
  t.same(plain.read(collect), ['x@5', 'y'])
  t.equal(plain.operator.recordCount, 2)
  const assigning = await open(ascendingTimestamps((value, previous) => value.length + (previous ?? 100)))
  t.same(assigning.read(collect), ['x@6', 'y@101'])
  t.equal(assigning.operator.recordCount, 2)
})

t.test('source - timestamps that are none are refused, whoever they are from', async (t) => {
  for (const timestamp of [1.5, Number.POSITIVE_INFINITY]) {
    for (const strategy of [null, ascendingTimestamps<string>()]) {
      const { read } = await open(strategy)
      t.throws(() => read((output) => output.ofSplit('a').collect('x', timestamp)), {
        code: 'TIMESTAMP_INVALID',
      })
    }
    const { read } = await open(ascendingTimestamps<string>(() => timestamp))
    t.throws(() => read((output) => output.ofSplit('a').collect('x')), { code: 'TIMESTAMP_INVALID' })
  }
})

t.test('source - event time is that of the slowest split', async (t) => {
  const { operator, read, clock } = await open(boundedOutOfOrderness(10))
  operator.addSplits([part('a'), part('b')])
  read((output) => output.ofSplit('a').collect('x', 100))
  t.same(clock(50), [], 'nothing is known of b yet')
  read((output) => output.ofSplit('b').collect('y', 50))
  t.same(clock(100), [39])
  t.equal(operator.watermark, 39)
  read((output) => output.ofSplit('b').collect('z', 200))
  t.same(clock(150), [89])
})

t.test('source - a split holds event time back from when it is assigned', async (t) => {
  const { operator, read, clock } = await open(ascendingTimestamps())
  operator.addSplits([part('a')])
  read((output) => output.ofSplit('a').collect('x', 100))
  t.same(clock(50), [99])
  operator.addSplits([part('b')])
  read((output) => output.ofSplit('a').collect('x', 200))
  t.same(clock(100), [])
  read((output) => output.ofSplit('b').collect('x', 150))
  t.same(clock(150), [149])
})

t.test(
  'source - a split that has been read to its end holds nothing back, and how far it came counts',
  async (t) => {
    const { operator, read, clock } = await open(ascendingTimestamps())
    operator.addSplits([part('a'), part('b')])
    read((output) => {
      output.ofSplit('a').collect('x', 10)
      output.ofSplit('b').collect('x', 20)
    })
    t.same(clock(50), [9])
    t.same(
      read((output) => output.releaseSplit('a')),
      [],
    )
    t.same(clock(100), [19])
    const last: Reading = (output) => {
      output.ofSplit('b').collect('x', 30)
      output.releaseSplit('b')
      output.releaseSplit('b')
    }
    t.same(read(last), ['x@30', 29])
    t.same(clock(150), [])
  },
)

t.test('source - punctuated watermarks come behind their record, of the slowest split', async (t) => {
  const { operator, read } = await open(punctuated((_value, timestamp) => timestamp))
  operator.addSplits([part('a'), part('b')])
  const reading: Reading = (output) => {
    output.ofSplit('a').collect('x', 10)
    output.ofSplit('b').collect('y', 5)
    output.ofSplit('b').collect('z', 12)
  }
  t.same(read(reading), ['x@10', 'y@5', 5, 'z@12', 10])
})

t.test('source - one that knows event time itself is believed unless there is a strategy', async (t) => {
  const reading: Reading = (output) => {
    const split = output.ofSplit('a')
    split.collect('x', 1)
    split.emitWatermark(7)
    split.markIdle()
  }
  const plain = await open(null)
  t.same(plain.read(reading), ['x@1', 7, 'idle'])
  const strategic = await open(ascendingTimestamps())
  t.same(strategic.read(reading), ['x@1', 'idle'])
})

t.test('source - an idle split holds nothing back; all idle is idle', async (t) => {
  const { operator, read, clock } = await open(ascendingTimestamps<string>().withIdleness(100))
  operator.addSplits([part('a'), part('b')])
  read((output) => output.ofSplit('a').collect('x', 10))
  t.same([50, 100, 150].flatMap(clock), [])
  read((output) => output.ofSplit('a').collect('x', 20))
  t.same(clock(200), [19], 'b has been idle since 50')
  t.same([250, 300, 350, 400].flatMap(clock), ['idle'])
  read((output) => output.ofSplit('b').collect('y', 30))
  t.same(clock(450), ['active', 29])
})

t.test(
  'source - a subtask without splits is idle after the timeout, and waits for the first it gets',
  async (t) => {
    const { operator, read, clock } = await open(ascendingTimestamps<string>().withIdleness(100))
    t.same([50, 100, 150].flatMap(clock), [])
    t.same(clock(200), ['idle'])
    operator.addSplits([part('a')])
    t.same(clock(250), [])
    read((output) => output.ofSplit('a').collect('x', 10))
    t.same(clock(300), ['active', 9])
    read((output) => output.releaseSplit('a'))
    t.same([350, 400, 450, 500].flatMap(clock), [])
    t.same(clock(550), ['idle'])
    const patient = await open(ascendingTimestamps())
    t.same([50, 100_000].flatMap(patient.clock), [], 'without a timeout it never is')
  },
)

t.test('source - splits go on from a snapshot, and hold event time back at once', async (t) => {
  const before = await open(ascendingTimestamps())
  before.operator.addSplits([part('a', 3), part('b', 5)])
  const after = await open(ascendingTimestamps(), await before.harness.snapshot())
  t.same(after.reader.calls, ['start', 'add a:4,b:6'])
  t.same(after.requests, ['reader 0 of 1', 'split'])
  after.read((output) => output.ofSplit('a').collect('x', 10))
  t.same(after.clock(50), [])
  after.read((output) => output.ofSplit('b').collect('x', 7))
  t.same(after.clock(100), [6])
})

t.test('source - at the end of the input event time ends', async (t) => {
  const { operator, harness, read, clock } = await open(ascendingTimestamps())
  read((output) => output.ofSplit('a').collect('x', 10))
  operator.endOfInput()
  await harness.finish()
  t.same(stamped(harness.takeOutput()), [MAX_TIMESTAMP])
  t.same(clock(1000), [])
})

t.test(
  'source - splits ahead of the alignment are paused, and go on when the others have come nearer',
  async (t) => {
    const strategy = ascendingTimestamps<string>().withAlignment('g', 100)
    const { reader, operator, read } = await open(strategy)
    const aligned = operator.aligned!
    operator.addSplits([part('a'), part('b')])
    aligned.onSlowest(0)
    read((output) => {
      output.ofSplit('a').collect('far', 1000)
      output.ofSplit('b').collect('near', 50)
    })
    operator.emitPeriodicWatermark()
    t.equal(operator.watermark, 49)
    t.equal(aligned.isAhead, false, 'the slowest split counts')
    read(() => {})
    t.same(reader.paused, [['a']])
    read((output) => output.ofSplit('b').collect('far, too', 200))
    operator.emitPeriodicWatermark()
    t.equal(aligned.isAhead, true)
    t.equal(aligned.reported, 199)
    aligned.onSlowest(150)
    t.equal(aligned.isAhead, false)
    read(() => {})
    t.same(reader.paused, [['a']], 'nothing new: b was never paused')
    aligned.onSlowest(2000)
    read(() => {})
    t.same(reader.paused, [['a']], 'but not further ahead of the splits beside them than of other sources')
    read((output) => output.ofSplit('b').collect('nearer', 950))
    operator.emitPeriodicWatermark()
    read(() => {})
    t.same(reader.paused, [['a'], []])
  },
)

t.test('source - who waits for others does not become idle', async (t) => {
  const strategy = ascendingTimestamps<string>().withIdleness(200).withAlignment('g', 100)
  const { operator, read, clock } = await open(strategy)
  const aligned = operator.aligned!
  operator.addSplits([part('a')])
  read((output) => output.ofSplit('a').collect('far', 1000))
  clock(50)
  aligned.onSlowest(0)
  t.equal(aligned.isAhead, true)
  t.same(clock(2000), [], 'it does not say that it is idle')
  t.equal(aligned.reported, 999)
  aligned.onSlowest(2000)
  read((output) => output.ofSplit('a').collect('on', 1001))
  t.same(clock(2050), [1000])
  clock(2100)
  t.same(clock(2400), ['idle'], 'without waiting it does')
})
