/**
 * A blob store that misbehaves as real ones do, but by a seed: calls are slow, fail before they take effect, or
 * take effect and report a failure (the acknowledgement was lost). The simulator puts it under checkpoints.
 */
import { type Clock, sleep } from '../base/clock.ts'
import { SluiceError } from '../base/errors.ts'
import type { Random } from '../base/prng.ts'
import type { BlobContent, BlobEntry, BlobStore, BlobStoreStats, PutOptions } from '../storage/blob-store.ts'

export interface BlobFaults {
  readonly clock: Clock
  readonly random: Random
  /** Chance in [0, 1] that a call fails and does nothing. Default 0. */
  readonly failureRate?: number
  /** Chance that a put or delete is done and fails all the same. Default 0. */
  readonly lostAckRate?: number
  /** A call takes up to this long. Default 0: no clock is involved. */
  readonly delayMsMax?: number
  /** Whether anything goes wrong just now. Default: always. */
  readonly isActive?: () => boolean
}

export class FaultyBlobStore implements BlobStore {
  readonly #inner: BlobStore
  readonly #faults: Required<BlobFaults>

  constructor(inner: BlobStore, faults: BlobFaults) {
    this.#inner = inner
    this.#faults = { failureRate: 0, lostAckRate: 0, delayMsMax: 0, isActive: () => true, ...faults }
  }

  get uri(): string {
    return this.#inner.uri
  }

  get stats(): Readonly<BlobStoreStats> {
    return this.#inner.stats
  }

  put(path: string, content: BlobContent, options?: PutOptions): Promise<void> {
    return this.#write(`put "${path}"`, () => this.#inner.put(path, content, options))
  }

  putIfAbsent(path: string, content: BlobContent, options?: PutOptions): Promise<boolean> {
    return this.#write(`put "${path}"`, () => this.#inner.putIfAbsent(path, content, options))
  }

  get(path: string): Promise<Uint8Array> {
    return this.#call(`get "${path}"`, () => this.#inner.get(path))
  }

  list(prefix: string): Promise<readonly BlobEntry[]> {
    return this.#call(`list "${prefix}"`, () => this.#inner.list(prefix))
  }

  delete(path: string): Promise<void> {
    return this.#write(`delete "${path}"`, () => this.#inner.delete(path))
  }

  check(): Promise<void> {
    return this.#inner.check()
  }

  close(): Promise<void> {
    return this.#inner.close()
  }

  async #write<T>(what: string, call: () => Promise<T>): Promise<T> {
    const result = await this.#call(what, call)
    if (this.#isHit(this.#faults.lostAckRate)) throw failure(what, 'the acknowledgement is lost')
    return result
  }

  async #call<T>(what: string, call: () => Promise<T>): Promise<T> {
    const { clock, random, failureRate, delayMsMax } = this.#faults
    if (delayMsMax > 0) await sleep(clock, random.nextFloat() * delayMsMax)
    if (this.#isHit(failureRate)) throw failure(what, 'it fails')
    return call()
  }

  #isHit(rate: number): boolean {
    return rate > 0 && this.#faults.isActive() && this.#faults.random.nextFloat() < rate
  }
}

function failure(what: string, fault: string): SluiceError {
  return new SluiceError('STORAGE_FAILED', `cannot ${what}: ${fault}, as the test ordered`)
}
