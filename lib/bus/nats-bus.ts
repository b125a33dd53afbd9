/**
 * The bus over a NATS server, any number of hosts. The client reconnects for ever and renews subscriptions by
 * itself, but it forgets what is published while disconnected, without a word; so this bus does not hand it
 * anything then, and counts it as dropped. What was in a socket when it broke is lost uncounted.
 *
 * Subscriptions are callbacks in the socket's read path and messages carry no headers: what subtasks exchange
 * goes through here as well. The client applies no back-pressure either: whoever sends much needs credits.
 */
import {
  connect,
  createInbox,
  type Msg,
  type NatsConnection,
  PermissionViolationError,
} from '@nats-io/transport-node'
import type { Clock } from '../base/clock.ts'
import { asError, SluiceError } from '../base/errors.ts'
import type { Logger } from '../base/logger.ts'
import {
  type Bus,
  type BusMessage,
  type BusStatus,
  busClosed,
  checkPayloadSize,
  REQUESTS_PENDING_MAX,
  ReceivedMessage,
  StatusListeners,
  type Subscription,
  zeroBusStats,
} from './bus.ts'
import { CONNECT_TIMEOUT_MS, type NatsOptions, shownServers, toConnectionOptions } from './nats-options.ts'
import { isNatsVersionAtLeast, NATS_VERSION_MIN } from './nats-version.ts'
import { RequestInbox } from './request-inbox.ts'

export interface NatsBusEnvironment {
  readonly clock: Clock
  readonly logger: Logger
  readonly requestsPendingMax?: number
}

/** Time `close` gives what is still on its way out. */
const CLOSE_DRAIN_MS = 2000
/** The status line of a server's "no responders" answer. */
const NO_RESPONDERS_STATUS = 503

/**
 * Throws CONFIG_INVALID for bad options, CANNOT_CONNECT naming every URL and the reason, and
 * NATS_SERVER_UNSUITABLE for a server older than 2.9.10.
 */
export async function connectNatsBus(
  options: NatsOptions,
  environment: NatsBusEnvironment,
): Promise<NatsBus> {
  const connection = await openConnection(options, environment.clock)
  const version = connection.info?.version ?? 'unknown'
  if (!isNatsVersionAtLeast(version, NATS_VERSION_MIN)) {
    await connection.close()
    throw new SluiceError(
      'NATS_SERVER_UNSUITABLE',
      `expected NATS server ${NATS_VERSION_MIN} or later at ${shownServers(options).join(', ')}, found ${version}`,
    )
  }
  return new NatsBus(connection, environment, options.inboxPrefix)
}

/** The client knows a timeout per server only, and no way to stop it: one that comes late is closed. */
async function openConnection(options: NatsOptions, clock: Clock): Promise<NatsConnection> {
  const timeoutMs = options.connectTimeoutMs ?? CONNECT_TIMEOUT_MS
  const connecting = connect(toConnectionOptions(options))
  try {
    const connection = await orAfter(clock, timeoutMs, connecting)
    if (connection !== undefined) return connection
    void connecting.then((late) => late.close()).catch(() => {})
    throw new Error(`no connection within ${timeoutMs} ms; is a firewall, or a client certificate, missing?`)
  } catch (error) {
    const tried = shownServers(options).join(', ')
    throw new SluiceError('CANNOT_CONNECT', `cannot connect to NATS at ${tried}: ${reasonOf(error)}`, {
      cause: error,
    })
  }
}

/** What `promise` resolves to, or undefined after `timeoutMs`. */
function orAfter<T>(clock: Clock, timeoutMs: number, promise: Promise<T>): Promise<T | undefined> {
  return new Promise((resolve, reject) => {
    const timer = clock.schedule(timeoutMs, () => resolve(undefined))
    promise.then(resolve, reject).finally(() => timer.cancel())
  })
}

export class NatsBus implements Bus {
  /** For JetStream, key-value and object store clients. Everybody else uses the bus. */
  readonly connection: NatsConnection
  readonly stats = zeroBusStats()
  readonly #clock: Clock
  readonly #logger: Logger
  readonly #inbox: RequestInbox
  readonly #listeners: StatusListeners
  #isConnected = true
  #isClosed = false
  #closing: Promise<void> | undefined

  constructor(connection: NatsConnection, environment: NatsBusEnvironment, inboxPrefix?: string) {
    const { clock, logger, requestsPendingMax } = environment
    this.connection = connection
    this.#clock = clock
    this.#logger = logger
    this.#listeners = new StatusListeners(logger)
    this.#inbox = new RequestInbox(
      clock,
      createInbox(inboxPrefix),
      requestsPendingMax ?? REQUESTS_PENDING_MAX,
      (replies) => this.#subscribe(replies, (msg) => this.#answered(msg)),
    )
    void this.#followStatus()
    void connection.closed().then(() => this.#closed())
  }

  /** The server's limit; it may change with a reconnect to another server. */
  get payloadBytesMax(): number {
    return this.connection.info?.max_payload ?? 1024 * 1024
  }

