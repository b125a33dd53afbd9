/**
 * The writer of a JetStream sink that delivers exactly once: collects the messages between two checkpoints into
 * transactions, which the checkpoint keeps and the committer publishes when it is complete. It has a connection too:
 * to find out early what could never be published.
 *
 * What is collected is bounded by `uncommittedBytesMax`. At the bound the job fails and says what to do: the writer
 * cannot wait, since the barrier that would relieve it comes behind the records it would hold up.
 */
import { SluiceError } from '../../base/errors.ts'
import { formatBytes } from '../../base/units.ts'
import type { SinkContext, SinkWriter } from '../../function/sink.ts'
import type { JetStreamTransaction } from './jetstream-transaction.ts'
import type { Message, MessageFormat } from './message-format.ts'
import { type OpenPublisher, openPublisher, type PublishingOptions } from './open-publisher.ts'
import type { Publisher } from './publisher.ts'

/** A transaction is closed when it has about so many bytes: one is encoded and published at a time. */
const TRANSACTION_BYTES = 1024 * 1024

export class JetStreamTransactionWriter<I> implements SinkWriter<I, never, JetStreamTransaction> {
  readonly #format: MessageFormat<I>
  readonly #bytesMax: number
  readonly #context: SinkContext
  readonly #opening: Promise<OpenPublisher>
  #publisher: Publisher | null = null
  #isClosed = false
  #closed: JetStreamTransaction[] = []
  #messages: Message[] = []
  /** Of #messages, and of all since the last checkpoint. */
  #bytes = 0
  #uncommittedBytes = 0
  #epoch = 0

  constructor(
    format: MessageFormat<I>,
    publishing: PublishingOptions,
    bytesMax: number,
    context: SinkContext,
  ) {
    this.#format = format
    this.#bytesMax = bytesMax
    this.#context = context
    this.#opening = this.#open(publishing)
    this.#opening.catch((error) => {
      if (!this.#isClosed) context.fail(error)
    })
    context.metrics.gauge('uncommitted_bytes', () => this.#uncommittedBytes)
  }

  write(value: I): void {
    const message = this.#format.toMessage(value)
    this.#publisher?.checkSize(message)
    const { length } = message.data
    if (this.#uncommittedBytes + length > this.#bytesMax) throw this.#full()
    this.#messages.push(message)
    this.#bytes += length
    this.#uncommittedBytes += length
    if (this.#bytes >= TRANSACTION_BYTES) this.#closeTransaction()
  }

  /** No more comes than one batch before it is known what the server takes. */
  whenReady(): Promise<void> | undefined {
    return this.#publisher === null ? this.flush() : undefined
  }

  async flush(): Promise<void> {
    await this.#opening
  }

  prepareCommit(): readonly JetStreamTransaction[] {
    if (this.#messages.length > 0) this.#closeTransaction()
    const transactions = this.#closed
    this.#closed = []
    this.#uncommittedBytes = 0
    return transactions
  }

  /** Messages from here on belong to the next epoch. */
  snapshot(checkpointId: number): readonly never[] {
    this.#epoch = checkpointId
    return []
  }

  async close(): Promise<void> {
    this.#isClosed = true
    await (await this.#opening.catch(() => null))?.close()
  }

  async #open(publishing: PublishingOptions): Promise<OpenPublisher> {
    const open = await openPublisher(publishing, this.#format.subject, this.#context)
    this.#publisher = open.publisher
    try {
      for (const message of this.#messages) open.publisher.checkSize(message)
    } catch (error) {
      await open.close()
      throw error
    }
    return open
  }

  #closeTransaction(): void {
    const { jobId, uid, subtaskIndex, attempt } = this.#context
    const part = this.#closed.length
    const id = `${jobId}/${uid}/${subtaskIndex}/${this.#epoch}-${attempt}/${part}`
    this.#closed.push({ id, messages: this.#messages as JetStreamTransaction['messages'] })
    this.#messages = []
    this.#bytes = 0
  }

  #full(): SluiceError {
    return new SluiceError(
      'CONNECTOR_FAILED',
      `jetstreamSink: more than ${formatBytes(this.#bytesMax)} wait in one subtask for a checkpoint to complete; take checkpoints more often, raise uncommittedBytesMax, or use delivery: 'at-least-once'`,
    )
  }
}
