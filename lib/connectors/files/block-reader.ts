/**
 * Reads one split in blocks that begin at the beginning of a line and end at the end of one, so that characters and
 * (in most formats) records are never cut. The last block of a split reaches to the end of the last line that begins
 * before the split's end, however far that is.
 */
import { SluiceError } from '../../base/errors.ts'
import { formatBytes } from '../../base/units.ts'
import { type ByteSource, openByteSource } from './byte-source.ts'
import { END_UNKNOWN, type FileSplit } from './file-split.ts'

export interface Block {
  readonly bytes: Buffer
  /** Where in the file the bytes begin. */
  readonly offset: number
  /** Nothing of the split follows. */
  readonly isLast: boolean
}

export interface BlockReaderOptions {
  readonly blockBytes: number
  /** A line longer than this fails the job: it would have to be held in memory. */
  readonly recordBytesMax: number
  /** The file's first line is a header: it is given apart, and blocks begin after it. */
  readonly hasHeader: boolean
}

const LINE_FEED = 10
/** Beyond the end of a split, where its last line probably ends. */
const OVERLAP_BYTES = 4096

export class BlockReader {
  /** The file's first line without its end, if it has a header. */
  readonly header: string | null
  readonly #split: FileSplit
  readonly #source: ByteSource
  readonly #options: BlockReaderOptions
  /** Bytes of a line that has begun. */
  #rest: Buffer = Buffer.alloc(0)
  /** Where in the file `#rest` begins. */
  #offset: number
  #isAligned: boolean

  private constructor(
    split: FileSplit,
    source: ByteSource,
    options: BlockReaderOptions,
    from: number,
    header: string | null,
  ) {
    this.#split = split
    this.#source = source
    this.#options = options
    this.#offset = from
    this.#isAligned = split.isAligned
    this.header = header
  }

  static async open(split: FileSplit, options: BlockReaderOptions): Promise<BlockReader> {
    const header = options.hasHeader ? await readHeader(split.path, options) : null
    const start = Math.max(split.position, header?.end ?? 0)
    // One byte earlier: a line that begins exactly where the file was cut is this split's.
    const from = split.isAligned ? start : start - 1
    return new BlockReader(split, await openByteSource(split.path, from), options, from, header?.text ?? null)
  }

  /** The next block; the one that is last comes even if there is nothing in it. */
  async next(): Promise<Block> {
    if (!this.#isAligned) await this.#align()
    if (this.#offset >= this.#split.end) return { bytes: Buffer.alloc(0), offset: this.#offset, isLast: true }
    let buffer = Buffer.allocUnsafeSlow(Math.max(this.#options.blockBytes, 2 * this.#rest.length))
    let length = this.#rest.copy(buffer)
    for (;;) {
      const wanted = Math.min(buffer.length - length, this.#bytesLeft(length) + OVERLAP_BYTES)
      const count = await this.#source.read(buffer, length, wanted)
      length += count
      const block = this.#cut(buffer.subarray(0, length), count === 0)
      if (block !== null) return block
      if (length < buffer.length) continue
      this.#checkLineLength(length)
      const larger = Buffer.allocUnsafeSlow(2 * buffer.length)
      buffer.copy(larger, 0, 0, length)
      buffer = larger
    }
  }

  close(): Promise<void> {
    return this.#source.close()
  }

  /** Leaves the line in which the file was cut to the split before. */
  async #align(): Promise<void> {
    const buffer = Buffer.allocUnsafeSlow(OVERLAP_BYTES)
    this.#isAligned = true
    for (;;) {
      const bytes = buffer.subarray(0, await this.#source.read(buffer, 0, buffer.length))
      const lineEnd = bytes.indexOf(LINE_FEED)
      const skipped = lineEnd < 0 ? bytes.length : lineEnd + 1
      this.#offset += skipped
      this.#rest = bytes.subarray(skipped)
      if (lineEnd >= 0 || bytes.length === 0) return
    }
  }

  /** A block out of the bytes at hand, if they have the end of a line or the end of the split; keeps the rest. */
  #cut(bytes: Buffer, isEndOfFile: boolean): Block | null {
    const { end } = this.#split
    const reached = this.#offset + bytes.length
    if (isEndOfFile && reached < end && end !== END_UNKNOWN) throw this.#shrunk(reached)
    if (reached >= end) {
      const lastEnd = bytes.indexOf(LINE_FEED, end - 1 - this.#offset)
      if (lastEnd >= 0) return this.#block(bytes, lastEnd + 1, true)
    }
    if (isEndOfFile) return this.#block(bytes, bytes.length, true)
    if (reached >= end && bytes.length < this.#options.blockBytes) return null
    const lineEnd = bytes.lastIndexOf(LINE_FEED)
    return lineEnd < 0 ? null : this.#block(bytes, lineEnd + 1, false)
  }

  #block(bytes: Buffer, length: number, isLast: boolean): Block {
    const block = { bytes: bytes.subarray(0, length), offset: this.#offset, isLast }
    this.#rest = bytes.subarray(length)
    this.#offset += length
    return block
  }

  #bytesLeft(length: number): number {
    return Math.max(0, this.#split.end - (this.#offset + length))
  }

  #checkLineLength(length: number): void {
    if (length > this.#options.recordBytesMax)
      throw tooLong(this.#split.path, this.#offset, this.#options.recordBytesMax)
  }

  #shrunk(found: number): SluiceError {
    const { path, end } = this.#split
    return new SluiceError(
      'CONNECTOR_FAILED',
      `${path}: expected at least ${end} bytes, found ${found}: the file was changed while it was being read`,
    )
  }
}

/** The first line, and where the second begins. */
async function readHeader(path: string, options: BlockReaderOptions): Promise<{ text: string; end: number }> {
  const source = await openByteSource(path, 0)
  let bytes = Buffer.allocUnsafe(OVERLAP_BYTES)
  let length = 0
  try {
    for (;;) {
      const count = await source.read(bytes, length, bytes.length - length)
      length += count
      const lineEnd = bytes.subarray(0, length).indexOf(LINE_FEED)
      if (lineEnd >= 0 || count === 0) {
        const text = withoutByteOrderMark(
          path,
          bytes.subarray(0, lineEnd < 0 ? length : lineEnd),
          0,
        ).toString()
        return { text: text.replace(/\r$/, ''), end: lineEnd < 0 ? length : lineEnd + 1 }
      }
      if (length > options.recordBytesMax) throw tooLong(path, 0, options.recordBytesMax)
      if (length === bytes.length) bytes = Buffer.concat([bytes, Buffer.allocUnsafe(length)])
    }
  } finally {
    await source.close()
  }
}

/** UTF-8 needs no byte order mark, but some programs write one. Text in UTF-16 is refused. */
export function withoutByteOrderMark(path: string, bytes: Buffer, offset: number): Buffer {
  if (offset > 0 || bytes.length < 2) return bytes
  if (bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf) return bytes.subarray(3)
  if ((bytes[0] === 0xff && bytes[1] === 0xfe) || (bytes[0] === 0xfe && bytes[1] === 0xff)) {
    throw new SluiceError('DECODE_FAILED', `${path} is text in UTF-16; convert it to UTF-8`)
  }
  return bytes
}

function tooLong(path: string, offset: number, recordBytesMax: number): SluiceError {
  return new SluiceError(
    'RECORD_TOO_LARGE',
    `${path}: the record at byte ${offset} is longer than ${formatBytes(recordBytesMax)} (recordBytesMax)`,
  )
}
