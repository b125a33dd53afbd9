/**
 * Records whose results come later: a request each, many on their way at once. Flink's AsyncWaitOperator.
 *
 * A1. Ordered: results leave in the order of their records. Unordered: as they come, but never past a watermark, on
 *     either side of it.
 * A2. At most `capacity` requests are on their way. When as many records are in line as there may be requests, no more
 *     are asked for; those that come nevertheless, at most what one step of the task brings, wait in line.
 * A3. A record is in every snapshot from its arrival until its result has left; a restored one is asked for anew.
 * A4. What comes of requests is emitted by the task (`defer`), not where the promise calls back.
 * A5. A request that fails for good or times out without a handler fails the task at once.
 */
import { SluiceError } from '../base/errors.ts'
import { formatDuration } from '../base/units.ts'
import type { AsyncContext } from '../function/async-functions.ts'
import type { RichFunction } from '../function/functions.ts'
import type { Counter } from '../metrics/metric-group.ts'
import type { OperatorListState } from '../state/operator-state.ts'
import { t } from '../types/t.ts'
import type { Type } from '../types/type.ts'
import { AsyncRequest, type RequestListener } from './async-request.ts'
import { OneInputOperator, type OperatorContext, type Output } from './stream-operator.ts'

export interface AsyncRetry<R> {
  /** Tries after the first. */
  readonly retriesMax: number
  /** `retry`: 1 for the first. */
  delayMs(retry: number): number
  isErrorRetried(error: unknown): boolean
  isResultRetried(result: R): boolean
}

export interface AsyncOperatorOptions<I, R, O> {
  readonly fn: RichFunction
  request(value: I, context: AsyncContext): R | PromiseLike<R>
  /** What a result is to those downstream. */
  emit(result: R, output: Output<O>): void
  readonly inputType: Type<I>
  readonly isOrdered: boolean
  readonly capacity: number
  /** For all tries together. */
  readonly timeoutMs: number
  /** Null: a timeout fails the task. */
  readonly onTimeout: ((value: I) => R) | null
  readonly retry: AsyncRetry<R> | null
}

/** What came between records: at most one of each, since later ones take the place of earlier ones. */
interface Passing {
  readonly kind: 'passing'
  watermark: number | null
  isIdle: boolean | null
}

interface Saved<I> {
  readonly value: I
  readonly time: number
}

