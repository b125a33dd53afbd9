/**
 * Tries again what failed for a reason that may pass: bounded in attempts and in total time, waiting longer each
 * time, by a random part so that the subtasks of a job do not all come back at once. An attempt that does not
 * answer is given up with the total time; one that was given up may still take effect later, which is harmless
 * for checkpoints, whose paths are written once.
 *
 * R1  An error that a retry cannot mend, and the caller's own abort, come through at once.
 * R2  When `putIfAbsent` is refused after an attempt whose outcome is unknown, that attempt may have been the
 *     first; the blob is read back, and our own content there means `true`.
 */
import type { Clock } from '../base/clock.ts'
import { asError, SluiceError } from '../base/errors.ts'
import type { Logger } from '../base/logger.ts'
import type { Random } from '../base/prng.ts'
import { joinParts, partsOf } from './blob-content.ts'
import type { BlobContent, BlobEntry, BlobStore, BlobStoreStats, PutOptions } from './blob-store.ts'

export interface RetryOptions {
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  /** Attempts per call, the first included. Default 6. */
  readonly attemptsMax?: number
  /** Wait after the first failure, doubled after each further one. Default 100 ms. */
  readonly backoffMs?: number
  /** Bound of a single wait. Default 5 s. */
  readonly backoffMsMax?: number
  /** Bound of a whole call. Default 5 minutes. */
  readonly totalMsMax?: number
}

interface Call<T> {
  readonly what: string
  readonly path: string
  /** The caller's. */
  readonly signal?: AbortSignal | undefined
  /** One try. `isRetry`: an earlier one may have taken effect. */
  attempt(signal: AbortSignal, isRetry: boolean): Promise<T>
}

export class RetryingBlobStore implements BlobStore {
  readonly #inner: BlobStore
  readonly #options: Required<RetryOptions>
  #retries = 0
  readonly getRange?: (path: string, offset: number, length: number) => Promise<Uint8Array>

  constructor(inner: BlobStore, options: RetryOptions) {
    this.#inner = inner
    this.#options = { attemptsMax: 6, backoffMs: 100, backoffMsMax: 5000, totalMsMax: 300_000, ...options }
    const getRange = inner.getRange?.bind(inner)
    if (getRange === undefined) return
    this.getRange = (path, offset, length) =>
      this.#retry({ what: 'get', path, attempt: () => getRange(path, offset, length) })
  }

  get uri(): string {
    return this.#inner.uri
  }

  get stats(): Readonly<BlobStoreStats> {
    return this.#inner.stats
  }

  /** Attempts after the first, over all calls so far. */
  get retries(): number {
    return this.#retries
  }

  put(path: string, content: BlobContent, { signal }: PutOptions = {}): Promise<void> {
    return this.#retry({
      what: 'put',
      path,
      signal,
      attempt: (signal) => this.#inner.put(path, content, { signal }),
    })
  }

  putIfAbsent(path: string, content: BlobContent, { signal }: PutOptions = {}): Promise<boolean> {
    return this.#retry({
      what: 'put',
      path,
      signal,
      attempt: async (signal, isRetry) => {
        if (await this.#inner.putIfAbsent(path, content, { signal })) return true
        return isRetry && this.#holds(path, content)
      },
    })
  }

  get(path: string): Promise<Uint8Array> {
    return this.#retry({ what: 'get', path, attempt: () => this.#inner.get(path) })
  }

  list(prefix: string): Promise<readonly BlobEntry[]> {
    return this.#retry({ what: 'list', path: prefix, attempt: () => this.#inner.list(prefix) })
  }

  delete(path: string): Promise<void> {
    return this.#retry({ what: 'delete', path, attempt: () => this.#inner.delete(path) })
  }

  /** Not retried: it is asked for by somebody who wants to know now. */
  check(): Promise<void> {
    return this.#inner.check()
  }

  close(): Promise<void> {
    return this.#inner.close()
  }

  async #holds(path: string, content: BlobContent): Promise<boolean> {
    try {
      return Buffer.compare(await this.#inner.get(path), joinParts(partsOf(content))) === 0
    } catch (error) {
      if (error instanceof SluiceError && error.code === 'BLOB_NOT_FOUND') return false
      throw error
    }
  }

  async #retry<T>(call: Call<T>): Promise<T> {
    const { what, path, signal } = call
    const { clock, logger, attemptsMax, totalMsMax } = this.#options
    const endMs = clock.monotonic() + totalMsMax
    for (let attempt = 1; ; attempt++) {
      signal?.throwIfAborted()
      try {
        return await this.#within(endMs - clock.monotonic(), call, attempt > 1)
      } catch (thrown) {
        const error = asError(thrown)
        const waitMs = this.#waitMs(attempt)
        const isOver = attempt >= attemptsMax || clock.monotonic() + waitMs >= endMs
        if (signal?.aborted || isOver || !(error instanceof SluiceError && error.retryable)) throw thrown
        logger.warn('storage failed, trying again', { what, path, uri: this.uri, attempt, waitMs, error })
        this.#retries++
        await pause(clock, waitMs, signal)
      }
    }
  }

  /** From half of the wait that is due to all of it. */
  #waitMs(attempt: number): number {
    const { backoffMs, backoffMsMax, random } = this.#options
    return Math.min(backoffMsMax, backoffMs * 2 ** (attempt - 1)) * (0.5 + random.nextFloat() / 2)
  }

  /** One attempt, given up when the time is over or the caller says so. */
  #within<T>(leftMs: number, call: Call<T>, isRetry: boolean): Promise<T> {
    return new Promise((resolve, reject) => {
      const controller = new AbortController()
      const release = () => {
        timer.cancel()
        call.signal?.removeEventListener('abort', onAbort)
      }
      const giveUp = (reason: unknown) => {
        release()
        controller.abort(reason)
        reject(reason)
      }
      const onAbort = () => giveUp(call.signal?.reason)
      const timer = this.#options.clock.schedule(leftMs, () => giveUp(this.#tooLate(call)))
      call.signal?.addEventListener('abort', onAbort, { once: true })
      call.attempt(controller.signal, isRetry).finally(release).then(resolve, reject)
    })
  }

  #tooLate({ what, path }: Call<unknown>): SluiceError {
    const { totalMsMax } = this.#options
    return new SluiceError(
      'STORAGE_FAILED',
      `cannot ${what} "${path}": ${this.uri} has not answered within ${totalMsMax} ms`,
      { details: { path, uri: this.uri } },
    )
  }
}

/** Rejects with the signal's reason when that comes first. */
function pause(clock: Clock, delayMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const onAbort = () => {
      timer.cancel()
      reject(signal?.reason)
    }
    const timer = clock.schedule(delayMs, () => {
      signal?.removeEventListener('abort', onAbort)
      resolve()
    })
    signal?.addEventListener('abort', onAbort, { once: true })
  })
}
