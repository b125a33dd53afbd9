/**
 * A key-value store that misbehaves as a distant server does, but by a seed: requests and answers are delayed, some
 * for very long, get lost, and requests arrive twice. A lost one is an error after a while, as a client that gives
 * up would report it; what was sent may still take effect later.
 */
import { type Clock, sleep } from '../base/clock.ts'
import { SluiceError } from '../base/errors.ts'
import type { Random } from '../base/prng.ts'
import type {
  KeyValueEntry,
  KeyValueListener,
  KeyValueStore,
  KeyValueSubscription,
} from '../ha/key-value-store.ts'

export interface KeyValueFaults {
  readonly clock: Clock
  readonly random: Random
  /** Chance in [0, 1] of each: that a request gets lost, that its answer does, that it arrives twice. Default 0. */
  readonly lossRate?: number
  readonly duplicateRate?: number
  /** Either way takes up to this long; now and then ten times as long. Default 10 ms. */
  readonly delayMsMax?: number
  /** When the client gives up. Default 1 s. */
  readonly timeoutMs?: number
}

/** One way in this many takes ten times as long as the bound. */
const STRAGGLER_ONE_IN = 20

export class FaultyKeyValueStore implements KeyValueStore {
  readonly #inner: KeyValueStore
  readonly #faults: Required<KeyValueFaults>
  /** Faults can be switched off, to see whether things calm down. */
  isFaulty = true

  constructor(inner: KeyValueStore, faults: KeyValueFaults) {
    this.#inner = inner
    this.#faults = { lossRate: 0, duplicateRate: 0, delayMsMax: 10, timeoutMs: 1000, ...faults }
  }

  get(key: string): Promise<KeyValueEntry | undefined> {
    return this.#request(() => this.#inner.get(key))
  }

  create(key: string, value: Uint8Array): Promise<number | undefined> {
    return this.#request(() => this.#inner.create(key, value))
  }

  update(key: string, value: Uint8Array, revision: number): Promise<number | undefined> {
    return this.#request(() => this.#inner.update(key, value, revision))
  }

  delete(key: string, revision?: number): Promise<boolean> {
    return this.#request(() => this.#inner.delete(key, revision))
  }

  keys(prefix: string): Promise<string[]> {
    return this.#request(() => this.#inner.keys(prefix))
  }

  watch(prefix: string, onChange: KeyValueListener): KeyValueSubscription {
    return this.#inner.watch(prefix, async (key, entry) => {
      await this.#way()
      onChange(key, entry)
    })
  }

  close(): Promise<void> {
    return this.#inner.close()
  }

  /** The first answer to arrive of one or two deliveries, or the end of the client's patience. */
  #request<T>(call: () => Promise<T>): Promise<T> {
    const { clock, timeoutMs, duplicateRate } = this.#faults
    return new Promise((resolve, reject) => {
      const timer = clock.schedule(timeoutMs, () =>
        reject(new SluiceError('STORAGE_FAILED', `no answer within ${timeoutMs} ms, as the test ordered`)),
      )
      const deliver = async () => {
        if (this.#isHit(this.#faults.lossRate)) return
        await this.#way()
        const answer = await call()
        if (this.#isHit(this.#faults.lossRate)) return
        await this.#way()
        timer.cancel()
        resolve(answer)
      }
      const failed = (error: unknown) => {
        timer.cancel()
        reject(error)
      }
      deliver().catch(failed)
      if (this.#isHit(duplicateRate)) deliver().catch(failed)
    })
  }

  #way(): Promise<void> {
    const { clock, random, delayMsMax } = this.#faults
    const factor = this.isFaulty && random.nextInt(STRAGGLER_ONE_IN) === 0 ? 10 : 1
    return sleep(clock, random.nextFloat() * delayMsMax * factor)
  }

  #isHit(rate: number): boolean {
    return this.isFaulty && rate > 0 && this.#faults.random.nextFloat() < rate
  }
}
