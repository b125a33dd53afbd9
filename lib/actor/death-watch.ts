/**
 * Death watch over the bus, for actors of other systems: one ping per interval and watched address, however many
 * watch it. (Actors of the same system tell each other directly.)
 *
 * W1. An address that has never answered is dead as soon as nobody subscribes to it.
 * W2. One that has answered may be reconnecting when nobody subscribes to it, and a reconnect is no failure: it
 *     is asked once more after `confirmMs` and is dead if that is in vain too.
 * W3. Pings that time out are counted; `missesMax` in a row are death.
 * W4. While our own connection is down we cannot tell, and count nothing.
 * W5. An answer from another incarnation means that the actor we watched is gone.
 */
import type { Clock, TimerHandle } from '../base/clock.ts'
import { SluiceError } from '../base/errors.ts'
import type { Terminated } from './behavior.ts'

export interface DeathWatchOptions {
  /** Default 1000: also how long a ping waits for its answer. */
  readonly intervalMs?: number
  /** Default 3. */
  readonly missesMax?: number
  /** Default 500: twice what a client waits before it reconnects. */
  readonly confirmMs?: number
  /** Addresses watched at a time; one more throws BUS_OVERLOADED. Default 65 536. */
  readonly watchedMax?: number
}

/** Resolves to the incarnation that lives at `subject`. */
export type Ping = (subject: string, timeoutMs: number) => Promise<string>

type Reason = Terminated['reason']
type OnDeath = (reason: Reason) => void

interface Watched {
  /** One entry per watching actor. */
  readonly watchers: Map<object, OnDeath>
  incarnation: string | undefined
  misses: number
  isSuspect: boolean
  timer: TimerHandle | undefined
}

export class DeathWatch {
  readonly #clock: Clock
  readonly #ping: Ping
  readonly #intervalMs: number
  readonly #missesMax: number
  readonly #confirmMs: number
  readonly #watchedMax: number
  readonly #watched = new Map<string, Watched>()

  constructor(clock: Clock, ping: Ping, options: DeathWatchOptions = {}) {
    this.#clock = clock
    this.#ping = ping
    this.#intervalMs = options.intervalMs ?? 1000
    this.#missesMax = options.missesMax ?? 3
    this.#confirmMs = options.confirmMs ?? 500
    this.#watchedMax = options.watchedMax ?? 65_536
  }

  /** Calls `onDeath` once, unless `unwatch` comes first. */
  watch(subject: string, watcher: object, onDeath: OnDeath): void {
    const known = this.#watched.get(subject)
    if (known !== undefined) {
      known.watchers.set(watcher, onDeath)
      return
    }
    if (this.#watched.size >= this.#watchedMax) {
      throw new SluiceError(
        'BUS_OVERLOADED',
        `${this.#watchedMax} actors are watched, the limit; cannot watch ${subject}`,
      )
    }
    const watched: Watched = {
      watchers: new Map([[watcher, onDeath]]),
      incarnation: undefined,
      misses: 0,
      isSuspect: false,
      timer: undefined,
    }
    this.#watched.set(subject, watched)
    this.#probe(subject, watched)
  }

  unwatch(subject: string, watcher: object): void {
    const watched = this.#watched.get(subject)
    watched?.watchers.delete(watcher)
    if (watched?.watchers.size === 0) this.#forget(subject, watched)
  }

  close(): void {
    for (const [subject, watched] of this.#watched) this.#forget(subject, watched)
  }

  #probe(subject: string, watched: Watched): void {
    this.#ping(subject, this.#intervalMs).then(
      (incarnation) => this.#answered(subject, watched, incarnation),
      (error) => this.#failed(subject, watched, error instanceof SluiceError ? error.code : 'INTERNAL'),
    )
  }

  #answered(subject: string, watched: Watched, incarnation: string): void {
    if (watched.incarnation !== undefined && watched.incarnation !== incarnation) {
      this.#die(subject, watched, 'replaced')
      return
    }
    watched.incarnation = incarnation
    watched.misses = 0
    watched.isSuspect = false
    this.#probeAfter(subject, watched, this.#intervalMs)
  }

  #failed(subject: string, watched: Watched, code: string): void {
    if (code === 'NO_RESPONDERS') {
      if (watched.incarnation === undefined || watched.isSuspect) {
        this.#die(subject, watched, 'unreachable')
      } else {
        watched.isSuspect = true
        this.#probeAfter(subject, watched, this.#confirmMs)
      }
    } else if (code === 'TIMEOUT') {
      watched.misses++
      if (watched.misses >= this.#missesMax) this.#die(subject, watched, 'unreachable')
      else this.#probeAfter(subject, watched, 0)
    } else {
      this.#probeAfter(subject, watched, this.#intervalMs)
    }
  }

  #probeAfter(subject: string, watched: Watched, delayMs: number): void {
    if (this.#watched.get(subject) !== watched) return
    watched.timer = this.#clock.schedule(delayMs, () => this.#probe(subject, watched))
  }

  #die(subject: string, watched: Watched, reason: Reason): void {
    if (this.#watched.get(subject) !== watched) return
    this.#forget(subject, watched)
    for (const onDeath of watched.watchers.values()) onDeath(reason)
  }

  #forget(subject: string, watched: Watched): void {
    watched.timer?.cancel()
    this.#watched.delete(subject)
  }
}
