/**
 * One actor: its mailbox, its behaviour, its children and what it watches. The system creates cells and feeds
 * them; behaviours see a cell as their ActorContext.
 *
 * A1. Behaviour code of one cell never runs inside other code of the same cell; while a cell runs, no other
 *     cell does, but for the PostStop and PreRestart of children it stops.
 * A2. A message that finds the actor idle is processed in the turn that delivers it; after `batchMax` messages
 *     the actor yields to the event loop (`clock.defer`), so a flood starves nobody. When its mailbox fills
 *     meanwhile it makes room by going on, in the turn of whoever delivers: a message is refused only when
 *     the actor cannot process any, that is while it backs off.
 * A3. Children stop before their parent, and before their parent restarts.
 * A4. A restart keeps address, incarnation and mailbox (what was stashed goes back to its head, the message
 *     that failed does not) and drops timers, children, watches and pending pipes.
 */
import { present, unreachable } from '../base/assert.ts'
import type { Clock, TimerHandle } from '../base/clock.ts'
import { fromErrorRecord, SluiceError, toErrorRecord } from '../base/errors.ts'
import type { Logger } from '../base/logger.ts'
import type { Random } from '../base/prng.ts'
import type { ActorRef, AnyProtocol, AskKind, MessageOf, Protocol, ReplyOf } from './actor-ref.ts'
import { ActorTimers } from './actor-timers.ts'
import type {
  ActorContext,
  Behavior,
  BehaviorSource,
  Sender,
  Signal,
  SpawnOptions,
  Terminated,
} from './behavior.ts'
import type { DeadLetterReason } from './dead-letters.ts'
import { type AnyMessage, type Envelope, Mailbox, type SystemMail } from './mailbox.ts'
import { RestartBudget } from './supervision.ts'

/** What a cell needs of its system. */
export interface CellHost {
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  /** The cell whose behaviour runs now. */
  running: ActorCell | undefined
  tell(ref: ActorRef<unknown>, message: AnyMessage): void
  ask(ref: ActorRef<unknown>, message: AnyMessage, timeoutMs: number): Promise<unknown>
  spawnChild(
    parent: ActorCell,
    subject: string,
    behavior: BehaviorSource<AnyProtocol>,
    options?: SpawnOptions,
  ): void
  stopRef(ref: ActorRef<unknown>): void
  watch(watcher: ActorCell, ref: ActorRef<unknown>): void
  unwatch(watcher: ActorCell, ref: ActorRef<unknown>): void
  deadLetter(reason: DeadLetterReason, cell: ActorCell, envelope: Envelope): void
  /** After the last behaviour code of the cell: unsubscribe, forget, tell watchers. */
  released(cell: ActorCell, reason: 'stopped' | 'failed'): void
  /** An actor without a parent escalated. */
  rootFailed(cell: ActorCell, error: SluiceError): void
}

const MAILBOX_MAX = 1024
/** Messages an actor processes before it yields. */
const BATCH_MAX = 32
/** Promises piped to one actor at a time; one more throws MAILBOX_FULL into it. */
const PIPES_MAX = 1024

const NOBODY: Sender = { isAsk: false, reply: () => {}, fail: () => {} }

type State = 'starting' | 'running' | 'backing-off' | 'stopped'

export class ActorCell implements ActorContext<AnyProtocol> {
  readonly self: ActorRef<AnyProtocol>
  readonly log: Logger
  readonly timers: ActorTimers
  /** Tells two actors apart that follow one another on one address. */
  readonly incarnation: string
  readonly parent: ActorCell | undefined
  readonly children = new Set<ActorCell>()
  /** Addresses this actor watches. */
  readonly watching = new Set<string>()
  readonly #host: CellHost
  readonly #source: BehaviorSource<AnyProtocol>
  readonly #options: SpawnOptions
  readonly #budget: RestartBudget | undefined
  readonly #mailbox: Mailbox
  #behavior: Behavior<AnyProtocol> | undefined
  #state: State = 'starting'
  #current: Envelope | undefined
  #stash: Envelope[] = []
  /** Counts restarts: a promise piped before one is not delivered after it. */
  #generation = 0
  #pipes = 0
  #processedThisTurn = 0
  #isScheduled = false
  #isStopRequested = false
  #backOff: TimerHandle | undefined

  constructor(
    host: CellHost,
    parent: ActorCell | undefined,
    identity: { readonly subject: string; readonly incarnation: string },
    source: BehaviorSource<AnyProtocol>,
    options: SpawnOptions,
  ) {
    this.#host = host
    this.parent = parent
    this.self = { subject: identity.subject }
    this.incarnation = identity.incarnation
    this.#source = source
    this.#options = options
    this.log = host.logger.child({ actor: identity.subject })
    this.timers = new ActorTimers(host.clock, (message, claim) =>
      this.#sendSelf({ message, sender: NOBODY, claim }),
    )
    this.#mailbox = new Mailbox(options.mailboxMax ?? MAILBOX_MAX)
    const { supervision } = options
    this.#budget = supervision?.kind === 'restart' ? new RestartBudget(supervision) : undefined
    parent?.children.add(this)
    this.#schedule()
  }