export class AsyncOperator<I, R, O> extends OneInputOperator<I, O> {
  readonly #options: AsyncOperatorOptions<I, R, O>
  /** Everything that has come and not left, in order; emitted requests only until those before them are. */
  readonly #line: (AsyncRequest<I, R> | Passing)[] = []
  /** Of #line, those for whom there was no room among the requests on their way. */
  readonly #waiting: AsyncRequest<I, R>[] = []
  /** Unordered only: of #line, those that may be emitted, in the order they were done. */
  readonly #ready: AsyncRequest<I, R>[] = []
  readonly #spare: AsyncRequest<I, R>[] = []
  #saved!: OperatorListState<Saved<I>>
  /** Records in line. */
  #lineCount = 0
  #runningCount = 0
  /** Of the records that come, and of those whose results may leave. */
  #segment = 0
  #openSegment = 0
  #isDeferred = false
  #room: { readonly promise: Promise<void>; readonly resolve: () => void } | null = null
  #ending: { readonly resolve: () => void; readonly reject: (error: unknown) => void } | null = null
  #timer: { cancel(): void } | null = null
  #isClosed = false
  #retries!: Counter
  #timeouts!: Counter
  #isInStep = false
  #isStarting = false
  readonly #drainDeferred = (): void => this.#drain()
  readonly #listener: RequestListener<I, R> = {
    onResult: (request, result) => this.#onResult(request, result),
    onError: (request, error) => this.#onError(request, error),
  }

  constructor(options: AsyncOperatorOptions<I, R, O>) {
    super(options.fn)
    this.#options = options
  }

  override setup(context: OperatorContext, output: Output<O>): void {
    super.setup(context, output)
    const type = t.object({ value: this.#options.inputType as Type<unknown>, time: t.float64 })
    this.#saved = context.operatorState.listState('async/records', type as Type<Saved<I>>, 'split')
    this.#retries = context.metrics.counter('async_retries_total')
    this.#timeouts = context.metrics.counter('async_timeouts_total')
    context.metrics.gauge('async_requests_running', () => this.#runningCount)
  }

  override async open(): Promise<void> {
    await super.open()
    for (const { value, time } of this.#saved.get()) this.#enqueue(value, time)
  }

  override processElement(value: I): void {
    this.#isInStep = true
    this.#enqueue(value, this.context.time[0]!)
    this.#isInStep = false
    // A result that needed no waiting, for instance from a cache.
    if (!this.#isDeferred && this.#hasEmittable()) this.#drain()
  }

  override processWatermark(timestamp: number): boolean {
    this.currentWatermark = timestamp
    this.#pass(timestamp, null)
    return true
  }

  override processStatus(isIdle: boolean): void {
    this.#pass(null, isIdle)
  }

  override whenReady(): Promise<void> | undefined {
    // What is deferred runs next, and makes room.
    if (this.#isDeferred || this.#lineCount < this.#options.capacity) return undefined
    if (this.#room === null) {
      let resolve = () => {}
      const promise = new Promise<void>((done) => {
        resolve = done
      })
      this.#room = { promise, resolve }
    }
    return this.#room.promise
  }

  override prepareSnapshot(): void {
    const saved: Saved<I>[] = []
    for (const each of this.#line) {
      if (each.kind === 'request' && each.state !== 'emitted')
        saved.push({ value: each.value, time: each.time })
    }
    this.#saved.update(saved)
  }

  /** Waits for everything that is on its way. */
  override finish(): void | Promise<void> {
    while (this.#hasEmittable()) this.#emitNext()
    if (this.#line.length === 0) return
    return new Promise((resolve, reject) => {
      this.#ending = { resolve, reject }
    })
  }

  override close(): void | Promise<void> {
    this.#isClosed = true
    this.#timer?.cancel()
    const reason = new SluiceError('ACTOR_STOPPED', 'the task that wanted this has ended')
    for (const each of this.#line) if (each.kind === 'request') each.abandon(reason)
    return super.close()
  }

  #enqueue(value: I, time: number): void {
    const request = this.#spare.pop() ?? new AsyncRequest<I, R>(this.#listener)
    request.begin(value, time, this.#segment)
    this.#line.push(request)
    this.#lineCount++
    this.#waiting.push(request)
    this.#startWaiting()
  }

  #startWaiting(): void {
    // Results that need no waiting end up here again.
    if (this.#isStarting) return
    this.#isStarting = true
    while (this.#waiting.length > 0 && this.#runningCount < this.#options.capacity) {
      const request = this.#waiting.shift()!
      this.#runningCount++
      request.state = 'running'
      request.deadlineMs = this.context.clock.monotonic() + this.#options.timeoutMs
      if (this.#timer === null) this.#watch(request.deadlineMs)
      this.#try(request)
    }
    this.#isStarting = false
  }

  #try(request: AsyncRequest<I, R>): void {
    request.attempt++
    let result: R | PromiseLike<R>
    try {
      result = this.#options.request(request.value, request)
    } catch (error) {
      this.#onError(request, error)
      return
    }
    if (isPromise(result)) request.follow(result)
    else this.#onResult(request, result)
  }

  #onResult(request: AsyncRequest<I, R>, result: R): void {
    if (this.#isClosed) return
    const { retry } = this.#options
    try {
      if (retry !== null && request.attempt <= retry.retriesMax && retry.isResultRetried(result)) {
        this.#retry(request, retry)
      } else this.#complete(request, result)
    } catch (error) {
      this.#fail(error)
    }
  }

  #onError(request: AsyncRequest<I, R>, error: unknown): void {
    if (this.#isClosed) return
    const { retry } = this.#options
    try {
      if (retry !== null && request.attempt <= retry.retriesMax && retry.isErrorRetried(error)) {
        this.#retry(request, retry)
        return
      }
    } catch (ofUser) {
      this.#fail(ofUser)
      return
    }
    this.#fail(error)
  }

  #retry(request: AsyncRequest<I, R>, retry: AsyncRetry<R>): void {
    this.#retries.increment()
    request.pause = this.context.clock.schedule(retry.delayMs(request.attempt), () => {
      request.pause = null
      this.#try(request)
    })
  }

  #complete(request: AsyncRequest<I, R>, result: R): void {
    request.state = 'done'
    request.result = result
    this.#runningCount--
    if (!this.#options.isOrdered && request.segment === this.#openSegment) this.#ready.push(request)
    this.#startWaiting()
    if (this.#ending !== null) this.#drainAtEnd(this.#ending)
    else if (!this.#isInStep && !this.#isDeferred && this.#hasEmittable()) this.#defer()
  }

  #fail(error: unknown): void {
    this.#isClosed = true
    this.context.fail(error)
  }

  /** All deadlines are as far away when they are set, so the first in line has the first one. */
  #watch(deadlineMs: number): void {
    const { clock } = this.context
    this.#timer = clock.schedule(Math.max(0, deadlineMs - clock.monotonic()), () => {
      this.#timer = null
      this.#onDeadline(clock.monotonic())
    })
  }

  #onDeadline(nowMs: number): void {
    if (this.#isClosed) return
    const due: AsyncRequest<I, R>[] = []
    for (const each of this.#line) {
      if (each.kind !== 'request' || each.state !== 'running') continue
      if (each.deadlineMs > nowMs) {
        this.#watch(each.deadlineMs)
        break
      }
      due.push(each)
    }
    for (const request of due) this.#timeOut(request)
  }

  #timeOut(request: AsyncRequest<I, R>): void {
    const { timeoutMs, onTimeout } = this.#options
    const error = new SluiceError(
      'TIMEOUT',
      `the asynchronous function had no result within ${formatDuration(timeoutMs)}, after ${request.attempt} ${request.attempt === 1 ? 'attempt' : 'attempts'}: raise timeout, or say by onTimeout what the result is then`,
    )
    this.#timeouts.increment()
    request.abandon(error)
    try {
      if (onTimeout === null) throw error
      this.#complete(request, onTimeout(request.value))
    } catch (thrown) {
      this.#fail(thrown)
    }
  }

  /** A watermark or status keeps its place among the records. */
  #pass(watermark: number | null, isIdle: boolean | null): void {
    this.#dropEmitted()
    const last = this.#line.at(-1)
    if (last === undefined) this.#emitPassing({ kind: 'passing', watermark, isIdle })
    else if (last.kind === 'passing') {
      last.watermark = watermark ?? last.watermark
      last.isIdle = isIdle ?? last.isIdle
    } else {
      this.#line.push({ kind: 'passing', watermark, isIdle })
      this.#segment++
    }
  }

  #hasEmittable(): boolean {
    if (this.#ready.length > 0) return true
    this.#dropEmitted()
    const first = this.#line[0]
    return first !== undefined && (first.kind === 'passing' || first.state === 'done')
  }

  #defer(): void {
    this.#isDeferred = true
    this.context.defer(this.#drainDeferred)
    this.#room?.resolve()
    this.#room = null
  }

  #drain(): void {
    this.#isDeferred = false
    this.#isInStep = true
    while (this.#hasEmittable()) {
      if (this.context.shouldPause()) {
        this.#defer()
        break
      }
      this.#emitNext()
    }
    this.#isInStep = false
  }

  #drainAtEnd({ resolve, reject }: { resolve: () => void; reject: (error: unknown) => void }): void {
    try {
      while (this.#hasEmittable()) this.#emitNext()
    } catch (error) {
      reject(error)
    }
    if (this.#line.length === 0) resolve()
  }

  #emitNext(): void {
    const ready = this.#ready.shift() ?? this.#line[0]!
    if (ready.kind === 'request') {
      this.#emitResult(ready)
      return
    }
    this.#line.shift()
    this.#openSegment++
    this.#emitPassing(ready)
    if (!this.#options.isOrdered) this.#openNextSegment()
  }

  #emitResult(request: AsyncRequest<I, R>): void {
    const { time, result } = request
    request.end()
    this.#lineCount--
    const cell = this.context.time
    const before = cell[0]!
    cell[0] = time
    this.#options.emit(result, this.output)
    cell[0] = before
  }

  /** Downstream, an idle input is heard again only from its status on. */
  #emitPassing({ watermark, isIdle }: Passing): void {
    if (isIdle === false) this.output.emitStatus(false)
    if (watermark !== null) this.output.emitWatermark(watermark)
    if (isIdle === true) this.output.emitStatus(true)
  }

  #openNextSegment(): void {
    for (const each of this.#line) {
      if (each.kind === 'passing') return
      if (each.state === 'done') this.#ready.push(each)
    }
  }

  #dropEmitted(): void {
    for (;;) {
      const first = this.#line[0]
      if (first?.kind !== 'request' || first.state !== 'emitted') return
      this.#line.shift()
      if (first.isReusable && this.#spare.length < this.#options.capacity) this.#spare.push(first)
    }
  }
}

function isPromise<R>(value: R | PromiseLike<R>): value is PromiseLike<R> {
  return typeof (value as PromiseLike<R> | null | undefined)?.then === 'function'
}
