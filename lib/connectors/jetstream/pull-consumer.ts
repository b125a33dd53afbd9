/**
 * Reads a stream from a sequence on, each message once and in order, over a consumer of its own that it makes anew
 * whenever there is doubt. What is asked for is bounded by the room in the buffer: nothing arrives unasked.
 *
 * The client library has ordered consumers, but they ask for more as messages arrive, whoever has room for them or
 * not, and keep what comes in a list without bound. Hence the few requests are made here.
 *
 * P1. `#next` is the least sequence that has not been handed over; a new consumer starts there.
 * P2. The server counts a consumer's messages. A gap means that some were lost on the way (a connection that broke):
 *     the consumer is given up, and none after the gap is handed over.
 * P3. Messages and statuses of a consumer that was given up are recognised by their inbox and ignored.
 */
import { AckPolicy, type ConsumerConfig, type ConsumerInfo, DeliverPolicy } from '@nats-io/jetstream'
import type { Msg, Subscription } from '@nats-io/transport-node'
import { type Clock, sleep } from '../../base/clock.ts'
import { asError, SluiceError } from '../../base/errors.ts'
import type { Logger } from '../../base/logger.ts'
import {
  describeStreams,
  isStreamMissing,
  isTransient,
  type JetStreamLink,
  jetStreamError,
} from './jetstream-link.ts'
import type { MessageBuffer } from './message-buffer.ts'
import { PulledMessage } from './pulled-message.ts'

export interface PullConsumerOptions {
  readonly link: JetStreamLink
  readonly stream: string
  readonly subject: string
  /** The first sequence to read. */
  readonly next: number
  readonly clock: Clock
  readonly log: Logger
  /** Takes the messages; no more are asked for than it has room for. */
  readonly buffer: MessageBuffer
  /** The buffer has another message. */
  onMessage(): void
  /** The consumer has no further message now; only told where `isBounded`. */
  onCaughtUp(): void
  readonly isBounded: boolean
  onError(error: SluiceError): void
}

/** What is left of a request for messages. */
interface Pull {
  messages: number
  readonly bytes: number
}

/** Of one request; several are under way at once, so that no round trip is waited for. */
const PULL_MESSAGES = 1024
const PULLS_MAX = 4
/** So small a request is not worth its round trip, unless the buffer is empty. */
const ROOM_MESSAGES_MIN = PULL_MESSAGES / 4
/** A message has a subject and headers besides its payload. */
const MESSAGE_OVERHEAD_BYTES = 64 * 1024
/** Requests are renewed this often where nothing comes. */
const PULL_EXPIRES_MS = 20_000
const HEARTBEAT_MS = 1000
/** After so many heartbeats that did not come, the consumer is given up. */
const SILENT_HEARTBEATS_MAX = 4
/** The server forgets a consumer nobody asks, with what it holds. */
const INACTIVE_MS = 60_000
const RETRY_MS_MIN = 100
const RETRY_MS_MAX = 5000
/** After so long without making one, the job fails; its restart strategy knows how to go on. */
const OUTAGE_MS_MAX = 600_000

const nanos = (ms: number) => ms * 1_000_000

export class PullConsumer {
  readonly #options: PullConsumerOptions
  #next: number
  /** Of the consumer in use; null while there is none. */
  #name: string | null = null
  #inbox = ''
  #subscription: Subscription | null = null
  #consumerSequence = 0
  #pending = 0
  /** In the order in which the server serves them. */
  #pulls: Pull[] = []
  /** When a consumer was last made. */
  #madeMs = 0
  /** Heartbeats that should have come. */
  #silentCount = 0
  #retryMs = RETRY_MS_MIN
  #isMaking = false
  #isClosed = false
  #watch: { cancel(): void } | null = null
  #unlisten: (() => void) | null = null

  constructor(options: PullConsumerOptions) {
    this.#options = options
    this.#next = options.next
  }

  /** Messages for the consumer after the last that came. */
  get pending(): number {
    return this.#pending
  }

