/**
 * Runs a source without a job: its enumerator and its readers, as the engine calls them. Snapshots go through the
 * source's types, as they would on their way to storage.
 */
import { ByteReader } from '../../../lib/base/byte-reader.ts'
import { ByteWriter } from '../../../lib/base/byte-writer.ts'
import { type Clock, systemClock } from '../../../lib/base/clock.ts'
import { silentLogger } from '../../../lib/base/logger.ts'
import type { Connections } from '../../../lib/function/connections.ts'
import type { Source, SourceReader, Split, SplitEnumerator } from '../../../lib/function/source.ts'
import { MetricGroup } from '../../../lib/metrics/metric-group.ts'
import type { Type } from '../../../lib/types/type.ts'

export interface SourceSnapshot {
  readonly enumerator: Uint8Array
  readonly splits: readonly Uint8Array[]
}

export interface DrivenRecord<T> {
  readonly value: T
  readonly timestamp: number | undefined
  readonly splitId: string
  readonly subtaskIndex: number
}

export interface DriverOptions {
  readonly parallelism?: number
  readonly clock?: Clock
  readonly connections?: Connections
  readonly restored?: SourceSnapshot
  /** Records a poll may collect; default 100. */
  readonly recordsMax?: number
}

interface DrivenReader<T, S extends Split> {
  readonly reader: SourceReader<T, S>
  hasEnded: boolean
}

export class SourceDriver<T, S extends Split, E> {
  readonly records: DrivenRecord<T>[] = []
  readonly released: string[] = []
  readonly metrics = new MetricGroup()
  readonly #source: Source<T, S, E>
  readonly #recordsMax: number
  readonly #restored: readonly Uint8Array[]
  readonly #readers: DrivenReader<T, S>[] = []
  readonly #enumerator: SplitEnumerator<E, S>
  #error: unknown
  #onEvent: (() => void) | null = null
  #hasEvent = false

  constructor(source: Source<T, S, E>, options: DriverOptions = {}) {
    const { parallelism = 1, clock = systemClock, connections = {}, restored } = options
    this.#source = source
    this.#recordsMax = options.recordsMax ?? 100
    const fail = (error: unknown) => {
      this.#error ??= error ?? new Error('failed with nothing')
      this.#event()
    }
    this.#enumerator = source.createEnumerator(
      {
        parallelism,
        clock,
        log: silentLogger,
        connections,
        assign: (split, index) => {
          const copy = decode(source.splitType, encode(source.splitType, split))
          this.#readers[index]!.reader.addSplits([copy], this.#outputOf(index))
          this.#event()
        },
        noMoreSplits: (index) => {
          this.#readers[index]!.reader.noMoreSplits()
          this.#event()
        },
        fail,
      },
      restored === undefined ? undefined : decode(source.enumeratorStateType, restored.enumerator),
    )
    for (let index = 0; index < parallelism; index++) {
      const reader = source.createReader({
        subtaskIndex: index,
        parallelism,
        clock,
        log: silentLogger,
        connections,
        metrics: this.metrics,
        wake: () => this.#event(),
        requestSplit: () => this.#enumerator.onSplitRequest(index),
        fail,
      })
      this.#readers.push({ reader, hasEnded: false })
    }
    this.#restored = restored?.splits ?? []
  }

  get values(): T[] {
    return this.records.map(({ value }) => value)
  }

  async start(): Promise<void> {
    await this.#enumerator.start()
    for (const [index, { reader }] of this.#readers.entries()) {
      await reader.start?.()
      const own = this.#restored.filter((_, i) => i % this.#readers.length === index)
      const splits = own.map((bytes) => decode(this.#source.splitType, bytes))
      if (splits.length > 0) reader.addSplits(splits, this.#outputOf(index))
      this.#enumerator.onSplitRequest(index)
    }
  }

  /** Polls until `isDone` holds or every reader has ended. Rejects with the error the source reports. */
  async run(isDone: () => boolean = () => false): Promise<void> {
    while (!isDone() && !this.#readers.every(({ hasEnded }) => hasEnded)) {
      if (this.#error !== undefined) throw this.#error
      if (!this.pollAll()) await this.#nextEvent()
    }
    if (this.#error !== undefined) throw this.#error
  }

  /** One poll of each reader; whether one of them had something to do. */
  pollAll(): boolean {
    let hasProgressed = false
    for (const [index, driven] of this.#readers.entries()) {
      if (driven.hasEnded) continue
      const result = driven.reader.poll(this.#outputOf(index), this.#recordsMax)
      if (result === 'end') driven.hasEnded = true
      if (result !== 'idle') hasProgressed = true
    }
    return hasProgressed
  }

  snapshot(): SourceSnapshot {
    const splits = this.#readers.flatMap(({ reader }) => reader.snapshot())
    return {
      enumerator: encode(this.#source.enumeratorStateType, this.#enumerator.snapshot()),
      splits: splits.map((split) => encode(this.#source.splitType, split)),
    }
  }

  async close(): Promise<void> {
    await this.#enumerator.close()
    for (const { reader } of this.#readers) await reader.close()
  }

  #outputOf(subtaskIndex: number) {
    return {
      ofSplit: (splitId: string) => ({
        collect: (value: T, timestamp?: number) =>
          void this.records.push({ value, timestamp, splitId, subtaskIndex }),
        emitWatermark: () => {},
        markIdle: () => {},
      }),
      releaseSplit: (splitId: string) => void this.released.push(splitId),
    }
  }

  #event(): void {
    this.#hasEvent = true
    this.#onEvent?.()
  }

  async #nextEvent(): Promise<void> {
    if (!this.#hasEvent) await new Promise<void>((resolve) => (this.#onEvent = resolve))
    this.#hasEvent = false
    this.#onEvent = null
  }
}

/** Reads a bounded source to its end. */
export async function readAll<T, S extends Split, E>(
  source: Source<T, S, E>,
  options: DriverOptions = {},
): Promise<T[]> {
  const driver = new SourceDriver(source, options)
  try {
    await driver.start()
    await driver.run()
    return driver.values
  } finally {
    await driver.close()
  }
}

function encode<V>(type: Type<V>, value: V): Uint8Array {
  const out = new ByteWriter()
  type.row.write(out, value)
  return out.toUint8Array()
}

function decode<V>(type: Type<V>, bytes: Uint8Array): V {
  return type.row.read(new ByteReader(bytes))
}
