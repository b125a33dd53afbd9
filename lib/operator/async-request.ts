/**
 * One record in an async operator, and the request that was made for it. Objects are used again for later records, and
 * with them the two callbacks of the promise, so that a record costs no more than the promise of the user's function;
 * save one whose request has timed out, whose promise may still settle.
 */
import type { TimerHandle } from '../base/clock.ts'
import type { AsyncContext } from '../function/async-functions.ts'
import { NO_TIMESTAMP, timestampOrUndefined } from '../time/timestamp.ts'

/** Waits for its turn, is on its way (or between two tries), has its result, has been emitted. */
export type RequestState = 'waiting' | 'running' | 'done' | 'emitted'

export interface RequestListener<I, R> {
  onResult(request: AsyncRequest<I, R>, result: R): void
  onError(request: AsyncRequest<I, R>, error: unknown): void
}

export class AsyncRequest<I, R> implements AsyncContext {
  readonly kind = 'request'
  state: RequestState = 'waiting'
  value!: I
  result!: R
  /** Of the record. */
  time = NO_TIMESTAMP
  attempt = 0
  /** Which stretch between two watermarks the record belongs to. */
  segment = 0
  /** By the monotonic clock. */
  deadlineMs = 0
  /** Until the next try. */
  pause: TimerHandle | null = null
  #isPending = false
  #isAbandoned = false
  #controller: AbortController | null = null
  readonly #onResult: (result: R) => void
  readonly #onError: (error: unknown) => void

  constructor(listener: RequestListener<I, R>) {
    this.#onResult = (result) => {
      this.#isPending = false
      if (!this.#isAbandoned) listener.onResult(this, result)
    }
    this.#onError = (error) => {
      this.#isPending = false
      if (!this.#isAbandoned) listener.onError(this, error)
    }
  }

  get signal(): AbortSignal {
    this.#controller ??= new AbortController()
    return this.#controller.signal
  }

  get timestamp(): number | undefined {
    return timestampOrUndefined(this.time)
  }

  /** Whether nothing is on its way any more that could call back. */
  get isReusable(): boolean {
    return !this.#isPending && !this.#isAbandoned
  }

  begin(value: I, time: number, segment: number): void {
    this.state = 'waiting'
    this.value = value
    this.time = time
    this.segment = segment
    this.attempt = 0
    this.#controller = null
  }

  /** Lets go of what the record held on to. */
  end(): void {
    this.state = 'emitted'
    this.value = undefined as I
    this.result = undefined as R
  }

  follow(promise: PromiseLike<R>): void {
    this.#isPending = true
    promise.then(this.#onResult, this.#onError)
  }

  /** Whatever its promise comes to, nobody hears of it. */
  abandon(reason: unknown): void {
    this.#isAbandoned = true
    this.pause?.cancel()
    this.pause = null
    this.#controller?.abort(reason)
  }
}
