/**
 * The writer of a JetStream sink: makes messages of records and hands them to a publisher. While the connection is
 * being opened, which a writer cannot wait for, they are kept here, and no more come than one batch.
 */
import { asError, SluiceError } from '../../base/errors.ts'
import type { NatsOptions } from '../../bus/nats-options.ts'
import type { SinkContext, SinkWriter } from '../../function/sink.ts'
import { describeStreams, isStreamMissing, type JetStreamLink, openJetStream } from './jetstream-link.ts'
import { type OutgoingMessage, Publisher } from './publisher.ts'
import { isLiteralSubject } from './subject-filter.ts'

type Headers = Readonly<Record<string, string>>

export interface JetStreamWriterOptions<I> {
  readonly subject: string | ((value: I) => string)
  encode(value: I): Uint8Array | string
  readonly headers: Headers | ((value: I) => Headers) | null
  readonly nats: NatsOptions | undefined
  readonly inFlightMax: number
  readonly inFlightBytesMax: number
  readonly retryMs: number
}

const encoder = new TextEncoder()

export class JetStreamWriter<I> implements SinkWriter<I> {
  readonly #options: JetStreamWriterOptions<I>
  readonly #context: SinkContext
  readonly #opening: Promise<Publisher>
  #publisher: Publisher | null = null
  #link: JetStreamLink | null = null
  /** Until the publisher is there. */
  #early: OutgoingMessage[] = []
  #isClosed = false
  #idPrefix: string
  #number = 0
  /** The last that was found to be one. */
  #knownSubject = ''

  constructor(options: JetStreamWriterOptions<I>, context: SinkContext) {
    this.#options = options
    this.#context = context
    this.#idPrefix = this.#prefixOf(0)
    this.#opening = this.#open()
    this.#opening.catch((error) => {
      if (!this.#isClosed) context.fail(error)
    })
  }

  write(value: I): void {
    const { subject, headers, encode } = this.#options
    const content = encode(value)
    const message: OutgoingMessage = {
      subject: this.#checked(typeof subject === 'string' ? subject : subject(value)),
      data: typeof content === 'string' ? encoder.encode(content) : content,
      id: this.#idPrefix + this.#number++,
      headers: typeof headers === 'function' ? headers(value) : headers,
    }
    if (this.#publisher === null) this.#early.push(message)
    else this.#publisher.publish(message)
  }

  whenReady(): Promise<void> | undefined {
    return this.#publisher === null ? this.#opened() : this.#publisher.whenReady()
  }

  async flush(): Promise<void> {
    await (await this.#opening).flush()
  }

  /** Nothing to save; messages from here on belong to the next epoch. */
  snapshot(checkpointId: number): readonly never[] {
    this.#idPrefix = this.#prefixOf(checkpointId)
    this.#number = 0
    return []
  }

  async close(): Promise<void> {
    this.#isClosed = true
    await this.#opening.catch(() => {})
    this.#publisher?.close()
    await this.#link?.bus.close()
  }

  #prefixOf(checkpointId: number): string {
    const { jobId, uid, subtaskIndex, attempt } = this.#context
    return `${jobId}/${uid}/${subtaskIndex}/${checkpointId}-${attempt}/`
  }

  async #opened(): Promise<void> {
    await this.#opening
  }

  async #open(): Promise<Publisher> {
    const { nats, subject, inFlightMax, inFlightBytesMax, retryMs } = this.#options
    const link = await openJetStream(nats, this.#context)
    this.#link = link
    if (typeof subject === 'string') await checkStream(link, subject)
    const publisher = new Publisher({
      link,
      clock: this.#context.clock,
      inFlightMax,
      inFlightBytesMax,
      retryMs,
      onError: (error) => this.#context.fail(error),
    })
    this.#publisher = publisher
    for (const message of this.#early) publisher.publish(message)
    this.#early = []
    this.#context.metrics.gauge('unacknowledged_messages', () => publisher.pendingCount)
    return publisher
  }

  #checked(subject: string): string {
    if (subject === this.#knownSubject || isLiteralSubject(subject)) {
      this.#knownSubject = subject
      return subject
    }
    throw new SluiceError(
      'CONNECTOR_FAILED',
      `jetstreamSink: expected a subject without wildcards or blanks, found ${JSON.stringify(subject)}`,
    )
  }
}

async function checkStream(link: JetStreamLink, subject: string): Promise<void> {
  try {
    await link.manager.streams.find(subject)
  } catch (error) {
    const what = isStreamMissing(error)
      ? `no stream takes messages of this subject${await describeStreams(link)}`
      : asError(error).message
    throw new SluiceError('CONNECTOR_FAILED', `cannot publish to ${subject} at ${link.servers}: ${what}`, {
      cause: error,
    })
  }
}