  get serverVersion(): string {
    return this.connection.info?.version ?? 'unknown'
  }

  /** Whether the server offers JetStream: Debian's service, for one, starts without it. */
  get hasJetStream(): boolean {
    return this.connection.info?.jetstream === true
  }

  publish(subject: string, payload: Uint8Array, replyTo?: string): void {
    checkPayloadSize(subject, payload, this.payloadBytesMax)
    if (!this.#isConnected || this.#isClosed || this.connection.isClosed()) {
      this.stats.dropped++
      return
    }
    this.connection.publish(subject, payload, replyTo === undefined ? undefined : { reply: replyTo })
    this.stats.published++
    this.stats.bytesOut += payload.length
  }

  subscribe(subject: string, onMessage: (message: BusMessage) => void): Subscription {
    return this.#subscribe(subject, (msg) => {
      const replyTo = msg.reply === '' ? undefined : msg.reply
      onMessage(new ReceivedMessage(this, msg.subject, msg.data, replyTo))
    })
  }

  async request(subject: string, payload: Uint8Array, timeoutMs: number): Promise<BusMessage> {
    if (this.#isClosed) throw busClosed(`request ${subject}`)
    if (!this.#isConnected) throw disconnected(`request ${subject}`)
    checkPayloadSize(subject, payload, this.payloadBytesMax)
    const { replyTo, answer } = this.#inbox.open(subject, timeoutMs)
    this.publish(subject, payload, replyTo)
    return answer
  }

  async flush(): Promise<void> {
    if (this.#isClosed) throw busClosed('flush')
    if (!this.#isConnected) throw disconnected('flush')
    try {
      await this.connection.flush()
    } catch (error) {
      throw this.#isClosed ? busClosed('flush') : disconnected('flush', error)
    }
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  onStatus(listener: (status: BusStatus) => void): () => void {
    return this.#listeners.add(listener)
  }

  async #close(): Promise<void> {
    const wasConnected = this.#isConnected && !this.connection.isClosed()
    this.#closed()
    if (wasConnected) {
      // Not only flushed: the server must have forgotten the subscriptions, or whoever asks next is asking nobody.
      const drained = this.connection.drain().catch(() => {})
      await orAfter(this.#clock, CLOSE_DRAIN_MS, drained)
    }
    await this.connection.close()
  }

  #closed(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#inbox.failAll(busClosed('wait for an answer'))
    this.#listeners.emit('closed')
  }

  /** An exception in a callback would end the client's read loop: none gets out of here. */
  #subscribe(subject: string, onMessage: (msg: Msg) => void): Subscription {
    if (this.#isClosed) throw busClosed(`subscribe to ${subject}`)
    const subscription = this.connection.subscribe(subject, {
      callback: (refusal, msg) => {
        if (refusal !== null) {
          this.#logger.error('nats refused a subscription', { subject, error: refusal })
          return
        }
        if (this.#isClosed) return
        this.stats.delivered++
        this.stats.bytesIn += msg.data.length
        try {
          onMessage(msg)
        } catch (error) {
          this.#logger.error('bus handler threw', { subject: msg.subject, error })
        }
      },
    })
    return { unsubscribe: () => subscription.unsubscribe() }
  }

  #answered(msg: Msg): void {
    if (msg.data.length === 0 && msg.headers?.code === NO_RESPONDERS_STATUS)
      this.#inbox.failNoResponders(msg.subject)
    else this.#inbox.settle(msg.subject, new ReceivedMessage(this, msg.subject, msg.data, undefined))
  }

  async #followStatus(): Promise<void> {
    for await (const status of this.connection.status()) {
      if (status.type === 'disconnect') this.#setConnected(false)
      else if (status.type === 'reconnect') this.#setConnected(true)
      else if (status.type === 'error') this.#report(status.error)
    }
  }

  #setConnected(isConnected: boolean): void {
    if (this.#isConnected === isConnected || this.#isClosed) return
    this.#isConnected = isConnected
    const server = this.connection.getServer()
    if (isConnected) this.#logger.info('nats connection is back', { server })
    else this.#logger.warn('nats connection lost', { server })
    this.#listeners.emit(isConnected ? 'connected' : 'disconnected')
  }

  #report(error: Error): void {
    const event = error instanceof PermissionViolationError ? 'nats permission denied' : 'nats server error'
    this.#logger.warn(event, { error })
  }
}

function disconnected(what: string, cause?: unknown): SluiceError {
  return new SluiceError(
    'CANNOT_CONNECT',
    `cannot ${what}: the NATS connection is down and being re-established`,
    {
      ...(cause === undefined ? {} : { cause }),
    },
  )
}

/** The client wraps socket errors; the innermost text says most. */
function reasonOf(error: unknown): string {
  const outer = asError(error)
  const inner = outer.cause === undefined ? outer : asError(outer.cause)
  return inner.message === '' || inner.message === outer.message
    ? outer.message
    : `${outer.message} (${inner.message})`
}
