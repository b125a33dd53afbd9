/**
 * Reads splits one after the other: blocks of bytes are read ahead (read-ahead.ts), across the ends of splits; `poll`
 * turns a block into text and takes records out of it, and never waits.
 *
 * F1. A split is in `#splits` from when it is added until its last record has been collected; the first of them is the
 *     one being collected from.
 * F2. Positions follow what has been collected, never what has been read ahead.
 * F3. Byte positions are looked up only for snapshots: they are after the same number of line ends as in the text,
 *     whatever the bytes of the characters between are.
 */
import { isAscii } from 'node:buffer'
import { SluiceError } from '../../base/errors.ts'
import { formatBytes } from '../../base/units.ts'
import type {
  PollResult,
  ReaderContext,
  ReaderOutput,
  SourceReader,
  SplitOutput,
} from '../../function/source.ts'
import type { Counter } from '../../metrics/metric-group.ts'
import { withoutByteOrderMark } from './block-reader.ts'
import { countLines } from './byte-source.ts'
import { type FileFormat, MalformedRecord } from './file-format.ts'
import type { FileSplit } from './file-split.ts'
import { type OpenSplit, type QueuedBlock, ReadAhead } from './read-ahead.ts'

export interface FileReaderOptions<T> {
  readonly format: FileFormat<T>
  readonly onError: 'fail' | 'skip'
  readonly blockBytes: number
  readonly recordBytesMax: number
}

const BLOCKS_MAX = 4
const LINE_FEED = 10

export class FileReader<T> implements SourceReader<T, FileSplit> {
  readonly #options: FileReaderOptions<T>
  readonly #context: ReaderContext
  readonly #malformed: Counter
  readonly #ahead: ReadAhead<T>
  readonly #splits: OpenSplit<T>[] = []
  /** What is being collected from; null between blocks. */
  #block: QueuedBlock<T> | null = null
  #text = ''
  #output!: SplitOutput<T>
  /** Where in the text a record is that fails the job; nothing is collected any more. */
  #failedAt: number | null = null
  #hasAllSplits = false

  constructor(options: FileReaderOptions<T>, context: ReaderContext) {
    this.#options = options
    this.#context = context
    this.#malformed = context.metrics.counter('malformed_records_total')
    this.#ahead = new ReadAhead({
      ...options,
      blocksMax: BLOCKS_MAX,
      onBlock: () => context.wake(),
      onDrained: () => {
        if (!this.#hasAllSplits) context.requestSplit()
      },
      onError: (error) => context.fail(error),
    })
  }

  addSplits(splits: readonly FileSplit[]): void {
    for (const split of splits) {
      const open: OpenSplit<T> = { split, decoder: null }
      this.#splits.push(open)
      this.#ahead.add(open)
    }
  }

  noMoreSplits(): void {
    this.#hasAllSplits = true
  }

  poll(output: ReaderOutput<T>, recordsMax: number): PollResult {
    if (this.#failedAt !== null) return 'idle'
    if (this.#block === null) {
      const block = this.#ahead.take()
      if (block === undefined) return this.#hasAllSplits && this.#splits.length === 0 ? 'end' : 'idle'
      this.#output = output.ofSplit(block.open.split.id)
      this.#begin(block)
    }
    if (!this.#collect(recordsMax)) return 'more'
    return this.#finishBlock(output) ? 'more' : 'idle'
  }

  snapshot(): FileSplit[] {
    return this.#splits.map(({ split }, i) =>
      i === 0 && this.#block !== null ? { ...split, position: this.#position(), isAligned: true } : split,
    )
  }

  close(): Promise<void> {
    return this.#ahead.close()
  }

  #begin(block: QueuedBlock<T>): void {
    const bytes = withoutByteOrderMark(block.open.split.path, block.bytes, block.offset)
    this.#block = block
    this.#text = bytes.toString(isAscii(bytes) ? 'latin1' : 'utf8')
    block.open.decoder!.begin(this.#text, block.isLast)
  }

  /** Collects records; true if the block has no more whole ones. */
  #collect(recordsMax: number): boolean {
    const decoder = this.#block!.open.decoder!
    const output = this.#output
    for (let count = 0; count < recordsMax; count++) {
      const from = decoder.position
      try {
        if (!decoder.read()) return true
      } catch (error) {
        if (!this.#isSkipped(error, from)) return false
        continue
      }
      if (!decoder.isBlank) output.collect(decoder.value)
    }
    return false
  }

  /** Goes on behind a block that has been collected; false if what follows is not there yet. */
  #finishBlock(output: ReaderOutput<T>): boolean {
    const block = this.#block!
    const { open, bytes, offset } = block
    if (block.isLast) {
      this.#splits.shift()
      output.releaseSplit(open.split.id)
      this.#block = null
      return true
    }
    const position = this.#position()
    const rest = bytes.subarray(position - offset)
    this.#checkLength(rest.length, position)
    const next = this.#ahead.take()
    if (next === undefined) return false
    // What is left is the beginning of a record that goes on in the next block.
    const joined = rest.length === 0 ? next.bytes : Buffer.concat([rest, next.bytes])
    this.#begin({ ...next, bytes: joined, offset: position })
    return true
  }

  /** Where in the file the next record begins. */
  #position(): number {
    const { bytes, offset, open } = this.#block!
    const textPosition = this.#failedAt ?? open.decoder!.position
    return textPosition === this.#text.length
      ? offset + bytes.length
      : offset + indexAfterLines(bytes, lineCount(this.#text, textPosition))
  }

  #isSkipped(error: unknown, textPosition: number): boolean {
    if (!(error instanceof MalformedRecord)) throw error
    this.#malformed.increment()
    const { path } = this.#block!.open.split
    if (this.#options.onError === 'skip') {
      if (this.#malformed.value === 1) {
        this.#context.log.warn('malformed records are skipped and counted; this is the first', {
          path,
          error,
        })
      }
      return true
    }
    this.#failedAt = textPosition
    const position = this.#position()
    countLines(path, position).then(
      (lines) => this.#context.fail(malformed(path, lines + 1, position, error)),
      (readError) => this.#context.fail(readError),
    )
    return false
  }

  #checkLength(length: number, position: number): void {
    const { recordBytesMax } = this.#options
    if (length <= recordBytesMax) return
    const { path } = this.#block!.open.split
    throw new SluiceError(
      'RECORD_TOO_LARGE',
      `${path}: the record at byte ${position} is longer than ${formatBytes(recordBytesMax)} (recordBytesMax); is a quote not closed?`,
    )
  }
}

/** Lines are counted from 1, as editors do. */
function malformed(path: string, line: number, position: number, error: MalformedRecord): SluiceError {
  return new SluiceError('DECODE_FAILED', `${path}, line ${line}: ${error.message}`, {
    cause: error,
    details: { path, line, position },
  })
}

function lineCount(text: string, end: number): number {
  let count = 0
  for (let at = text.indexOf('\n'); at >= 0 && at < end; at = text.indexOf('\n', at + 1)) count++
  return count
}

/** Behind the given number of line ends. */
function indexAfterLines(bytes: Buffer, count: number): number {
  let index = 0
  for (; count > 0; count--) index = bytes.indexOf(LINE_FEED, index) + 1
  return index
}
