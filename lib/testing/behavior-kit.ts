/**
 * Runs one behaviour without a system or a bus: a message or a signal in, a list of effects out. Synchronous but
 * for piped promises. For what needs two actors, or time that passes, take a system with a manual clock.
 *
 *     const kit = new BehaviorKit<Counter>(counter())
 *     kit.run({ kind: 'get' })
 *     kit.effects() // [{ effect: 'replied', value: { total: 0 } }]
 */
import type { ActorRef, AskKind, Message, MessageOf, Protocol, Reply, ReplyOf } from '../actor/actor-ref.ts'
import type {
  ActorContext,
  Behavior,
  BehaviorSource,
  Sender,
  Signal,
  SpawnOptions,
  Timers,
} from '../actor/behavior.ts'
import { asError, SluiceError } from '../base/errors.ts'
import type { LogFields, Logger } from '../base/logger.ts'
import { type Random, SeededRandom } from '../base/prng.ts'
import { ManualClock } from './manual-clock.ts'

export type Effect =
  | { readonly effect: 'spawned'; readonly subject: string; readonly options: SpawnOptions | undefined }
  | { readonly effect: 'stopped'; readonly subject: string }
  | { readonly effect: 'watched'; readonly subject: string }
  | { readonly effect: 'unwatched'; readonly subject: string }
  | { readonly effect: 'told'; readonly subject: string; readonly message: object }
  | Asked
  | {
      readonly effect: 'scheduled'
      readonly key: string
      readonly delayMs: number
      readonly message: object
      readonly isRepeating: boolean
    }
  | { readonly effect: 'cancelled'; readonly key: string }
  | { readonly effect: 'replied'; readonly value: unknown }
  | { readonly effect: 'refused'; readonly error: unknown }
  | { readonly effect: 'piped' }
  | { readonly effect: 'stashed'; readonly message: object }
  | { readonly effect: 'unstashed' }
  | { readonly effect: 'became' }
  | { readonly effect: 'unhandled'; readonly message: object }
  | { readonly effect: 'logged'; readonly level: string; readonly event: string; readonly fields: LogFields }

/** The test plays the other side: answer, then `await kit.settle()`. */
export interface Asked {
  readonly effect: 'asked'
  readonly subject: string
  readonly message: object
  readonly timeoutMs: number
  readonly answer: (value: unknown) => void
  readonly refuse: (error: SluiceError) => void
}

export interface BehaviorKitOptions {
  readonly subject?: string
  readonly clock?: ManualClock
  readonly random?: Random
}

export class BehaviorKit<P extends Protocol<P>> {
  readonly clock: ManualClock
  readonly #context: RecordingContext<P>

  /** Starts the behaviour at once; the effects of that are the first. */
  constructor(source: BehaviorSource<P>, options: BehaviorKitOptions = {}) {
    this.clock = options.clock ?? new ManualClock()
    const random = options.random ?? new SeededRandom(1)
    this.#context = new RecordingContext<P>(source, options.subject ?? 'test.actor', this.clock, random)
    this.#context.behavior.started?.(this.#context)
  }

  /** Hands one message over, as an ask. What the behaviour throws comes out. */
  run(message: Message<P>): void {
    this.#context.receive(message)
  }

  signal(signal: Signal): void {
    this.#context.behavior.signal?.(signal, this.#context)
  }

  /** What the behaviour has done since this was last called. */
  effects(): Effect[] {
    return this.#context.effects.splice(0)
  }

  /** As `effects`, but only those of one sort. */
  effectsOf<E extends Effect['effect']>(effect: E): Extract<Effect, { effect: E }>[] {
    return this.effects().filter((one): one is Extract<Effect, { effect: E }> => one.effect === effect)
  }

  /** Lets promises settle; what was piped is received. */
  settle(): Promise<void> {
    return this.clock.settle()
  }
}

class RecordingContext<P extends Protocol<P>> implements ActorContext<P> {
  readonly self: ActorRef<P>
  readonly log: Logger
  readonly clock: ManualClock
  readonly random: Random
  readonly timers: Timers<P>
  readonly effects: Effect[] = []
  behavior: Behavior<P>
  readonly #activeTimers = new Set<string>()
  #current: Message<P> | undefined
  #stash: Message<P>[] = []

