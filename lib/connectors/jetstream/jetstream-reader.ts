/**
 * Reads splits of streams, all that it has at the same time, each with a consumer and a buffer of its own. Positions
 * are sequences of the stream, and advance as records are collected; the server is never told.
 */
import { asError, SluiceError } from '../../base/errors.ts'
import type { NatsOptions } from '../../bus/nats-options.ts'
import type {
  PollResult,
  ReaderContext,
  ReaderOutput,
  SourceReader,
  SplitOutput,
} from '../../function/source.ts'
import type { Counter } from '../../metrics/metric-group.ts'
import { type JetStreamLink, openJetStream } from './jetstream-link.ts'
import type { JetStreamSplit } from './jetstream-split.ts'
import { MessageBuffer } from './message-buffer.ts'
import { PullConsumer } from './pull-consumer.ts'
import type { JetStreamMessage, PulledMessage } from './pulled-message.ts'

export interface JetStreamReaderOptions<T> {
  readonly nats: NatsOptions | undefined
  decode(message: JetStreamMessage): T
  readonly onError: 'fail' | 'skip'
  readonly bufferMessagesMax: number
  readonly bufferBytesMax: number
  /** Whether a restored split is still one of the source's. */
  isWanted(split: JetStreamSplit): boolean
}

interface OpenSplit<T> {
  readonly split: JetStreamSplit
  readonly output: SplitOutput<T>
  readonly buffer: MessageBuffer
  readonly consumer: PullConsumer
  next: number
  /** Nothing will come that is not in the buffer. */
  isComplete: boolean
}

export class JetStreamReader<T> implements SourceReader<T, JetStreamSplit> {
  readonly #options: JetStreamReaderOptions<T>
  readonly #context: ReaderContext
  readonly #malformed: Counter
  #link: JetStreamLink | null = null
  readonly #splits: OpenSplit<T>[] = []
  #paused: ReadonlySet<string> = new Set()
  /** Of the split collected from last. */
  #turn = 0
  #hasAllSplits = false

  constructor(options: JetStreamReaderOptions<T>, context: ReaderContext) {
    this.#options = options
    this.#context = context
    this.#malformed = context.metrics.counter('malformed_records_total')
    context.metrics.gauge('buffered_messages', () =>
      this.#splits.reduce((sum, { buffer }) => sum + buffer.count, 0),
    )
    context.metrics.gauge('pending_messages', () =>
      this.#splits.reduce((sum, { consumer }) => sum + consumer.pending, 0),
    )
  }

  async start(): Promise<void> {
    this.#link = await openJetStream(this.#options.nats, this.#context)
  }

  addSplits(splits: readonly JetStreamSplit[], output: ReaderOutput<T>): void {
    for (const split of splits) {
      if (this.#options.isWanted(split)) this.#open(split, output)
      else
        this.#context.log.warn(
          'a split of the snapshot is not read any more: the source has other subjects',
          { split: split.id },
        )
    }
  }

  noMoreSplits(): void {
    this.#hasAllSplits = true
  }

  /** What is paused goes on fetching until its buffer is full. */
  pauseSplits(splitIds: ReadonlySet<string>): void {
    this.#paused = splitIds
  }

  poll(output: ReaderOutput<T>, recordsMax: number): PollResult {
    for (let tried = this.#splits.length; tried > 0; tried--) {
      this.#turn = (this.#turn + 1) % this.#splits.length
      const open = this.#splits[this.#turn]!
      if (this.#paused.has(open.split.id)) continue
      const isFound = this.#collect(open, recordsMax)
      if (open.isComplete && open.buffer.count === 0) {
        open.consumer.close()
        this.#splits.splice(this.#turn, 1)
        output.releaseSplit(open.split.id)
      }
      if (isFound) return 'more'
    }
    return this.#hasAllSplits && this.#splits.length === 0 ? 'end' : 'idle'
  }

  snapshot(): JetStreamSplit[] {
    return this.#splits.map(({ split, next }) => ({ ...split, next }))
  }

  async close(): Promise<void> {
    for (const { consumer } of this.#splits) consumer.close()
    await this.#link?.bus.close()
  }

  #open(split: JetStreamSplit, output: ReaderOutput<T>): void {
    const { clock, log } = this.#context
    const { bufferMessagesMax, bufferBytesMax } = this.#options
    const buffer = new MessageBuffer(bufferMessagesMax, bufferBytesMax)
    const consumer = new PullConsumer({
      ...split,
      link: this.#link!,
      clock,
      log,
      buffer,
      onMessage: () => this.#context.wake(),
      isBounded: split.end !== null,
      onCaughtUp: () => {
        open.isComplete = true
        this.#context.wake()
      },
      onError: (error) => this.#context.fail(error),
    })
    const isComplete = split.end !== null && split.next > split.end
    const open: OpenSplit<T> = {
      split,
      output: output.ofSplit(split.id),
      buffer,
      consumer,
      next: split.next,
      isComplete,
    }
    this.#splits.push(open)
    if (isComplete) this.#context.wake()
    else consumer.start()
  }

  /** Collects what is in the buffer; false if there was nothing. */
  #collect(open: OpenSplit<T>, recordsMax: number): boolean {
    const { buffer, output, consumer } = open
    const end = open.split.end ?? Number.POSITIVE_INFINITY
    let count = 0
    for (; count < recordsMax; count++) {
      const message = buffer.peek()
      if (message === undefined) break
      if (message.sequence <= end) this.#emit(message, output)
      open.next = message.sequence + 1
      buffer.drop()
      if (message.sequence >= end) this.#finish(open)
    }
    if (count > 0 && !open.isComplete) consumer.pull()
    return count > 0
  }

  #emit(message: PulledMessage, output: SplitOutput<T>): void {
    let value: T
    try {
      value = this.#options.decode(message)
    } catch (error) {
      this.#malformed.increment()
      if (this.#options.onError === 'fail') throw malformed(message, error)
      if (this.#malformed.value === 1) {
        const { subject, sequence } = message
        this.#context.log.warn('malformed records are skipped and counted; this is the first', {
          subject,
          sequence,
          error,
        })
      }
      return
    }
    output.collect(value, message.timestamp)
  }

  /** What the buffer has beyond the end is dropped with it. */
  #finish(open: OpenSplit<T>): void {
    open.isComplete = true
    while (open.buffer.count > 0) open.buffer.drop()
  }
}

function malformed({ subject, sequence }: PulledMessage, error: unknown): SluiceError {
  return new SluiceError('DECODE_FAILED', `message ${sequence} on ${subject}: ${asError(error).message}`, {
    cause: error,
    details: { subject, sequence },
  })
}
