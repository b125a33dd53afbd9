import fc from 'fast-check'
import t from 'tap'
import type { AsyncContext } from '../../../lib/function/async-functions.ts'
import { AsyncOperator, type AsyncOperatorOptions } from '../../../lib/operator/async-operator.ts'
import { type HarnessSnapshot, OperatorHarness } from '../../../lib/testing/operator-harness.ts'
import { MAX_TIMESTAMP } from '../../../lib/time/timestamp.ts'
import { t as types } from '../../../lib/types/t.ts'
import { runs } from '../types/schema-arbitrary.ts'
import { brief, stamped } from './brief.ts'

type Options = AsyncOperatorOptions<number, string, string>

/** The outside world: requests wait until they are answered by hand. */
class Outside {
  readonly open: {
    value: number
    context: AsyncContext
    resolve(result: string): void
    reject(error: Error): void
  }[] = []
  mostOpen = 0

  readonly request = (value: number, context: AsyncContext): Promise<string> =>
    new Promise((resolve, reject) => {
      this.open.push({ value, context, resolve, reject })
      this.mostOpen = Math.max(this.mostOpen, this.open.length)
    })

  /** Answers the oldest open request for a value. */
  async answer(value: number, result = `r${value}`): Promise<void> {
    this.#take(value).resolve(result)
    await settled()
  }

  async refuse(value: number, message = `no ${value}`): Promise<void> {
    this.#take(value).reject(new Error(message))
    await settled()
  }

  #take(value: number) {
    const index = this.open.findIndex((each) => each.value === value)
    if (index < 0) throw new Error(`nobody asks for ${value}`)
    return this.open.splice(index, 1)[0]!
  }
}

const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

function open(outside: Outside, more: Partial<Options> = {}, restore?: HarnessSnapshot) {
  return OperatorHarness.open<string>({
    operator: () =>
      new AsyncOperator<number, string, string>({
        fn: {},
        request: outside.request,
        emit: (result, output) => output.collect(result),
        inputType: types.int32,
        isOrdered: true,
        capacity: 10,
        timeoutMs: 1000,
        onTimeout: null,
        retry: null,
        ...more,
      }),
    ...(restore === undefined ? {} : { restore }),
  })
}

t.test('async - ordered: results wait for those before them', async (t) => {
  const outside = new Outside()
  const harness = await open(outside)
  for (const n of [1, 2, 3]) harness.element(n, n * 10)
  harness.watermark(15)
  harness.element(4)
  await outside.answer(3)
  await outside.answer(2)
  t.same(harness.takeOutput(), [])
  await outside.answer(1)
  t.same(stamped(harness.takeOutput()), ['r1@10', 'r2@20', 'r3@30', 15])
  await outside.answer(4)
  t.match(harness.takeOutput(), [{ value: 'r4', timestamp: undefined }])
  await harness.close()
})

t.test('async - unordered: as they come, but never past a watermark', async (t) => {
  const outside = new Outside()
  const harness = await open(outside, { isOrdered: false })
  harness.element(1, 10)
  harness.element(2, 20)
  harness.watermark(15)
  harness.element(3, 30)
  harness.status(true)
  harness.element(4, 40)
  await outside.answer(2)
  await outside.answer(4)
  await outside.answer(3)
  t.same(stamped(harness.takeOutput()), ['r2@20'])
  await outside.answer(1)
  t.same(stamped(harness.takeOutput()), ['r1@10', 15, 'r3@30', 'idle', 'r4@40'])
  await harness.close()
})

t.test('async - nothing in line: watermarks and statuses pass at once', async (t) => {
  const harness = await open(new Outside())
  harness.watermark(5)
  harness.status(true)
  harness.status(false)
  t.same(brief(harness.takeOutput()), [5, 'idle', 'active'])
  await harness.close()
})

t.test(
  'async - behind a record that waits, watermarks become one; the line does not grow by them',
  async (t) => {
    const outside = new Outside()
    const harness = await open(outside)
    harness.element(1, 1)
    for (let timestamp = 2; timestamp < 100; timestamp++) harness.watermark(timestamp)
    harness.status(true)
    harness.status(false)
    harness.watermark(100)
    await outside.answer(1)
    t.same(brief(harness.takeOutput()), ['r1', 'active', 100])
    await harness.close()
  },
)

t.test('async - a result that is there at once needs no promise', async (t) => {
  const outside = new Outside()
  const request = (n: number, context: AsyncContext) =>
    n % 2 === 0 ? `now ${n}` : outside.request(n, context)
  const harness = await open(outside, { request })
  harness.element(2, 20)
  t.same(stamped(harness.takeOutput()), ['now 2@20'])
  harness.element(1, 10)
  harness.element(4, 40)
  t.same(harness.takeOutput(), [])
  await outside.answer(1)
  t.same(stamped(harness.takeOutput()), ['r1@10', 'now 4@40'])
  await harness.close()
})

