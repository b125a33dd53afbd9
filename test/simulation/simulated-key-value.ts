/** The key-value store that all simulated coordinators share, as one of them sees it: slow, failing, cut off. */
import { type Clock, sleep } from '../../lib/base/clock.ts'
import { SluiceError } from '../../lib/base/errors.ts'
import type { Random } from '../../lib/base/prng.ts'
import type { KeyValue, KeyValueEntry } from '../../lib/ha/key-value.ts'
import type { SimulatedBus } from './simulated-bus.ts'

export interface KeyValueFaults {
  /** Chance that a request fails: before it takes effect, after, or so that it takes effect later. */
  readonly failureRate: number
  /** Each way. */
  readonly delayMsMax: number
}

export interface SimulatedKeyValueOptions extends KeyValueFaults {
  readonly shared: KeyValue
  readonly bus: SimulatedBus
  /** Of the process. */
  readonly clock: Clock
  /** Of everybody: a request that is on its way arrives whatever becomes of who sent it. */
  readonly sharedClock: Clock
  readonly random: Random
  readonly timeoutMs: number
  isFaulty(): boolean
}

const LATE_MS_MAX = 3000

export class SimulatedKeyValue implements KeyValue {
  readonly #options: SimulatedKeyValueOptions
  /** Until then (of the shared clock) the store cannot be reached, while everything else can. */
  cutUntilMs = 0

  constructor(options: SimulatedKeyValueOptions) {
    this.#options = options
  }

  get(key: string): Promise<KeyValueEntry | null> {
    return this.#request(() => this.#options.shared.get(key))
  }

  create(key: string, value: Uint8Array): Promise<number | null> {
    return this.#request(() => this.#options.shared.create(key, value))
  }

  update(key: string, value: Uint8Array, revision: number): Promise<number | null> {
    return this.#request(() => this.#options.shared.update(key, value, revision))
  }

  delete(key: string, revision: number): Promise<boolean> {
    return this.#request(() => this.#options.shared.delete(key, revision))
  }

  list(folder: string): Promise<readonly KeyValueEntry[]> {
    return this.#request(() => this.#options.shared.list(folder))
  }

  async #request<R>(work: () => Promise<R>): Promise<R> {
    const { random, failureRate, sharedClock, clock, delayMsMax } = this.#options
    await sleep(clock, random.nextFloat() * delayMsMax)
    if (!this.#isReachable) return await this.#fail()
    const fault = this.#options.isFaulty() && random.nextFloat() < failureRate ? random.nextInt(3) : -1
    if (fault === 0) return await this.#fail()
    if (fault === 1) {
      sharedClock.schedule(random.nextFloat() * LATE_MS_MAX, () => void work())
      return await this.#fail()
    }
    const result = await work()
    if (fault === 2) return await this.#fail()
    await sleep(clock, random.nextFloat() * delayMsMax)
    return this.#isReachable ? result : await this.#fail()
  }

  get #isReachable(): boolean {
    const { bus, sharedClock } = this.#options
    const nowMs = sharedClock.monotonic()
    return bus.isReachable && bus.stalledUntilMs <= nowMs && this.cutUntilMs <= nowMs
  }

  async #fail(): Promise<never> {
    await sleep(this.#options.clock, this.#options.timeoutMs)
    throw new SluiceError('STORAGE_FAILED', 'the store did not answer, as planned')
  }
}