  // What the system calls.

  /** A message from outside. */
  deliver(envelope: Envelope): void {
    while (this.#mailbox.isFull && this.#canProcess && this.#step()) this.#processedThisTurn++
    if (this.#state === 'stopped') this.#refuseStopped(envelope)
    else if (this.#mailbox.offer(envelope)) this.#wake()
    else this.#refuseFull(envelope)
  }

  deliverSignal(mail: SystemMail): void {
    if (this.#state === 'stopped') return
    this.#mailbox.offerSignal(mail)
    this.#schedule()
  }

  /** Stops now, or as soon as its own running behaviour, or a descendant's, has returned. */
  requestStop(): void {
    for (let cell = this.#host.running; cell !== undefined; cell = cell.parent) {
      if (cell !== this) continue
      this.#isStopRequested = true
      if (this.#host.running !== this) this.deliverSignal({ kind: 'Stop' })
      return
    }
    this.#terminate('stopped')
  }

  /** Messages that wait, for those who watch load. */
  get mailboxSize(): number {
    return this.#mailbox.size
  }

  // What behaviours call.

  get clock(): Clock {
    return this.#host.clock
  }

  get random(): Random {
    return this.#host.random
  }

  spawn<C extends Protocol<C>>(
    subject: string,
    behavior: BehaviorSource<C>,
    options?: SpawnOptions,
  ): ActorRef<C> {
    this.#host.spawnChild(this, subject, behavior as unknown as BehaviorSource<AnyProtocol>, options)
    return { subject }
  }

  stop(ref: ActorRef<unknown>): void {
    this.#host.stopRef(ref)
  }

  watch(ref: ActorRef<unknown>): void {
    this.#host.watch(this, ref)
  }

  unwatch(ref: ActorRef<unknown>): void {
    this.#host.unwatch(this, ref)
  }

  tell<T extends Protocol<T>, K extends keyof T & string>(ref: ActorRef<T>, message: MessageOf<T, K>): void {
    this.#host.tell(ref, message)
  }

  ask<T extends Protocol<T>, K extends AskKind<T>>(
    ref: ActorRef<T>,
    message: MessageOf<T, K>,
    timeoutMs: number,
  ): Promise<ReplyOf<T, K>> {
    return this.#host.ask(ref, message, timeoutMs) as Promise<ReplyOf<T, K>>
  }

  pipeToSelf<V>(
    promise: Promise<V>,
    onOk: (value: V) => AnyMessage,
    onError: (error: SluiceError) => AnyMessage,
  ): void {
    if (this.#pipes >= PIPES_MAX) {
      throw new SluiceError(
        'MAILBOX_FULL',
        `${PIPES_MAX} promises are piped to ${this.self.subject}, the limit`,
      )
    }
    this.#pipes++
    const generation = this.#generation
    const settle = (toMessage: () => AnyMessage) => {
      this.#pipes--
      if (this.#state === 'stopped' || this.#generation !== generation) return
      try {
        this.#sendSelf({ message: toMessage(), sender: NOBODY })
      } catch (error) {
        this.deliverSignal({ kind: 'Fail', error })
      }
    }
    promise.then(
      (value) => settle(() => onOk(value)),
      (error) => settle(() => onError(asSluiceError(error))),
    )
  }

  stash(): void {
    const current = present(this.#current, 'a message being received')
    const { message, sender } = current
    if (this.#stash.length >= (this.#options.mailboxMax ?? MAILBOX_MAX)) this.#refuseFull(current)
    else this.#stash.push({ message, sender }) // without its claim: a timer's message has been claimed by now
  }

  unstashAll(): void {
    this.#mailbox.prepend(this.#stash)
    this.#stash = []
  }

  become(behavior: Behavior<AnyProtocol>): void {
    this.#behavior = behavior
  }

  unhandled(): void {
    const current = present(this.#current, 'a message being received')
    this.#host.deadLetter('unhandled', this, current)
    const what = `${this.self.subject} does not understand ${JSON.stringify(current.message.kind)}`
    current.sender.fail(new SluiceError('UNSUPPORTED', what))
  }

  // Turns.

  #sendSelf(envelope: Envelope): void {
    if (this.#state === 'stopped') return
    this.#mailbox.offerOwn(envelope)
    this.#wake()
  }

  /** Processes at once if that is allowed by A1 and A2, else as soon as it is. */
  #wake(): void {
    if (this.#isScheduled) return
    if (this.#canProcess && this.#processedThisTurn < BATCH_MAX) this.#process()
    else this.#schedule()
  }

  get #canProcess(): boolean {
    return this.#host.running === undefined && this.#state !== 'backing-off'
  }

  #schedule(): void {
    if (this.#isScheduled) return
    this.#isScheduled = true
    this.#host.clock.defer(() => {
      this.#isScheduled = false
      this.#processedThisTurn = 0
      this.#process()
    })
  }

  #process(): void {
    while (this.#step()) {
      if (++this.#processedThisTurn >= BATCH_MAX && !this.#mailbox.isEmpty) {
        this.#schedule()
        return
      }
    }
  }

  /** One start, signal or message; false when there is nothing to do. */
  #step(): boolean {
    if (this.#state === 'stopped' || this.#state === 'backing-off') return false
    if (this.#state === 'starting') {
      this.#run(undefined, () => this.#start())
      return true
    }
    const mail = this.#mailbox.takeSignal()
    if (mail !== undefined) {
      this.#run(undefined, () => this.#obey(mail))
      return true
    }
    const envelope = this.#mailbox.take()
    if (envelope === undefined) return false
    if (envelope.claim === undefined || envelope.claim()) {
      this.#run(envelope, () => this.#behavior?.receive(envelope.message, envelope.sender, this))
    }
    return true
  }

  #start(): void {
    this.#state = 'running'
    this.#behavior = typeof this.#source === 'function' ? this.#source() : this.#source
    this.#behavior.started?.(this)
  }

  #obey(mail: SystemMail): void {
    switch (mail.kind) {
      case 'Stop':
        this.#isStopRequested = true
        return
      case 'Fail':
        throw mail.error
      case 'Terminated':
        if (!this.watching.delete(mail.ref.subject)) return
        this.#behavior?.signal?.(mail, this)
        return
      default:
        this.#behavior?.signal?.(mail, this)
    }
  }

  /** Runs behaviour code; what it throws is dealt with after it has returned. */
  #run(envelope: Envelope | undefined, code: () => void): void {
    const outer = this.#host.running
    this.#host.running = this
    this.#current = envelope
    let failure: SluiceError | undefined
    try {
      code()
    } catch (thrown) {
      failure = asSluiceError(thrown)
    } finally {
      this.#current = undefined
      this.#host.running = outer
    }
    if (failure !== undefined) this.#fail(failure, envelope)
    else if (this.#isStopRequested) this.#terminate('stopped')
  }

  // Failure and end.

  #fail(error: SluiceError, envelope: Envelope | undefined): void {
    envelope?.sender.fail(error)
    const strategy = this.#options.supervision ?? { kind: 'stop' }
    const delayMs = this.#isStopRequested
      ? undefined
      : this.#budget?.next(this.clock.monotonic(), this.random)
    if (delayMs !== undefined) {
      this.log.warn('actor failed and restarts', { during: envelope?.message.kind, delayMs, error })
      this.#restart(error, delayMs)
      return
    }
    this.log.error('actor failed and stops', { during: envelope?.message.kind, error })
    const { parent } = this
    this.#terminate('failed')
    switch (strategy.kind) {
      case 'stop':
      case 'restart':
        parent?.deliverSignal({ kind: 'ChildFailed', ref: this.self, error })
        return
      case 'escalate':
        if (parent === undefined) this.#host.rootFailed(this, error)
        else parent.deliverSignal({ kind: 'Fail', error })
        return
      default:
        unreachable(strategy)
    }
  }

  #restart(error: SluiceError, delayMs: number): void {
    this.#state = 'backing-off'
    this.#generation++
    this.#dismantle({ kind: 'PreRestart', error })
    this.unstashAll()
    this.#backOff = this.#host.clock.schedule(delayMs, () => {
      this.#state = 'starting'
      this.#schedule()
    })
  }

