import t from 'tap'
import { silentLogger } from '../../../lib/base/logger.ts'
import type { EnumeratorContext, Source, Split } from '../../../lib/function/source.ts'
import { decodeSplits, EnumeratorHost, type SplitDelivery } from '../../../lib/task/enumerator-host.ts'
import { ManualClock } from '../../../lib/testing/manual-clock.ts'
import { t as types } from '../../../lib/types/t.ts'

interface Part extends Split {
  readonly id: string
  readonly from: number
}

const PART = types.object({ id: types.string, from: types.int64 })
const settled = () => new Promise((resolve) => setImmediate(resolve))

/** An enumerator that does what the test says, and its host. */
function hosted(
  options: {
    restored?: Uint8Array
    restoredId?: number
    isNew?: boolean
    deliver?: () => Promise<void>
  } = {},
) {
  const { restoredId = 0 } = options
  const delivered: [number, number, Part[] | null][] = []
  const attempts: number[] = []
  const failures: unknown[] = []
  const calls: unknown[] = []
  let context!: EnumeratorContext<Part>
  const behavior = {
    start: (): void | Promise<void> => {},
    onSplitRequest: (subtaskIndex: number): void => void calls.push(['request', subtaskIndex]),
    addSplitsBack: (splits: readonly Part[], subtaskIndex: number): void =>
      void calls.push(['back', subtaskIndex, splits.map(({ id }) => id)]),
    snapshot: () => ({ next: 7 }),
    close: () => void calls.push('close'),
  }
  const source: Source<unknown, Part, { next: number }> = {
    name: 'test',
    isBounded: true,
    type: types.any,
    splitType: PART,
    enumeratorStateType: types.object({ next: types.int64 }),
    createEnumerator: (given, restored) => {
      context = given
      if (restored !== undefined) calls.push(['restored', restored])
      return behavior
    },
    createReader: () => {
      throw new Error('not here')
    },
  }
  const host = new EnumeratorHost({
    source,
    parallelism: 3,
    clock: new ManualClock(),
    log: silentLogger,
    connections: {},
    restored: options.restored,
    restoredId,
    deliver: async (
      subtaskIndex: number,
      { attempt, sequence, splits }: SplitDelivery,
      isObsolete: () => boolean,
    ) => {
      await options.deliver?.()
      if (isObsolete()) return
      attempts.push(attempt)
      delivered.push([subtaskIndex, sequence, splits === null ? null : decodeSplits(PART, splits)])
    },
    fail: (error) => failures.push(error),
  })
  if (options.isNew !== true) for (const reader of [0, 1, 2]) host.readerBegins(reader, 0, restoredId)
  return { host, context, behavior, delivered, attempts, failures, calls }
}

t.test('enumerator host - splits arrive in order, numbered for each reader', async (t) => {
  let hold: () => void = () => {}
  const held = new Promise<void>((resolve) => {
    hold = resolve
  })
  let isFirst = true
  const { context, delivered } = hosted({
    // The first delivery takes longer than the second is waiting.
    deliver: () => {
      if (!isFirst) return Promise.resolve()
      isFirst = false
      return held
    },
  })
  context.assign({ id: 'a', from: 1 }, 0)
  context.assign({ id: 'b', from: 2 }, 0)
  context.assign({ id: 'c', from: 3 }, 2)
  context.noMoreSplits(0)
  await settled()
  t.same(delivered, [[2, 0, [{ id: 'c', from: 3 }]]], 'one reader does not wait for another')
  hold()
  await settled()
  t.same(delivered.slice(1), [
    [0, 0, [{ id: 'a', from: 1 }]],
    [0, 1, [{ id: 'b', from: 2 }]],
    [0, 2, null],
  ])
})

t.test(
  'enumerator host - a snapshot is complete when everything handed out before has arrived',
  async (t) => {
    let arrive: () => void = () => {}
    const { host, context, calls } = hosted({
      deliver: () =>
        new Promise((resolve) => {
          arrive = resolve
        }),
    })
    context.assign({ id: 'a', from: 1 }, 0)
    let snapshot: Uint8Array | null = null
    void host.snapshot(1, 0).then((bytes) => {
      snapshot = bytes
    })
    await settled()
    t.equal(snapshot, null)
    arrive()
    await settled()
    t.ok(snapshot)
    const { calls: restoredCalls } = hosted({ restored: snapshot! })
    t.same(restoredCalls, [['restored', { next: 7 }]])
    t.same(calls, [])
  },
)

