/**
 * The actors of one thread, and the door between them and the bus. An actor listens on `<subject>.*`; the last
 * token is the kind of the message. Everything goes over the bus, also between two actors of one system, so that
 * where an actor lives changes nothing: not the order, not the copying, not what can be lost.
 *
 * tell is at most once. ask is at most once with an answer, an error, or a timeout; it fails at once when the
 * address has no subscriber (NO_RESPONDERS), the mailbox is full or the actor has stopped.
 */
import { assert } from '../base/assert.ts'
import type { Clock } from '../base/clock.ts'
import { fromErrorRecord, SluiceError, toErrorRecord } from '../base/errors.ts'
import { newId } from '../base/ids.ts'
import type { Logger } from '../base/logger.ts'
import type { Random } from '../base/prng.ts'
import type { Bus, BusMessage, Subscription } from '../bus/bus.ts'
import { verbOf } from '../bus/subjects.ts'
import { ActorCell, type CellHost } from './actor-cell.ts'
import type { ActorRef, AnyProtocol, AskKind, MessageOf, Protocol, ReplyOf } from './actor-ref.ts'
import type { BehaviorSource, Sender, SpawnOptions, Terminated } from './behavior.ts'
import { type DeadLetter, DeadLetters } from './dead-letters.ts'
import { DeathWatch, type DeathWatchOptions } from './death-watch.ts'
import type { AnyMessage, Envelope } from './mailbox.ts'
import {
  decodeFields,
  decodeReply,
  encodeFields,
  encodeReply,
  type ReplyRecord,
  wireFormatOf,
} from './wire.ts'

export interface ActorSystemOptions {
  readonly bus: Bus
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  readonly deathWatch?: DeathWatchOptions
  /** Larger messages are malformed. Default: what the bus carries. */
  readonly payloadBytesMax?: number
  /** Where dead letters are published, as JSON; without it they are only counted. */
  readonly deadLetterSubject?: (letter: DeadLetter) => string
  /** Told when an actor without a parent escalates. It is logged in any case. */
  readonly onRootFailure?: (ref: ActorRef<unknown>, error: SluiceError) => void
}

/** Kinds that start with `_` are the system's own. */
const PING = '_ping'

export class ActorSystem {
  readonly deadLetters: DeadLetters
  readonly #options: ActorSystemOptions
  readonly #cells = new Map<string, ActorCell>()
  readonly #subscriptions = new Map<ActorCell, Subscription[]>()
  /** Actors of this system that are watched from within it: watched subject -> watching cells. */
  readonly #watchers = new Map<string, Set<ActorCell>>()
  readonly #deathWatch: DeathWatch
  readonly #host: CellHost
  #repliesIgnored = 0
  #isClosed = false

