/**
 * The timers of one actor, by key. A message that a timer has put into the mailbox still belongs to it: cancelling
 * or restarting the timer revokes it (Pekko's TimerScheduler gives the same guarantee), and a repeating timer
 * whose last message still waits does not add another, so a slow actor is not buried.
 */
import type { Clock, TimerHandle } from '../base/clock.ts'
import type { AnyProtocol } from './actor-ref.ts'
import type { Timers } from './behavior.ts'
import type { AnyMessage } from './mailbox.ts'

interface Timer {
  readonly message: AnyMessage
  readonly intervalMs: number | undefined
  handle: TimerHandle
  isWaiting: boolean
}

export class ActorTimers implements Timers<AnyProtocol> {
  readonly #clock: Clock
  readonly #send: (message: AnyMessage, claim: () => boolean) => void
  readonly #timers = new Map<string, Timer>()

  /** `send` puts a message into the actor's mailbox, to be received only if `claim` then says so. */
  constructor(clock: Clock, send: (message: AnyMessage, claim: () => boolean) => void) {
    this.#clock = clock
    this.#send = send
  }

  start(key: string, delayMs: number, message: AnyMessage): void {
    this.#start(key, delayMs, undefined, message)
  }

  every(key: string, intervalMs: number, message: AnyMessage): void {
    this.#start(key, intervalMs, intervalMs, message)
  }

  cancel(key: string): void {
    this.#timers.get(key)?.handle.cancel()
    this.#timers.delete(key)
  }

  isActive(key: string): boolean {
    return this.#timers.has(key)
  }

  cancelAll(): void {
    for (const key of [...this.#timers.keys()]) this.cancel(key)
  }

  #start(key: string, delayMs: number, intervalMs: number | undefined, message: AnyMessage): void {
    this.cancel(key)
    const handle = this.#clock.schedule(delayMs, () => this.#fire(key, timer))
    const timer: Timer = { message, intervalMs, handle, isWaiting: false }
    this.#timers.set(key, timer)
  }

  #fire(key: string, timer: Timer): void {
    if (timer.intervalMs !== undefined) {
      timer.handle = this.#clock.schedule(timer.intervalMs, () => this.#fire(key, timer))
    }
    if (timer.isWaiting) return
    timer.isWaiting = true
    this.#send(timer.message, () => this.#claim(key, timer))
  }

  #claim(key: string, timer: Timer): boolean {
    if (this.#timers.get(key) !== timer) return false
    timer.isWaiting = false
    if (timer.intervalMs === undefined) this.#timers.delete(key)
    return true
  }
}