t.test('async - many results at once do not overflow the stack', async (t) => {
  const outside = new Outside()
  const request = (n: number, context: AsyncContext) => (n === 0 ? outside.request(n, context) : `now ${n}`)
  const harness = await open(outside, { request, capacity: 1 })
  for (let n = 0; n < 20_000; n++) harness.element(n, n)
  await outside.answer(0)
  t.equal(harness.takeOutput().length, 20_000)
  await harness.close()
})

t.test('async - no more than capacity requests at a time, and it says when it is full', async (t) => {
  const outside = new Outside()
  const harness = await open(outside, { capacity: 3 })
  for (const n of [1, 2]) harness.element(n)
  t.equal(harness.operator.whenReady(), undefined)
  for (const n of [3, 4, 5]) harness.element(n)
  t.equal(outside.open.length, 3)
  t.equal(harness.metrics.read().async_requests_running, 3)
  let isReady = false
  void harness.operator.whenReady()!.then(() => {
    isReady = true
  })
  await outside.answer(2)
  t.equal(isReady, false, 'a result in the middle makes no room')
  t.equal(outside.open.length, 3, 'but lets the next request begin')
  await outside.answer(1)
  t.equal(isReady, true)
  t.equal(outside.mostOpen, 3)
  await harness.close()
})

t.test('async - a timeout fails, unless there is something to say instead', async (t) => {
  const outside = new Outside()
  const harness = await open(outside, { timeoutMs: 100 })
  harness.element(1)
  harness.processingTime(99)
  t.throws(() => harness.processingTime(100), {
    code: 'TIMEOUT',
    message: /no result within 100ms, after 1 attempt/,
  })
  await harness.close()

  const mild = await open(outside, { timeoutMs: 100, onTimeout: (n) => `late ${n}` })
  mild.element(2, 2)
  mild.processingTime(60)
  mild.element(3, 3)
  mild.processingTime(100)
  t.same(stamped(mild.takeOutput()), ['late 2@2'])
  const [, second] = outside.open
  t.equal(
    second!.context.signal.aborted,
    false,
    'whoever asks for the signal afterwards finds the request gone',
  )
  await outside.answer(2)
  mild.processingTime(159)
  t.same(mild.takeOutput(), [], 'an answer after the timeout is nobody’s')
  const { signal } = outside.open.at(-1)!.context
  mild.processingTime(160)
  t.same(stamped(mild.takeOutput()), ['late 3@3'])
  t.equal(signal.aborted, true)
  t.equal(mild.metrics.read().async_timeouts_total, 2)
  mild.element(4, 4)
  await outside.answer(4)
  t.same(stamped(mild.takeOutput()), ['r4@4'])
  await mild.close()
})

t.test('async - what the function rejects with fails the task', async (t) => {
  const failures: unknown[] = []
  const outside = new Outside()
  const harness = await open(outside)
  ;(harness.operator as unknown as { context: { fail(error: unknown): void } }).context.fail = (error) =>
    failures.push(error)
  harness.element(1)
  await outside.refuse(1, 'broken')
  t.match(failures, [{ message: 'broken' }])
  await harness.close()
})

const retry = {
  retriesMax: 2,
  delayMs: (n: number) => n * 10,
  isErrorRetried: (error: unknown) => (error as Error).message !== 'fatal',
  isResultRetried: (result: string) => result === 'again',
}

t.test('async - retries after errors and after results, with pauses between', async (t) => {
  const outside = new Outside()
  const harness = await open(outside, { retry })
  harness.element(1, 1)
  t.equal(outside.open[0]!.context.attempt, 1)
  await outside.refuse(1)
  t.equal(outside.open.length, 0)
  harness.processingTime(9)
  t.equal(outside.open.length, 0)
  harness.processingTime(10)
  t.equal(outside.open[0]!.context.attempt, 2)
  await outside.answer(1, 'again')
  harness.processingTime(29)
  t.equal(outside.open.length, 0)
  harness.processingTime(30)
  t.equal(outside.open[0]!.context.attempt, 3)
  await outside.answer(1, 'again')
  t.same(stamped(harness.takeOutput()), ['again@1'], 'the last result is taken as it is')
  t.equal(harness.metrics.read().async_retries_total, 2)
  await harness.close()
})

t.test('async - retries end: with the error, with one not worth it, and with the timeout', async (t) => {
  const failures: string[] = []
  const failing = async (outside: Outside, more: Partial<Options>) => {
    const harness = await open(outside, more)
    ;(harness.operator as unknown as { context: { fail(error: Error): void } }).context.fail = (error) =>
      failures.push(error.message)
    harness.element(1)
    return harness
  }
  const outside = new Outside()
  const exhausted = await failing(outside, { retry: { ...retry, retriesMax: 1 } })
  await outside.refuse(1, 'first')
  exhausted.processingTime(10)
  await outside.refuse(1, 'second')
  t.same(failures.splice(0), ['second'])
  await failing(outside, { retry })
  await outside.refuse(1, 'fatal')
  t.same(failures.splice(0), ['fatal'])
  const slow = await failing(outside, { retry: { ...retry, delayMs: () => 600 } })
  await outside.refuse(1)
  slow.processingTime(600)
  await outside.refuse(1)
  slow.processingTime(999)
  t.same(failures, [])
  slow.processingTime(1000)
  t.match(failures.splice(0), [/within 1s, after 2 attempts/])
  slow.processingTime(5000)
  t.equal(outside.open.length, 0, 'nothing is tried any more')
})

