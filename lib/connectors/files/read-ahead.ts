/**
 * Reads the blocks of splits, one split after the other, into a bounded queue beside the task that takes them out.
 * At the bound it waits until one is taken.
 */
import { SluiceError } from '../../base/errors.ts'
import { type Block, BlockReader, type BlockReaderOptions } from './block-reader.ts'
import { type FileFormat, MalformedRecord, type RecordDecoder } from './file-format.ts'
import type { FileSplit } from './file-split.ts'

/** A split in hand, and where it goes on. */
export interface OpenSplit<T> {
  split: FileSplit
  /** There from the split's first block on. */
  decoder: RecordDecoder<T> | null
}

export interface QueuedBlock<T> extends Block {
  readonly open: OpenSplit<T>
}

export interface ReadAheadOptions<T> extends Omit<BlockReaderOptions, 'hasHeader'> {
  readonly format: FileFormat<T>
  /** Blocks read and not taken. */
  readonly blocksMax: number
  onBlock(): void
  /** All splits have been read. */
  onDrained(): void
  onError(error: unknown): void
}

export class ReadAhead<T> {
  readonly #options: ReadAheadOptions<T>
  readonly #splits: OpenSplit<T>[] = []
  readonly #blocks: QueuedBlock<T>[] = []
  #isClosed = false
  #running: Promise<void> | null = null
  #onRoom: (() => void) | null = null

  constructor(options: ReadAheadOptions<T>) {
    this.#options = options
  }

  add(open: OpenSplit<T>): void {
    this.#splits.push(open)
    this.#running ??= this.#run()
  }

  take(): QueuedBlock<T> | undefined {
    const block = this.#blocks.shift()
    this.#onRoom?.()
    return block
  }

  async close(): Promise<void> {
    this.#isClosed = true
    this.#onRoom?.()
    await this.#running
  }

  async #run(): Promise<void> {
    try {
      for (let open = this.#splits.shift(); open !== undefined; open = this.#splits.shift()) {
        await this.#read(open)
        if (this.#isClosed) return
      }
      this.#running = null
      this.#options.onDrained()
    } catch (error) {
      if (!this.#isClosed) this.#options.onError(error)
    }
  }

  async #read(open: OpenSplit<T>): Promise<void> {
    const { format } = this.#options
    const reader = await BlockReader.open(open.split, { ...this.#options, hasHeader: format.hasHeader })
    try {
      open.decoder = newDecoder(format, reader.header, open.split.path)
      for (let isLast = false; !isLast; ) {
        await this.#room()
        if (this.#isClosed) return
        const block = await reader.next()
        isLast = block.isLast
        this.#blocks.push({ ...block, open })
        this.#options.onBlock()
      }
    } finally {
      await reader.close()
    }
  }

  async #room(): Promise<void> {
    while (this.#blocks.length >= this.#options.blocksMax && !this.#isClosed) {
      await new Promise<void>((resolve) => {
        this.#onRoom = resolve
      })
    }
  }
}

function newDecoder<T>(format: FileFormat<T>, header: string | null, path: string): RecordDecoder<T> {
  try {
    return format.newDecoder(header)
  } catch (error) {
    if (!(error instanceof MalformedRecord)) throw error
    throw new SluiceError('DECODE_FAILED', `${path}, line 1: ${error.message}`, {
      cause: error,
      details: { path, line: 1 },
    })
  }
}