  constructor(options: ActorSystemOptions) {
    this.#options = options
    this.deadLetters = new DeadLetters((letter) => this.#publishDeadLetter(letter))
    const ping = (subject: string, timeoutMs: number) => this.#ping(subject, timeoutMs)
    this.#deathWatch = new DeathWatch(options.clock, ping, options.deathWatch)
    this.#host = this.#createHost()
  }

  /** Starts an actor. ID_TAKEN when one lives on this address in this system. `started` runs in a later turn. */
  spawn<P extends Protocol<P>>(
    subject: string,
    behavior: BehaviorSource<P>,
    options?: SpawnOptions,
  ): ActorRef<P> {
    this.#spawn(undefined, subject, behavior as unknown as BehaviorSource<AnyProtocol>, options)
    return { subject }
  }

  /** Stops an actor of this system and its children; an unknown one is stopped already. */
  stop(ref: ActorRef<unknown>): void {
    this.#cells.get(ref.subject)?.requestStop()
  }

  /** An address as a reference. That `P` is spoken there is the caller's word. */
  ref<P extends Protocol<P>>(subject: string): ActorRef<P> {
    return { subject }
  }

  /** Whether an actor lives on this address in this system. */
  isRunning(ref: ActorRef<unknown>): boolean {
    return this.#cells.has(ref.subject)
  }

  tell<P extends Protocol<P>, K extends keyof P & string>(ref: ActorRef<P>, message: MessageOf<P, K>): void {
    this.#options.bus.publish(`${ref.subject}.${message.kind}`, encodeFields(message))
  }

  /** Rejects with what the actor failed with, NO_RESPONDERS, TIMEOUT, MAILBOX_FULL or ACTOR_STOPPED, or as the bus. */
  ask<P extends Protocol<P>, K extends AskKind<P>>(
    ref: ActorRef<P>,
    message: MessageOf<P, K>,
    timeoutMs: number,
  ): Promise<ReplyOf<P, K>> {
    return this.#ask(ref.subject, message, timeoutMs) as Promise<ReplyOf<P, K>>
  }

  /** Answers nobody waited for: to a tell, or a second one. */
  get repliesIgnored(): number {
    return this.#repliesIgnored
  }

  /** Stops all actors, children first, and waits until their last words have left. The bus stays open. */
  async close(): Promise<void> {
    this.#isClosed = true
    for (const cell of [...this.#cells.values()].reverse()) if (cell.parent === undefined) cell.requestStop()
    this.#deathWatch.close()
    await this.#options.bus.flush().catch(() => {})
  }

  #spawn(
    parent: ActorCell | undefined,
    subject: string,
    source: BehaviorSource<AnyProtocol>,
    options: SpawnOptions = {},
  ): void {
    if (this.#isClosed)
      throw new SluiceError('ACTOR_STOPPED', `cannot start ${subject}: the actor system is closed`)
    if (this.#cells.has(subject)) {
      throw new SluiceError('ID_TAKEN', `an actor lives on ${subject} already; stop it first`)
    }
    const isRestarted = options.supervision?.kind === 'restart'
    assert(
      !isRestarted || typeof source === 'function',
      `a function that makes the behaviour of ${subject} anew`,
    )
    const addresses = [subject, ...(options.aliases ?? [])]
    const onMessage = (message: BusMessage) => this.#receive(cell, message)
    const subscriptions = addresses.map((address) => this.#options.bus.subscribe(`${address}.*`, onMessage))
    const identity = { subject, incarnation: newId(this.#options.random) }
    const cell = new ActorCell(this.#host, parent, identity, source, options)
    this.#cells.set(subject, cell)
    this.#subscriptions.set(cell, subscriptions)
  }

  #receive(cell: ActorCell, message: BusMessage): void {
    const kind = verbOf(message.subject)
    const sender = new BusSender(message, this.#options.logger, () => this.#repliesIgnored++)
    if (kind === PING) {
      sender.reply(cell.incarnation)
      return
    }
    let fields: object
    try {
      this.#checkSize(message)
      fields = decodeFields(message.payload)
    } catch (error) {
      this.#addDeadLetter('malformed', message.subject, error instanceof Error ? error.message : '')
      sender.fail(error)
      return
    }
    cell.deliver({ message: { ...fields, kind }, sender })
  }

  #checkSize({ payload }: BusMessage): void {
    const max = this.#options.payloadBytesMax ?? this.#options.bus.payloadBytesMax
    if (payload.length > max) {
      throw new SluiceError(
        'PAYLOAD_TOO_LARGE',
        `expected a message of at most ${max} bytes, found ${payload.length}`,
      )
    }
  }

  async #ask(subject: string, message: AnyMessage, timeoutMs: number): Promise<unknown> {
    const answer = await this.#options.bus.request(
      `${subject}.${message.kind}`,
      encodeFields(message),
      timeoutMs,
    )
    const reply = decodeReply(answer.payload)
    if ('error' in reply) throw fromErrorRecord(reply.error)
    return reply.value
  }

  async #ping(subject: string, timeoutMs: number): Promise<string> {
    return String(await this.#ask(subject, { kind: PING }, timeoutMs))
  }

  #createHost(): CellHost {
    const { clock, random, logger, onRootFailure } = this.#options
    return {
      clock,
      random,
      logger,
      running: undefined,
      tell: (ref, message) => this.tell<AnyProtocol, string>({ subject: ref.subject }, message),
      ask: (ref, message, timeoutMs) => this.#ask(ref.subject, message, timeoutMs),
      spawnChild: (parent, subject, source, options) => this.#spawn(parent, subject, source, options),
      stopRef: (ref) => this.stop(ref),
      watch: (watcher, ref) => this.#watch(watcher, ref),
      unwatch: (watcher, ref) => this.#unwatch(watcher, ref),
      deadLetter: (reason, cell, envelope) => this.#addDeadLetter(reason, subjectOf(cell, envelope), ''),
      released: (cell, reason) => this.#release(cell, reason),
      rootFailed: (cell, error) => {
        logger.error('actor failure reached the root', { actor: cell.self.subject, error })
        onRootFailure?.(cell.self, error)
      },
    }
  }

  #watch(watcher: ActorCell, ref: ActorRef<unknown>): void {
    const { subject } = ref
    if (watcher.watching.has(subject)) return
    watcher.watching.add(subject)
    if (this.#cells.has(subject)) {
      const watchers = this.#watchers.get(subject) ?? new Set()
      this.#watchers.set(subject, watchers.add(watcher))
    } else {
      this.#deathWatch.watch(subject, watcher, (reason) => tellTerminated(watcher, subject, reason))
    }
  }

  #unwatch(watcher: ActorCell, { subject }: ActorRef<unknown>): void {
    watcher.watching.delete(subject)
    this.#watchers.get(subject)?.delete(watcher)
    this.#deathWatch.unwatch(subject, watcher)
  }

  #release(cell: ActorCell, reason: Terminated['reason']): void {
    const { subject } = cell.self
    this.#cells.delete(subject)
    for (const subscription of this.#subscriptions.get(cell) ?? []) subscription.unsubscribe()
    this.#subscriptions.delete(cell)
    const watchers = this.#watchers.get(subject)
    this.#watchers.delete(subject)
    for (const watcher of watchers ?? []) tellTerminated(watcher, subject, reason)
  }

  #addDeadLetter(reason: DeadLetter['reason'], subject: string, detail: string): void {
    this.deadLetters.add({ reason, subject, detail, atMs: this.#options.clock.now() })
  }

  #publishDeadLetter(letter: DeadLetter): void {
    this.#options.logger.debug('dead letter', { ...letter })
    const subject = this.#options.deadLetterSubject?.(letter)
    if (subject !== undefined)
      this.#options.bus.publish(subject, new TextEncoder().encode(JSON.stringify(letter)))
  }
}

function tellTerminated(watcher: ActorCell, subject: string, reason: Terminated['reason']): void {
  watcher.deliverSignal({ kind: 'Terminated', ref: { subject }, reason })
}

function subjectOf(cell: ActorCell, envelope: Envelope): string {
  return `${cell.self.subject}.${envelope.message.kind}`
}

/** Answers over the bus in the format of the question, once. */
/** What is kept of a message whose error is too large for the bus: fits in any payload a server may be limited to. */
const BARE_MESSAGE_CHARACTERS = 250

class BusSender implements Sender {
  readonly #message: BusMessage
  readonly #logger: Logger
  readonly #onIgnored: () => void
  #isDone = false