  #terminate(reason: Terminated['reason'] & ('stopped' | 'failed')): void {
    if (this.#state === 'stopped') return
    this.#state = 'stopped'
    this.#backOff?.cancel()
    this.#dismantle({ kind: 'PostStop' })
    for (const envelope of [...this.#stash, ...this.#mailbox.drain()]) this.#refuseStopped(envelope)
    this.#stash = []
    this.parent?.children.delete(this)
    this.#host.released(this, reason)
  }

  /** Children first, then the behaviour's last signal; no timers or watches after it. */
  #dismantle(lastSignal: Signal): void {
    for (const child of [...this.children].reverse()) child.#terminate('stopped')
    const behavior = this.#behavior
    this.#behavior = undefined
    const outer = this.#host.running
    this.#host.running = this
    try {
      behavior?.signal?.(lastSignal, this)
    } catch (error) {
      this.log.error('actor failed while stopping', { signal: lastSignal.kind, error })
    } finally {
      this.#host.running = outer
    }
    this.timers.cancelAll()
    for (const subject of [...this.watching]) this.#host.unwatch(this, { subject })
  }

  #refuseStopped(envelope: Envelope): void {
    if (envelope.sender !== NOBODY) this.#host.deadLetter('no-such-actor', this, envelope)
    envelope.sender.fail(new SluiceError('ACTOR_STOPPED', `${this.self.subject} has stopped`))
  }

  #refuseFull(envelope: Envelope): void {
    this.#host.deadLetter('mailbox-full', this, envelope)
    const what = `${this.#mailbox.size} messages wait for ${this.self.subject}, the limit; try again later`
    envelope.sender.fail(new SluiceError('MAILBOX_FULL', what))
  }
}

function asSluiceError(thrown: unknown): SluiceError {
  return thrown instanceof SluiceError ? thrown : fromErrorRecord(toErrorRecord(thrown))
}
