/** Two-phase commit, told by a sink that writes down what it is asked to do. */
import t from 'tap'
import type { Sink } from '../../../lib/function/sink.ts'
import { SinkOperator } from '../../../lib/operator/sink-operator.ts'
import { type HarnessSnapshot, OperatorHarness } from '../../../lib/testing/operator-harness.ts'
import { t as types } from '../../../lib/types/t.ts'

interface SinkLog {
  readonly calls: string[]
  /** What the outside world can see. */
  readonly visible: string[]
  commitError: Error | null
}

const newLog = (): SinkLog => ({ calls: [], visible: [], commitError: null })

/** Buffers records; a committable is what has been written between two pre-commits, joined. */
function loggingSink(log: SinkLog): Sink<string, string, string> {
  const { calls, visible } = log
  return {
    name: 'logging',
    writerStateType: types.string,
    committableType: types.string,
    createWriter(_context, restored) {
      calls.push(`writer(${restored.join()})`)
      let written: string[] = []
      let count = restored.reduce((sum, state) => sum + Number(state), 0)
      return {
        write(value, { timestamp, watermark }) {
          count++
          written.push(value)
          calls.push(`write ${value} at ${timestamp}, watermark ${watermark}`)
        },
        onWatermark: (timestamp) => void calls.push(`watermark ${timestamp}`),
        flush: async (isEndOfInput) => void calls.push(isEndOfInput ? 'flush last' : 'flush'),
        prepareCommit: async () => {
          calls.push('prepare')
          const committable = written.join('+')
          written = []
          return committable === '' ? [] : [committable]
        },
        snapshot(checkpointId) {
          calls.push(`snapshot ${checkpointId}`)
          return [`${count}`]
        },
        close: () => void calls.push('close writer'),
      }
    },
    createCommitter() {
      calls.push('committer')
      return {
        commit: async (committables) => {
          if (log.commitError !== null) throw log.commitError
          calls.push(`commit ${committables.join()}`)
          for (const each of committables) if (!visible.includes(each)) visible.push(each)
        },
        close: () => void calls.push('close committer'),
      }
    },
  }
}

interface OpenOptions {
  readonly restore?: HarnessSnapshot
  readonly hasCheckpoints?: boolean
}

async function open(log: SinkLog, { restore, hasCheckpoints = true }: OpenOptions = {}) {
  return OperatorHarness.open<never>({
    operator: () => new SinkOperator(loggingSink(log) as unknown as Sink<string>),
    hasCheckpoints,
    ...(restore === undefined ? {} : { restore }),
  })
}

const take = (log: SinkLog): string[] => log.calls.splice(0)

t.test('sink - the writer is told records with their time, and watermarks', async (t) => {
  const log = newLog()
  const harness = await open(log)
  harness.element('a', 5)
  harness.watermark(7)
  harness.element('b')
  t.same(take(log), [
    'committer',
    'writer()',
    'write a at 5, watermark -Infinity',
    'watermark 7',
    'write b at undefined, watermark 7',
  ])
  t.same(harness.takeOutput(), [{ kind: 'watermark', timestamp: 7 }])
})

t.test(
  'sink - flushes, prepares and saves at the barrier; commits when the checkpoint is complete',
  async (t) => {
    const log = newLog()
    const harness = await open(log)
    harness.element('a')
    take(log)
    await harness.snapshot(1)
    t.same(take(log), ['flush', 'prepare', 'snapshot 1'])
    t.same(log.visible, [])
    await harness.checkpointCompleted(1)
    t.same(take(log), ['commit a'])
    await harness.checkpointCompleted(1)
    t.same(take(log), [], 'once')
  },
)

/** A sink whose writer has states of which the sink does not say the type. */
function untyped(log: SinkLog, states: readonly string[]): Sink<string> {
  const { writerStateType: _, ...sink } = loggingSink(log)
  const createWriter: typeof sink.createWriter = (context, restored) => {
    const writer = sink.createWriter(context, restored)
    const snapshot = (checkpointId: number) => {
      writer.snapshot?.(checkpointId)
      return states
    }
    return { ...writer, snapshot }
  }
  return { ...sink, createWriter } as unknown as Sink<string>
}

t.test('sink - a writer that has nothing to save is told of every checkpoint, too', async (t) => {
  const log = newLog()
  const operator = () => new SinkOperator(untyped(log, []))
  const harness = await OperatorHarness.open<never>({ operator, hasCheckpoints: true })
  await harness.snapshot(1)
  await harness.snapshot(2)
  t.same(
    take(log).filter((call) => call.startsWith('snapshot')),
    ['snapshot 1', 'snapshot 2'],
  )
})

