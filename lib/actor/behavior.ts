/**
 * What an actor is made of, for those who write actors. Messages are what others send; signals are what the
 * system sends, and come first. Everything here is synchronous: asynchronous work comes back as a message
 * through `pipeToSelf`. An actor sees one message at a time, in order of arrival, and nobody else sees its
 * fields.
 */
import type { Clock } from '../base/clock.ts'
import type { ErrorRecord, SluiceError } from '../base/errors.ts'
import type { Logger } from '../base/logger.ts'
import type { Random } from '../base/prng.ts'
import type { ActorRef, AskKind, Message, MessageOf, Protocol, Reply, ReplyOf } from './actor-ref.ts'
import type { Supervision } from './supervision.ts'

export interface Behavior<P extends Protocol<P>> {
  /** Before the first message, and again for each behaviour a restart makes. */
  started?(context: ActorContext<P>): void
  receive(message: Message<P>, sender: Sender<Reply<P>>, context: ActorContext<P>): void
  signal?(signal: Signal, context: ActorContext<P>): void
}

/** Restarting needs a new behaviour each time, hence functions; a bare behaviour is for actors that never restart. */
export type BehaviorSource<P extends Protocol<P>> = Behavior<P> | (() => Behavior<P>)

export type Signal =
  | Terminated
  | ChildFailed
  | { readonly kind: 'PreRestart'; readonly error: SluiceError }
  | { readonly kind: 'PostStop' }

/** A watched actor is gone. Comes once per watch. */
export interface Terminated {
  readonly kind: 'Terminated'
  readonly ref: ActorRef<unknown>
  /** `unreachable`: it stopped answering. `replaced`: another actor answers on its address now. */
  readonly reason: 'stopped' | 'failed' | 'unreachable' | 'replaced'
}

/** A child threw and was stopped. */
export interface ChildFailed {
  readonly kind: 'ChildFailed'
  readonly ref: ActorRef<unknown>
  readonly error: SluiceError
}

/** Whoever sent a message. Answering a tell, or twice, is counted and otherwise ignored. */
export interface Sender<R = unknown> {
  readonly isAsk: boolean
  reply(value: R): void
  /** The ask rejects with this error, as {@link ErrorRecord} on the way. */
  fail(error: unknown): void
}

export interface SpawnOptions {
  /** Messages that may wait. One more is refused: MAILBOX_FULL, or a dead letter. Default 1024. */
  readonly mailboxMax?: number
  /** Default: stop. */
  readonly supervision?: Supervision
  /** Further addresses the actor listens on, such as the one of all subtasks of an operator. */
  readonly aliases?: readonly string[]
}

export interface ActorContext<P extends Protocol<P>> {
  readonly self: ActorRef<P>
  readonly log: Logger
  readonly clock: Clock
  readonly random: Random
  readonly timers: Timers<P>
  /** Starts a child: it stops when this actor stops or restarts. ID_TAKEN if the address is in use here. */
  spawn<C extends Protocol<C>>(
    subject: string,
    behavior: BehaviorSource<C>,
    options?: SpawnOptions,
  ): ActorRef<C>
  /** Stops a child, or this actor after the current message. */
  stop(ref: ActorRef<unknown>): void
  /** Asks for {@link Terminated}; also when the actor is gone already. Watching twice is watching once. */
  watch(ref: ActorRef<unknown>): void
  unwatch(ref: ActorRef<unknown>): void
  tell<T extends Protocol<T>, K extends keyof T & string>(ref: ActorRef<T>, message: MessageOf<T, K>): void
  ask<T extends Protocol<T>, K extends AskKind<T>>(
    ref: ActorRef<T>,
    message: MessageOf<T, K>,
    timeoutMs: number,
  ): Promise<ReplyOf<T, K>>
  /** The outcome as a message to this actor, unless it has stopped or restarted by then. */
  pipeToSelf<V>(
    promise: Promise<V>,
    onOk: (value: V) => Message<P>,
    onError: (error: SluiceError) => Message<P>,
  ): void
  /** Sets the current message aside, sender and all. At the bound (the mailbox's) it is refused like a full mailbox. */
  stash(): void
  /** What was set aside comes next, in order, before what waits in the mailbox. */
  unstashAll(): void
  /** From the next message on another behaviour; `started` is not called, timers and children stay. */
  become(behavior: Behavior<P>): void
  /** Declares the current message not understood: a dead letter, and an ask fails with UNSUPPORTED. */
  unhandled(): void
}

/** Timers by key: starting a key again replaces it, and what the old one sent is not received any more. */
export interface Timers<P extends Protocol<P>> {
  start(key: string, delayMs: number, message: Message<P>): void
  /** Repeats until cancelled. Skips a turn while its last message still waits. */
  every(key: string, intervalMs: number, message: Message<P>): void
  cancel(key: string): void
  isActive(key: string): boolean
}

/** One function per kind, with message and reply typed for that kind. */
export type Handlers<P extends Protocol<P>> = {
  readonly [K in keyof P & string]: (
    message: MessageOf<P, K>,
    sender: Sender<ReplyOf<P, K>>,
    context: ActorContext<P>,
  ) => void
}

/** The usual way to write a behaviour: handlers by kind. Other kinds are unhandled. */
export function handling<P extends Protocol<P>>(
  handlers: Handlers<P>,
  hooks: Pick<Behavior<P>, 'started' | 'signal'> = {},
): Behavior<P> {
  const byKind = new Map<string, unknown>(Object.entries(handlers))
  return {
    ...hooks,
    receive(message, sender, context) {
      const handler = byKind.get(message.kind) as
        | ((message: Message<P>, sender: Sender<Reply<P>>, context: ActorContext<P>) => void)
        | undefined
      if (handler === undefined) context.unhandled()
      else handler(message, sender, context)
    },
  }
}
