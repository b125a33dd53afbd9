/**
 * An actor for tests: it notes what it receives, and the test says what it expects next. Under a manual clock an
 * expectation moves time on as far as it must; under a real one it waits.
 */
import type { ActorRef, Message, MessageOf, Protocol, Reply } from '../actor/actor-ref.ts'
import type { ActorSystem } from '../actor/actor-system.ts'
import type { ActorContext, Sender, Terminated } from '../actor/behavior.ts'
import type { Clock } from '../base/clock.ts'
import { ManualClock } from './manual-clock.ts'

interface Received<P extends Protocol<P>> {
  readonly message: Message<P>
  readonly sender: Sender<Reply<P>>
}

const WITHIN_MS = 1000

export class Probe<P extends Protocol<P>> {
  readonly ref: ActorRef<P>
  readonly #clock: Clock
  readonly #unread: Received<P>[] = []
  readonly #terminated: Terminated[] = []
  /** What `watch` was asked for before the probe had started. */
  readonly #toWatch: ActorRef<unknown>[] = []
  #context: ActorContext<P> | undefined
  #sender: Sender<Reply<P>> | undefined
  #onArrival: () => void = () => {}

  constructor(system: ActorSystem, clock: Clock, subject: string) {
    this.#clock = clock
    this.ref = system.spawn<P>(subject, {
      started: (context) => {
        this.#context = context
        for (const ref of this.#toWatch) context.watch(ref)
      },
      receive: (message, sender) => {
        this.#unread.push({ message, sender })
        this.#onArrival()
      },
      signal: (signal) => {
        if (signal.kind === 'Terminated') this.#terminated.push(signal)
        this.#onArrival()
      },
    })
  }

  /** Messages that have arrived and were not expected yet. */
  get unread(): readonly Message<P>[] {
    return this.#unread.map((received) => received.message)
  }

  /** The next message, which must be of this kind. */
  async expect<K extends keyof P & string>(kind: K, withinMs = WITHIN_MS): Promise<MessageOf<P, K>> {
    await this.#until(() => this.#unread.length > 0, withinMs)
    const next = this.#unread.shift()
    const found = next === undefined ? 'nothing' : JSON.stringify(next.message)
    if (next?.message.kind !== kind)
      throw new Error(`expected "${kind}" within ${withinMs} ms, found ${found}`)
    this.#sender = next.sender
    return next.message as MessageOf<P, K>
  }

  /** Nothing unread is there, and nothing comes. */
  async expectNone(withinMs: number): Promise<void> {
    if (!(await this.#until(() => this.#unread.length > 0, withinMs))) return
    throw new Error(`expected nothing for ${withinMs} ms, found ${JSON.stringify(this.#unread[0]?.message)}`)
  }

  /** Answers the message that was expected last. */
  reply(value: Reply<P>): void {
    this.#sender?.reply(value)
  }

  fail(error: unknown): void {
    this.#sender?.fail(error)
  }

  watch(ref: ActorRef<unknown>): void {
    if (this.#context === undefined) this.#toWatch.push(ref)
    else this.#context.watch(ref)
  }

  unwatch(ref: ActorRef<unknown>): void {
    this.#context?.unwatch(ref)
  }

  /** The next death of a watched actor, which must be this one. */
  async expectTerminated(ref: ActorRef<unknown>, withinMs = WITHIN_MS): Promise<Terminated> {
    await this.#until(() => this.#terminated.length > 0, withinMs)
    const next = this.#terminated.shift()
    if (next?.ref.subject === ref.subject) return next
    const found = next === undefined ? 'nothing' : next.ref.subject
    throw new Error(`expected ${ref.subject} to terminate within ${withinMs} ms, found ${found}`)
  }

  async #until(isDone: () => boolean, withinMs: number): Promise<boolean> {
    if (this.#clock instanceof ManualClock) return this.#clock.advanceUntil(isDone, withinMs)
    const deadlineMs = this.#clock.monotonic() + withinMs
    while (!isDone()) {
      const leftMs = deadlineMs - this.#clock.monotonic()
      if (leftMs <= 0) return false
      await new Promise<void>((resolve) => {
        const timer = this.#clock.schedule(leftMs, resolve)
        this.#onArrival = () => {
          timer.cancel()
          resolve()
        }
      })
    }
    return true
  }
}
