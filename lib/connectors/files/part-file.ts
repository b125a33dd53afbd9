/**
 * One part on disk. Records are encoded into a buffer at once; full buffers, and everything else that touches the
 * disk, happen one after the other in the background. The first thing that fails is reported, and nothing after it is
 * tried.
 */
import type { FileHandle } from 'node:fs/promises'
import { copyFile, mkdir, open, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { Part } from './bucket.ts'
import { fileError } from './file-error.ts'
import { hiddenPath } from './part-path.ts'
import type { WriteBudget } from './write-budget.ts'

/** How the file comes to be. */
export type PartBeginning =
  | { readonly kind: 'new' }
  /** It is there, with records after `length` that do not count. */
  | { readonly kind: 'resumed'; readonly length: number }
  /** As resumed, but the file there belongs to another job, which may still be using it. */
  | { readonly kind: 'copied'; readonly length: number; readonly from: string }

export interface PartFileOptions {
  readonly finalPath: string
  readonly budget: WriteBudget
  /** The first line of a new file. */
  readonly header: string | null
  onError(error: unknown): void
}

const BUFFER_BYTES = 64 * 1024
/** UTF-8 takes at most so many bytes for a UTF-16 code unit. */
const BYTES_PER_UNIT_MAX = 3
const LINE_FEED = 10

export class PartFile implements Part {
  readonly finalPath: string
  sizeBytes: number
  readonly #path: string
  readonly #options: PartFileOptions
  #handle: FileHandle | null = null
  #buffer: Buffer | null = null
  #used = 0
  /** Where in the file the buffer goes. */
  #position: number
  #isDirty = true
  #last: Promise<void>
  #closed: Promise<void> | null = null

  constructor(options: PartFileOptions, beginning: PartBeginning) {
    this.finalPath = options.finalPath
    this.#path = hiddenPath(options.finalPath)
    this.#options = options
    this.sizeBytes = beginning.kind === 'new' ? 0 : beginning.length
    this.#position = this.sizeBytes
    this.#last = this.#guarded(this.#open(beginning))
    if (beginning.kind === 'new' && options.header !== null) this.append(options.header)
  }

  append(record: string): void {
    const bytesMax = record.length * BYTES_PER_UNIT_MAX + 1
    if (this.#buffer !== null && this.#buffer.length - this.#used < bytesMax) this.#send()
    this.#buffer ??= Buffer.allocUnsafeSlow(Math.max(BUFFER_BYTES, bytesMax))
    const buffer = this.#buffer
    const count = buffer.write(record, this.#used)
    buffer[this.#used + count] = LINE_FEED
    this.#used += count + 1
    this.sizeBytes += count + 1
    if (this.#used >= BUFFER_BYTES) this.#send()
  }

  /** Resolves when everything appended so far is on the disk; that the disk knows the file's name is another matter. */
  flush(): Promise<void> {
    this.#send()
    return this.#then(async (handle) => {
      if (!this.#isDirty) return
      await handle.datasync()
      this.#isDirty = false
    })
  }

  close(): void {
    this.#closed ??= this.flush().then(() => this.#release())
    this.#closed.catch(() => {})
  }

  /** Resolves when the file is complete and closed. */
  closed(): Promise<void> {
    this.close()
    return this.#closed!
  }

  /** Lets go of the file without finishing it; with `isRemoved` it is removed, if that can be done. */
  async abandon(isRemoved: boolean): Promise<void> {
    await this.#last.catch(() => {})
    await this.#release()
    if (isRemoved) await rm(this.#path, { force: true }).catch(() => {})
  }

  /** Hands the buffer to the background. */
  #send(): void {
    const buffer = this.#buffer
    if (buffer === null || this.#used === 0) return
    const [length, position] = [this.#used, this.#position]
    const { budget } = this.#options
    this.#buffer = null
    this.#used = 0
    this.#position += length
    budget.take(length)
    this.#then((handle) => {
      this.#isDirty = true
      return writeAll(handle, buffer, length, position)
    })
      .catch(() => {})
      .finally(() => budget.give(length))
  }

  #then(work: (handle: FileHandle) => Promise<void>): Promise<void> {
    this.#last = this.#last.then(() => this.#guarded(work(this.#handle!)))
    this.#last.catch(() => {})
    return this.#last
  }

  async #guarded(work: Promise<void>): Promise<void> {
    try {
      await work
    } catch (thrown) {
      const error = fileError('write', this.#path, thrown)
      this.#options.onError(error)
      throw error
    }
  }

  async #open(beginning: PartBeginning): Promise<void> {
    if (beginning.kind !== 'resumed') await mkdir(dirname(this.#path), { recursive: true })
    if (beginning.kind === 'copied') await copyFile(beginning.from, this.#path)
    this.#handle = await open(this.#path, beginning.kind === 'new' ? 'wx' : 'r+')
    if (beginning.kind !== 'new') await this.#handle.truncate(beginning.length)
  }

  async #release(): Promise<void> {
    const handle = this.#handle
    this.#handle = null
    await handle?.close()
  }
}

async function writeAll(handle: FileHandle, buffer: Buffer, length: number, position: number): Promise<void> {
  for (let done = 0; done < length; ) {
    const { bytesWritten } = await handle.write(buffer, done, length - done, position + done)
    done += bytesWritten
  }
}