t.test('async - finish waits for what is on its way; close aborts it', async (t) => {
  const outside = new Outside()
  const harness = await open(outside)
  harness.element(1, 1)
  harness.element(2, 2)
  harness.watermark(MAX_TIMESTAMP)
  let isFinished = false
  const finished = harness.finish().then(() => {
    isFinished = true
  })
  await outside.answer(2)
  t.equal(isFinished, false)
  await outside.answer(1)
  await finished
  t.same(stamped(harness.takeOutput()), ['r1@1', 'r2@2', MAX_TIMESTAMP])
  harness.element(3)
  const { signal } = outside.open[0]!.context
  await harness.close()
  t.equal(signal.aborted, true)
  await outside.answer(3)
  t.same(harness.takeOutput(), [])
})

t.test('async - what a burst of results would hold up goes first', async (t) => {
  const outside = new Outside()
  let isPausing = true
  const harness = await OperatorHarness.open<string>({
    operator: () =>
      new AsyncOperator<number, string, string>({
        fn: {},
        request: outside.request,
        emit: (result, output) => output.collect(result),
        inputType: types.int32,
        isOrdered: true,
        capacity: 10,
        timeoutMs: 1000,
        onTimeout: null,
        retry: null,
      }),
    shouldPause: () => isPausing,
  })
  const deferred: (() => void)[] = []
  ;(harness.operator as unknown as { context: { defer(callback: () => void): void } }).context.defer = (
    callback,
  ) => deferred.push(callback)
  harness.element(1)
  await outside.answer(1)
  t.equal(harness.operator.whenReady(), undefined)
  deferred.shift()!()
  t.same(harness.takeOutput(), [])
  t.equal(deferred.length, 1, 'it asks to go on')
  isPausing = false
  deferred.shift()!()
  t.same(brief(harness.takeOutput()), ['r1'])
  await harness.close()
})

const draws = fc.array(
  fc
    .constantFrom('record', 'record', 'record', 'answer', 'answer', 'watermark', 'restore')
    .chain((kind) => fc.record({ kind: fc.constant(kind), pick: fc.nat(20) })),
  { maxLength: 60, size: 'max' },
)

for (const isOrdered of [true, false]) {
  t.test(
    `async - ${isOrdered ? 'ordered' : 'unordered'}: each result once, on its side of every watermark`,
    async (t) => {
      const property = fc.asyncProperty(draws, fc.integer({ min: 1, max: 5 }), async (events, capacity) => {
        let outside = new Outside()
        let harness = await open(outside, { isOrdered, capacity })
        const log: unknown[] = []
        let count = 0
        let isWithinCapacity = true
        for (const { kind, pick } of [...events, ...Array(200).fill({ kind: 'answer', pick: 0 })]) {
          if (kind === 'record') harness.element(count, count++)
          else if (kind === 'watermark') harness.watermark(count - 0.5)
          else if (kind === 'answer' && outside.open.length > 0) {
            await outside.answer(outside.open[pick % outside.open.length]!.value)
          } else if (kind === 'restore') {
            const snapshot = await harness.snapshot()
            await harness.close()
            outside = new Outside()
            harness = await open(outside, { isOrdered, capacity }, snapshot)
          }
          isWithinCapacity &&= outside.mostOpen <= capacity
          log.push(...brief(harness.takeOutput()))
        }
        await harness.close()
        const values = log.flatMap((each) => (typeof each === 'string' ? [Number(each.slice(1))] : []))
        const isEachOnce = [...values].sort((a, b) => a - b).join() === [...Array(count).keys()].join()
        const isInOrder = !isOrdered || values.join() === [...values].sort((a, b) => a - b).join()
        return isWithinCapacity && isEachOnce && isInOrder && isApart(log)
      })
      await t.resolves(fc.assert(property, runs(150)))
    },
  )
}

/** Watermark n - 0.5 came between records n - 1 and n. */
function isApart(log: readonly unknown[]): boolean {
  return log.every((each, i) => {
    if (typeof each !== 'number') return true
    const isBefore = (other: unknown) => typeof other !== 'string' || Number(other.slice(1)) < each
    return (
      log.slice(0, i).every(isBefore) &&
      log.slice(i).every((other) => typeof other !== 'string' || !isBefore(other))
    )
  })
}
