/**
 * The writer of a JetStream sink that delivers at least once: hands messages to a publisher at once. While the
 * connection is being opened, which a writer cannot wait for, they are kept here, and no more come than one batch.
 */
import type { SinkContext, SinkWriter } from '../../function/sink.ts'
import type { MessageFormat } from './message-format.ts'
import { type OpenPublisher, openPublisher, type PublishingOptions } from './open-publisher.ts'
import type { OutgoingMessage, Publisher } from './publisher.ts'

export class JetStreamWriter<I> implements SinkWriter<I> {
  readonly #format: MessageFormat<I>
  readonly #context: SinkContext
  readonly #opening: Promise<OpenPublisher>
  #publisher: Publisher | null = null
  /** Until the publisher is there. */
  #early: OutgoingMessage[] = []
  #isClosed = false
  #idPrefix: string
  #number = 0

  constructor(format: MessageFormat<I>, options: PublishingOptions, context: SinkContext) {
    this.#format = format
    this.#context = context
    this.#idPrefix = this.#prefixOf(0)
    this.#opening = this.#open(options)
    this.#opening.catch((error) => {
      if (!this.#isClosed) context.fail(error)
    })
  }

  write(value: I): void {
    const { subject, data, headers } = this.#format.toMessage(value)
    const message: OutgoingMessage = { subject, data, headers, id: this.#idPrefix + this.#number++ }
    if (this.#publisher === null) this.#early.push(message)
    else this.#publisher.publish(message)
  }

  whenReady(): Promise<void> | undefined {
    return this.#publisher === null ? this.#opened() : this.#publisher.whenReady()
  }

  async flush(): Promise<void> {
    await (await this.#opening).publisher.flush()
  }

  /** Nothing to save; messages from here on belong to the next epoch. */
  snapshot(checkpointId: number): readonly never[] {
    this.#idPrefix = this.#prefixOf(checkpointId)
    this.#number = 0
    return []
  }

  async close(): Promise<void> {
    this.#isClosed = true
    await (await this.#opening.catch(() => null))?.close()
  }

  #prefixOf(checkpointId: number): string {
    const { jobId, uid, subtaskIndex, attempt } = this.#context
    return `${jobId}/${uid}/${subtaskIndex}/${checkpointId}-${attempt}/`
  }

  async #opened(): Promise<void> {
    await this.#opening
  }

  async #open(options: PublishingOptions): Promise<OpenPublisher> {
    const open = await openPublisher(options, this.#format.subject, this.#context)
    const { publisher } = open
    this.#publisher = publisher
    try {
      for (const message of this.#early) publisher.publish(message)
    } catch (error) {
      await open.close()
      throw error
    }
    this.#early = []
    this.#context.metrics.gauge('unacknowledged_messages', () => publisher.pendingCount)
    return open
  }
}