  constructor(message: BusMessage, logger: Logger, onIgnored: () => void) {
    this.#message = message
    this.#logger = logger
    this.#onIgnored = onIgnored
  }

  get isAsk(): boolean {
    return this.#message.replyTo !== undefined
  }

  reply(value: unknown): void {
    if (!this.isAsk || this.#isDone) {
      this.#onIgnored()
      return
    }
    this.#isDone = true
    try {
      this.#send({ value })
    } catch (error) {
      this.#logger.error('reply could not be sent', { subject: this.#message.subject, error })
      this.#sendError(error)
    }
  }

  /** Unlike a reply, an error for somebody who has an answer, or wants none, is not worth counting. */
  fail(error: unknown): void {
    if (!this.isAsk || this.#isDone) return
    this.#isDone = true
    this.#sendError(error)
  }

  /** An error has to arrive: one the bus does not carry goes without its stack, causes and details. */
  #sendError(thrown: unknown): void {
    const error = toErrorRecord(thrown)
    try {
      this.#send({ error })
    } catch {
      this.#send({ error: { code: error.code, message: error.message.slice(0, BARE_MESSAGE_CHARACTERS) } })
    }
  }

  #send(reply: ReplyRecord): void {
    this.#message.respond(encodeReply(reply, wireFormatOf(this.#message.payload)))
  }
}
