/**
 * A generator whose event time stands still until each reader has all its splits. With a watermark strategy it would
 * move on with those that a reader was restored with, and what comes with one that is given to it later would be late.
 */
import { generator } from '../../lib/connectors/generator.ts'
import type { ReaderOutput, Source, SourceReader, Split, SplitOutput } from '../../lib/function/source.ts'
import type { Type } from '../../lib/types/type.ts'
import type { Event } from './job-functions.ts'

export interface EventsOptions {
  readonly count: number
  readonly ratePerSecond: number
  readonly type: Type<Event>
  readonly generate: (n: number) => Event
  /** Events are out of order by less than this. */
  readonly delayMsMax: number
}

/** Event time is said anew when it has moved by this much. */
const WATERMARK_STEP_MS = 100

export function eventsSource(options: EventsOptions): Source<Event> {
  const source = generator({ ...options, timestamp: ({ at }) => at }) as unknown as Source<Event>
  return {
    ...source,
    createReader: (context) => new HoldingReader(source.createReader(context), options.delayMsMax),
  }
}

class HoldingReader implements SourceReader<Event, Split> {
  readonly #inner: SourceReader<Event, Split>
  readonly #delayMsMax: number
  #hasAllSplits = false

  constructor(inner: SourceReader<Event, Split>, delayMsMax: number) {
    this.#inner = inner
    this.#delayMsMax = delayMsMax
  }

  addSplits(splits: readonly Split[], output: ReaderOutput<Event>): void {
    this.#inner.addSplits(splits, {
      ofSplit: (id) => this.#watermarking(output.ofSplit(id)),
      releaseSplit: (id) => output.releaseSplit(id),
    })
  }

  noMoreSplits(): void {
    this.#hasAllSplits = true
    this.#inner.noMoreSplits()
  }

  poll(output: ReaderOutput<Event>, recordsMax: number): ReturnType<SourceReader<Event, Split>['poll']> {
    return this.#inner.poll(output, recordsMax)
  }

  snapshot(): Split[] {
    return this.#inner.snapshot()
  }

  close(): void | Promise<void> {
    return this.#inner.close()
  }

  #watermarking(output: SplitOutput<Event>): SplitOutput<Event> {
    let watermark = Number.NEGATIVE_INFINITY
    return {
      collect: (event, timestamp = event.at) => {
        output.collect(event, timestamp)
        const next = timestamp - this.#delayMsMax
        if (!this.#hasAllSplits || next < watermark + WATERMARK_STEP_MS) return
        watermark = next
        output.emitWatermark(watermark)
      },
      emitWatermark: (timestamp) => output.emitWatermark(timestamp),
      markIdle: () => output.markIdle(),
    }
  }
}