  constructor(source: BehaviorSource<P>, subject: string, clock: ManualClock, random: Random) {
    this.self = { subject }
    this.clock = clock
    this.random = random
    this.log = this.#logger({})
    this.timers = this.#timers()
    this.behavior = typeof source === 'function' ? source() : source
  }

  receive(message: Message<P>): void {
    const outer = this.#current
    this.#current = message
    try {
      this.behavior.receive(message, this.#sender(), this)
    } finally {
      this.#current = outer
    }
  }

  spawn<C extends Protocol<C>>(
    subject: string,
    _behavior: BehaviorSource<C>,
    options?: SpawnOptions,
  ): ActorRef<C> {
    this.effects.push({ effect: 'spawned', subject, options })
    return { subject }
  }

  stop({ subject }: ActorRef<unknown>): void {
    this.effects.push({ effect: 'stopped', subject })
  }

  watch({ subject }: ActorRef<unknown>): void {
    this.effects.push({ effect: 'watched', subject })
  }

  unwatch({ subject }: ActorRef<unknown>): void {
    this.effects.push({ effect: 'unwatched', subject })
  }

  tell<T extends Protocol<T>, K extends keyof T & string>(ref: ActorRef<T>, message: MessageOf<T, K>): void {
    this.effects.push({ effect: 'told', subject: ref.subject, message })
  }

  ask<T extends Protocol<T>, K extends AskKind<T>>(
    { subject }: ActorRef<T>,
    message: MessageOf<T, K>,
    timeoutMs: number,
  ): Promise<ReplyOf<T, K>> {
    return new Promise((resolve, reject) => {
      const answer = (value: unknown) => resolve(value as ReplyOf<T, K>)
      this.effects.push({ effect: 'asked', subject, message, timeoutMs, answer, refuse: reject })
    })
  }

  pipeToSelf<V>(
    promise: Promise<V>,
    onOk: (value: V) => Message<P>,
    onError: (error: SluiceError) => Message<P>,
  ): void {
    this.effects.push({ effect: 'piped' })
    promise.then(
      (value) => this.receive(onOk(value)),
      (error) => this.receive(onError(error instanceof SluiceError ? error : wrapped(error))),
    )
  }

  stash(): void {
    if (this.#current === undefined) return
    this.#stash.push(this.#current)
    this.effects.push({ effect: 'stashed', message: this.#current })
  }

  /** Unlike a mailbox, hands the stash over at once: there is nothing else to come first. */
  unstashAll(): void {
    this.effects.push({ effect: 'unstashed' })
    for (const message of this.#stash.splice(0)) this.receive(message)
  }

  become(behavior: Behavior<P>): void {
    this.behavior = behavior
    this.effects.push({ effect: 'became' })
  }

  unhandled(): void {
    this.effects.push({ effect: 'unhandled', message: this.#current ?? {} })
  }

  #sender(): Sender<Reply<P>> {
    return {
      isAsk: true,
      reply: (value) => this.effects.push({ effect: 'replied', value }),
      fail: (error) => this.effects.push({ effect: 'refused', error }),
    }
  }

  #timers(): Timers<P> {
    const schedule = (key: string, delayMs: number, message: Message<P>, isRepeating: boolean) => {
      this.#activeTimers.add(key)
      this.effects.push({ effect: 'scheduled', key, delayMs, message, isRepeating })
    }
    return {
      start: (key, delayMs, message) => schedule(key, delayMs, message, false),
      every: (key, intervalMs, message) => schedule(key, intervalMs, message, true),
      cancel: (key) => {
        this.#activeTimers.delete(key)
        this.effects.push({ effect: 'cancelled', key })
      },
      isActive: (key) => this.#activeTimers.has(key),
    }
  }

  #logger(fields: LogFields): Logger {
    const write =
      (level: string) =>
      (event: string, more: LogFields = {}) => {
        this.effects.push({ effect: 'logged', level, event, fields: { ...fields, ...more } })
      }
    return {
      debug: write('debug'),
      info: write('info'),
      warn: write('warn'),
      error: write('error'),
      child: (more) => this.#logger({ ...fields, ...more }),
    }
  }
}

function wrapped(thrown: unknown): SluiceError {
  return new SluiceError('INTERNAL', asError(thrown).message, { cause: thrown })
}
