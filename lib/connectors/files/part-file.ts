/**
 * One part on disk. Records are gathered as text; encoding a long text at once costs a fraction of encoding each
 * record. Everything that touches the disk happens in the background, one thing after the other. The first that fails
 * is reported, and nothing after it is tried.
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

/** So much text is worth a write. */
const TEXT_LENGTH = 64 * 1024
/** What a file that is being closed counts for: who opens and closes many must not have them all open at once. */
const CLOSE_COST_BYTES = 64 * 1024

export class PartFile implements Part {
  readonly finalPath: string
  readonly #path: string
  readonly #options: PartFileOptions
  #handle: FileHandle | null = null
  /** Not sent to the background yet. */
  #text = ''
  /** Where in the file the text goes. */
  #position: number
  #isDirty = true
  #last: Promise<void>
  #closed: Promise<void> | null = null

  constructor(options: PartFileOptions, beginning: PartBeginning) {
    this.finalPath = options.finalPath
    this.#path = hiddenPath(options.finalPath)
    this.#options = options
    this.#position = beginning.kind === 'new' ? 0 : beginning.length
    this.#last = this.#guarded(this.#open(beginning))
    // It has been reported, and comes again out of whatever is tried next.
    this.#last.catch(() => {})
    if (beginning.kind === 'new' && options.header !== null) this.append(options.header)
  }

  /** Of text that is not encoded yet, each character counts as a byte; exact after a flush. */
  get sizeBytes(): number {
    return this.#position + this.#text.length
  }

  append(record: string): void {
    this.#text += `${record}\n`
    if (this.#text.length >= TEXT_LENGTH) this.#send()
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
    if (this.#closed !== null) return
    const { budget } = this.#options
    budget.take(CLOSE_COST_BYTES)
    this.#closed = this.flush().then(() => this.#release())
    this.#closed.catch(() => {}).finally(() => budget.give(CLOSE_COST_BYTES))
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

  /** Hands the text to the background. */
  #send(): void {
    if (this.#text === '') return
    const bytes = Buffer.from(this.#text)
    const position = this.#position
    const { budget } = this.#options
    this.#text = ''
    this.#position += bytes.length
    budget.take(bytes.length)
    this.#then((handle) => {
      this.#isDirty = true
      return writeAll(handle, bytes, position)
    })
      .catch(() => {})
      .finally(() => budget.give(bytes.length))
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

async function writeAll(handle: FileHandle, bytes: Buffer, position: number): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    const { bytesWritten } = await handle.write(bytes, done, bytes.length - done, position + done)
    done += bytesWritten
  }
}
