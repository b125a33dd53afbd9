/**
 * Finds the files of a path and deals out their splits, in the order of the files' names, to the readers that ask.
 * When watching, it looks again and again; which files it knows is part of its state, and is bounded: a file that is
 * no longer there is forgotten, and more than `filesMax` at a time fail the job.
 */
import type { EnumeratorContext, SplitEnumerator } from '../../function/source.ts'
import { t } from '../../types/t.ts'
import type { Type } from '../../types/type.ts'
import { fileError } from './file-error.ts'
import { isPattern, type ListedFile, listFiles } from './file-listing.ts'
import { FILE_SPLIT, type FileSplit, splitsOf } from './file-split.ts'

export interface FileEnumeratorState {
  /** Not dealt out yet. */
  readonly pending: readonly FileSplit[]
  /** Paths whose splits are pending, dealt out or read; only when watching. */
  readonly known: readonly string[]
}

export const FILE_ENUMERATOR_STATE: Type<FileEnumeratorState> = t.object({
  pending: t.list(FILE_SPLIT),
  known: t.list(t.string),
})

export interface FileEnumeratorOptions {
  /** Absolute. */
  readonly path: string
  /** Files larger than this are cut; Infinity for formats that cannot be. */
  readonly splitBytes: number
  /** How often to look for new files; null: once. */
  readonly watchMs: number | null
  readonly filesMax: number
}

export class FileEnumerator implements SplitEnumerator<FileEnumeratorState, FileSplit> {
  readonly #options: FileEnumeratorOptions
  readonly #context: EnumeratorContext<FileSplit>
  readonly #isRestored: boolean
  readonly #pending: FileSplit[]
  #known: Set<string>
  /** Readers that asked when nothing was pending. */
  readonly #waiting: number[] = []
  #timer: { cancel(): void } | null = null
  #isClosed = false

  constructor(
    options: FileEnumeratorOptions,
    context: EnumeratorContext<FileSplit>,
    restored: FileEnumeratorState | undefined,
  ) {
    this.#options = options
    this.#context = context
    this.#isRestored = restored !== undefined
    this.#pending = [...(restored?.pending ?? [])]
    this.#known = new Set(restored?.known)
  }

  async start(): Promise<void> {
    const { path, watchMs, filesMax } = this.#options
    if (watchMs === null && this.#isRestored) return
    const files = await listFiles(path, filesMax)
    if (files.length === 0 && watchMs === null && isPattern(path)) throw fileError('read', path, noMatch())
    if (this.#isClosed) return
    this.#take(files)
    this.#schedule()
  }

  onSplitRequest(subtaskIndex: number): void {
    const split = this.#pending.shift()
    if (split !== undefined) this.#context.assign(split, subtaskIndex)
    else if (this.#options.watchMs === null) this.#context.noMoreSplits(subtaskIndex)
    else if (!this.#waiting.includes(subtaskIndex)) this.#waiting.push(subtaskIndex)
  }

  addSplitsBack(splits: readonly FileSplit[]): void {
    this.#pending.unshift(...splits)
    this.#serveWaiting()
  }

  snapshot(): FileEnumeratorState {
    return { pending: [...this.#pending], known: [...this.#known] }
  }

  close(): void {
    this.#isClosed = true
    this.#timer?.cancel()
  }

  #take(files: readonly ListedFile[]): void {
    const { splitBytes, watchMs } = this.#options
    for (const file of files) {
      if (!this.#known.has(file.path)) this.#pending.push(...splitsOf(file, splitBytes))
    }
    // An empty file is not known yet: its content may come.
    if (watchMs !== null)
      this.#known = new Set(files.filter(({ sizeBytes }) => sizeBytes > 0).map(({ path }) => path))
    this.#serveWaiting()
  }

  #serveWaiting(): void {
    while (this.#pending.length > 0 && this.#waiting.length > 0) this.onSplitRequest(this.#waiting.shift()!)
  }

  #schedule(): void {
    const { watchMs } = this.#options
    if (watchMs === null) return
    this.#timer = this.#context.clock.schedule(watchMs, () => void this.#look())
  }

  async #look(): Promise<void> {
    try {
      const files = await listFiles(this.#options.path, this.#options.filesMax)
      if (this.#isClosed) return
      this.#take(files)
      this.#schedule()
    } catch (error) {
      if (!this.#isClosed) this.#context.fail(error)
    }
  }
}

function noMatch(): Error {
  return new Error('no file matches the pattern')
}