t.test('sink - states that the sink has no type for are not dropped in silence', async (t) => {
  const operator = () => new SinkOperator(untyped(newLog(), ['state']))
  const harness = await OperatorHarness.open<never>({ operator, hasCheckpoints: true })
  await t.rejects(harness.snapshot(1), { code: 'UNSUPPORTED', message: /sink logging .* no writerStateType/ })
})

t.test('sink - a checkpoint commits what it covers: itself and those before it that failed', async (t) => {
  const log = newLog()
  const harness = await open(log)
  for (const [value, checkpointId] of [
    ['a', 1],
    ['b', 2],
    ['c', 3],
  ] as const) {
    harness.element(value)
    await harness.snapshot(checkpointId)
  }
  await harness.checkpointCompleted(2)
  t.same(log.visible, ['a', 'b'])
  await harness.checkpointCompleted(3)
  t.same(log.visible, ['a', 'b', 'c'])
})

t.test('sink - a restored snapshot is committed before the writer goes on from its state', async (t) => {
  const log = newLog()
  const before = await open(log)
  before.element('a')
  before.element('b')
  const snapshot = await before.snapshot(1)
  before.element('lost')
  take(log)
  const after = await open(log, { restore: snapshot })
  t.same(take(log), ['committer', 'commit a+b', 'writer(2)'])
  after.element('c')
  const second = await after.snapshot(2)
  await after.checkpointCompleted(2)
  t.same(log.visible, ['a+b', 'c'])
  take(log)
  await open(log, { restore: second })
  t.same(
    take(log),
    ['committer', 'commit c', 'writer(3)'],
    'what was committed after the restore is not saved again',
  )
  t.same(log.visible, ['a+b', 'c'])
})

t.test('sink - a commit that failed is tried again with the next checkpoint', async (t) => {
  const log = newLog()
  const harness = await open(log)
  harness.element('a')
  await harness.snapshot(1)
  log.commitError = new Error('gone')
  await t.rejects(harness.checkpointCompleted(1), { message: 'gone' })
  log.commitError = null
  harness.element('b')
  await harness.snapshot(2)
  await harness.checkpointCompleted(2)
  t.same(log.visible, ['a', 'b'])
})

t.test('sink - at the end, with checkpoints, the next checkpoint commits the rest', async (t) => {
  const log = newLog()
  const harness = await open(log)
  harness.element('a')
  await harness.snapshot(1)
  harness.element('b')
  take(log)
  await harness.finish()
  t.same(take(log), ['flush last', 'prepare'])
  await harness.checkpointCompleted(1)
  t.same(log.visible, ['a'], 'the checkpoint taken before the end does not cover the rest')
  const last = await harness.snapshot(2)
  await harness.checkpointCompleted(2)
  t.same(log.visible, ['a', 'b'])
  const again = newLog()
  await open(again, { restore: last })
  t.same(again.visible, ['b'], 'which is in its snapshot')
})

t.test('sink - at the end, without checkpoints, everything is committed at once', async (t) => {
  const log = newLog()
  const harness = await open(log, { hasCheckpoints: false })
  harness.element('a')
  harness.element('b')
  await harness.finish()
  t.same(log.visible, ['a+b'])
})

t.test('sink - closes the writer, and the committer even if that fails', async (t) => {
  const log = newLog()
  const harness = await open(log)
  take(log)
  await harness.close()
  t.same(take(log), ['close writer', 'close committer'])
  const failing: Sink<string> = {
    ...(loggingSink(log) as unknown as Sink<string>),
    createWriter: () => ({ write() {}, flush() {}, close: () => Promise.reject(new Error('stuck')) }),
  }
  const stuck = await OperatorHarness.open({ operator: () => new SinkOperator(failing) })
  take(log)
  await t.rejects(stuck.close(), { message: 'stuck' })
  t.same(take(log), ['close committer'])
})

t.test('sink - a writer alone is a sink; without a committer nothing is prepared', async (t) => {
  const calls: string[] = []
  const plain: Sink<string> = {
    name: 'plain',
    createWriter: () => ({
      write: (value) => void calls.push(value),
      flush: () => void calls.push('flush'),
      prepareCommit: () => {
        calls.push('prepare')
        return []
      },
      whenReady: () => (calls.length > 2 ? Promise.resolve() : undefined),
      close: () => void calls.push('close'),
    }),
  }
  const harness = await OperatorHarness.open({ operator: () => new SinkOperator(plain) })
  harness.element('a')
  t.equal(harness.operator.whenReady(), undefined)
  await harness.snapshot(1)
  await harness.checkpointCompleted(1)
  harness.element('b')
  t.ok(harness.operator.whenReady() instanceof Promise)
  await harness.finish()
  await harness.close()
  t.same(calls, ['a', 'flush', 'b', 'flush', 'close'])
})