  start(): void {
    const { link, clock } = this.#options
    this.#unlisten = link.bus.onStatus((status) => {
      // Messages on their way when a connection breaks are lost without a trace if none follows them.
      if (status === 'connected') this.#renew('the connection was renewed')
    })
    this.#madeMs = clock.monotonic()
    this.#scheduleWatch()
    void this.#make()
  }

  /** Asks for messages, as far as there is room. */
  pull(): void {
    const { buffer, link } = this.#options
    while (this.#name !== null && this.#pulls.length < PULLS_MAX) {
      const messages = buffer.messagesMax - buffer.count - sumOf(this.#pulls, 'messages')
      const bytes = buffer.bytesMax - buffer.bytes - sumOf(this.#pulls, 'bytes')
      // The server ends a request at a message that does not fit: so each must have room for the largest.
      const bytesMin = link.bus.payloadBytesMax + MESSAGE_OVERHEAD_BYTES
      const isEmpty = buffer.count === 0 && this.#pulls.length === 0
      if (!isEmpty && (messages < ROOM_MESSAGES_MIN || bytes < bytesMin)) return
      this.#request({
        messages: Math.min(PULL_MESSAGES, Math.max(1, messages)),
        bytes: Math.max(bytesMin, Math.floor(bytes / PULLS_MAX)),
      })
    }
  }

  close(): void {
    this.#isClosed = true
    this.#watch?.cancel()
    this.#unlisten?.()
    this.#giveUp()
  }

  #request(pull: Pull): void {
    this.#pulls.push(pull)
    const request = {
      batch: pull.messages,
      max_bytes: pull.bytes,
      expires: nanos(PULL_EXPIRES_MS),
      idle_heartbeat: nanos(HEARTBEAT_MS),
    }
    const subject = `$JS.API.CONSUMER.MSG.NEXT.${this.#options.stream}.${this.#name}`
    const { connection } = this.#options.link.bus
    if (!connection.isClosed()) connection.publish(subject, JSON.stringify(request), { reply: this.#inbox })
  }

  /** Makes a consumer, again and again until it works or cannot. */
  async #make(): Promise<void> {
    if (this.#isMaking) return
    this.#isMaking = true
    const { link, clock, log, stream, onError } = this.#options
    while (!this.#isClosed && !link.bus.connection.isClosed()) {
      try {
        await this.#checkStream()
        const info = await link.manager.consumers.add(stream, this.#config())
        if (!this.#isClosed) this.#begin(info)
        break
      } catch (error) {
        if (this.#isClosed) break
        const isLate = clock.monotonic() - this.#madeMs > OUTAGE_MS_MAX
        if (isLate || isStreamMissing(error) || !isTransient(error)) {
          onError(await this.#describe(error))
          break
        }
        const reason = asError(error).message
        log.warn('a JetStream consumer cannot be made; trying again', { stream, reason })
        await sleep(clock, this.#nextRetryMs())
      }
    }
    this.#isMaking = false
  }

  #begin(info: ConsumerInfo): void {
    const { link, clock, isBounded, onCaughtUp } = this.#options
    const inbox = link.newInbox()
    this.#name = info.name
    this.#inbox = inbox
    this.#consumerSequence = 0
    this.#pending = info.num_pending
    this.#silentCount = 0
    this.#madeMs = clock.monotonic()
    this.#subscription = link.bus.connection.subscribe(inbox, {
      // What is thrown here would end the client's read loop.
      callback: (refusal, message) => {
        if (inbox !== this.#inbox) return
        try {
          if (refusal !== null) throw refusal
          this.#onMessage(message)
        } catch (error) {
          this.#fail(error)
        }
      },
    })
    if (isBounded && info.num_pending === 0) onCaughtUp()
    this.pull()
  }

  #onMessage(message: Msg): void {
    this.#silentCount = 0
    this.#retryMs = RETRY_MS_MIN
    if (message.subject === this.#inbox) {
      this.#onStatus(message)
      return
    }
    const { buffer, isBounded, onMessage, onCaughtUp } = this.#options
    const pulled = new PulledMessage(message)
    if (pulled.consumerSequence !== this.#consumerSequence + 1) {
      this.#renew('messages were lost')
      return
    }
    this.#consumerSequence = pulled.consumerSequence
    const pull = this.#pulls[0]
    if (pull !== undefined && --pull.messages === 0) this.#pulls.shift()
    if (pulled.sequence < this.#next) return
    this.#next = pulled.sequence + 1
    this.#pending = pulled.pending
    buffer.push(pulled)
    onMessage()
    if (isBounded && pulled.pending === 0) onCaughtUp()
    if (this.#pulls.length < PULLS_MAX / 2) this.pull()
  }

  #onStatus({ headers }: Msg): void {
    const code = headers?.code ?? 0
    if (code === 100) {
      // Idle, says the server, after so many messages.
      const last = Number(headers?.get('Nats-Last-Consumer') || this.#consumerSequence)
      if (last !== this.#consumerSequence) this.#renew('messages were lost')
      return
    }
    const isEndOfPull = code === 404 || code === 408 || headers?.has('Nats-Pending-Messages') === true
    if (!isEndOfPull) {
      this.#renew(headers?.description || `status ${code}`)
      return
    }
    this.#pulls.shift()
    if (this.#options.isBounded) void this.#checkCaughtUp()
    this.pull()
  }

  /** Messages may be deleted or expire before they are delivered: then none comes to say that it is the last. */
  async #checkCaughtUp(): Promise<void> {
    const { link, stream, onCaughtUp } = this.#options
    const inbox = this.#inbox
    try {
      const info = await link.manager.consumers.info(stream, this.#name!)
      const isCaughtUp = info.num_pending === 0 && info.delivered.consumer_seq === this.#consumerSequence
      if (isCaughtUp && inbox === this.#inbox && !this.#isClosed) onCaughtUp()
    } catch {
      // The next request will tell.
    }
  }

  /** Gives the consumer up and makes another. */
  #renew(reason: string): void {
    if (this.#isClosed || this.#name === null) return
    const { log, stream, subject } = this.#options
    log.info('a JetStream consumer is made anew', { stream, subject, reason, next: this.#next })
    this.#giveUp()
    void this.#make()
  }

  #giveUp(): void {
    const { link, stream } = this.#options
    const name = this.#name
    this.#subscription?.unsubscribe()
    this.#subscription = null
    this.#name = null
    this.#inbox = ''
    this.#pulls = []
    // If it fails, the server forgets the consumer by itself.
    if (name !== null && !link.bus.connection.isClosed())
      link.manager.consumers.delete(stream, name).catch(() => {})
  }

  /** A stream that ends before our position was made anew, or restored from an old copy: no reading on. */
  async #checkStream(): Promise<void> {
    const { link, stream, log } = this.#options
    const { state } = await link.manager.streams.info(stream)
    if (state.last_seq < this.#next - 1) {
      throw new SluiceError(
        'CONNECTOR_FAILED',
        `stream ${stream} ends at sequence ${state.last_seq}, but ${this.#next} is to be read next: was the stream deleted and made again?`,
      )
    }
    if (state.first_seq > this.#next && this.#next > 1) {
      const fields = { stream, next: this.#next, first: state.first_seq }
      log.warn('messages were removed from a stream before they were read', fields)
    }
  }

  #config(): Partial<ConsumerConfig> {
    const { subject } = this.#options
    return {
      ack_policy: AckPolicy.None,
      deliver_policy: DeliverPolicy.StartSequence,
      opt_start_seq: Math.max(1, this.#next),
      inactive_threshold: nanos(INACTIVE_MS),
      mem_storage: true,
      num_replicas: 1,
      ...(subject === '>' ? {} : { filter_subject: subject }),
    }
  }

  #fail(error: unknown): void {
    this.close()
    const { link, stream, onError } = this.#options
    onError(jetStreamError(`read stream ${stream}`, link, error))
  }

  async #describe(error: unknown): Promise<SluiceError> {
    const { link, stream } = this.#options
    if (!isStreamMissing(error)) return jetStreamError(`read stream ${stream}`, link, error)
    return jetStreamError(
      `read stream ${stream}`,
      link,
      new Error(`it has gone${await describeStreams(link)}`),
    )
  }

  #nextRetryMs(): number {
    const retryMs = this.#retryMs
    this.#retryMs = Math.min(RETRY_MS_MAX, retryMs * 2)
    return retryMs
  }

  #scheduleWatch(): void {
    this.#watch = this.#options.clock.schedule(HEARTBEAT_MS, () => {
      this.#scheduleWatch()
      // Ticks are counted, not time: while this thread was busy, nobody could hear the server.
      if (this.#pulls.length === 0) this.#silentCount = 0
      else if (++this.#silentCount > SILENT_HEARTBEATS_MAX) this.#renew('the server was silent')
    })
  }
}

function sumOf(pulls: readonly Pull[], part: 'messages' | 'bytes'): number {
  let sum = 0
  for (const pull of pulls) sum += pull[part]
  return sum
}