t.test('enumerator host - what goes wrong is reported, and stops nothing else', async (t) => {
  const { host, behavior, failures, context, delivered } = hosted({
    deliver: () => Promise.reject(new Error('gone')),
  })
  behavior.onSplitRequest = () => {
    throw new Error('no splits today')
  }
  host.onSplitRequest(1)
  t.match(failures[0], { message: 'no splits today' })
  context.assign({ id: 'a', from: 1 }, 0)
  await settled()
  t.match(failures[1], { message: 'gone' })
  t.same(delivered, [])
  behavior.start = () => Promise.reject(new Error('no such topic'))
  await t.rejects(host.start(), { message: 'no such topic' })
  context.fail(new Error('lost the connection'))
  t.match(failures[2], { message: 'lost the connection' })
})

t.test('enumerator host - a split for a reader that does not exist is refused', async (t) => {
  const { context } = hosted()
  for (const wrong of [-1, 3, 0.5, Number.NaN]) {
    t.throws(() => context.assign({ id: 'a', from: 1 }, wrong), {
      code: 'CONNECTOR_FAILED',
      message: /from 0 to 2/,
    })
    t.throws(() => context.noMoreSplits(wrong), { code: 'CONNECTOR_FAILED' })
  }
})

t.test('enumerator host - once closed it hands out nothing more', async (t) => {
  const { host, context, delivered, calls } = hosted()
  context.assign({ id: 'a', from: 1 }, 0)
  await host.close()
  await settled()
  t.same(delivered, [])
  t.same(calls, ['close'])
})

t.test('enumerator host - what is handed out before a reader is heard of waits for it', async (t) => {
  const { host, context, delivered, attempts, calls } = hosted({ isNew: true })
  context.assign({ id: 'a', from: 1 }, 1)
  context.noMoreSplits(1)
  await settled()
  t.same(delivered, [])
  t.equal(host.attemptOf(1), -1)
  host.readerBegins(1, 4, 0)
  await settled()
  t.same(delivered, [
    [1, 0, [{ id: 'a', from: 1 }]],
    [1, 1, null],
  ])
  t.same(attempts, [4, 4])
  t.equal(host.attemptOf(1), 4)
  t.same(calls, [], 'nothing is given back')
})

t.test('enumerator host - a reader that begins anew: what it was given since is given back', async (t) => {
  const { host, context, delivered, attempts, calls, failures } = hosted()
  context.assign({ id: 'a', from: 1 }, 1)
  await host.snapshot(1, 0)
  context.assign({ id: 'b', from: 1 }, 1)
  context.assign({ id: 'c', from: 1 }, 2)
  context.assign({ id: 'd', from: 1 }, 1)
  context.noMoreSplits(1)
  await settled()
  host.readerBegins(1, 1, 1)
  t.same(calls, [['back', 1, ['b', 'd']]])
  context.assign({ id: 'b', from: 1 }, 1)
  await settled()
  t.same(delivered.at(-1), [1, 0, [{ id: 'b', from: 1 }]], 'counted anew')
  t.equal(attempts.at(-1), 1)
  host.readerBegins(1, 2, 1)
  t.same(calls.slice(1), [['back', 1, ['b']]])
  host.readerBegins(2, 1, 0)
  t.same(calls.slice(2), [['back', 2, ['c']]])
  host.readerBegins(0, 1, 1)
  t.equal(calls.length, 3, 'there may be nothing to give back')
  t.same(failures, [])
})

t.test('enumerator host - what is on its way to a reader that is gone is not waited for', async (t) => {
  let arrive: () => void = () => {}
  const { host, context, delivered, failures } = hosted({
    deliver: () =>
      new Promise((resolve) => {
        arrive = resolve
      }),
  })
  context.assign({ id: 'a', from: 1 }, 1)
  await settled()
  host.readerBegins(1, 1, 0)
  t.ok(await host.snapshot(2, 0))
  arrive()
  await settled()
  t.same(delivered, [])
  t.same(failures, [])
})

t.test('enumerator host - who goes back further than is known fails the enumerator', async (t) => {
  const known = hosted({ restoredId: 5 })
  await known.host.snapshot(6, 5)
  await known.host.snapshot(7, 6)
  known.host.readerBegins(0, 1, 5)
  t.match(known.failures, [{ code: 'CONNECTOR_FAILED', message: /^reader 0 begins with checkpoint 5/ }])
  const other = hosted({ restoredId: 5, isNew: true })
  other.host.readerBegins(0, 0, 4)
  t.match(other.failures, [{ code: 'CONNECTOR_FAILED' }])
})
