/**
 * Blobs as files under one directory, which all hosts of a cluster must share (local disk for one host, NFS or the
 * like for several). A put writes a hidden file beside the target, forces it to disk, renames it and forces the
 * directories to disk: when it resolves, the blob survives a power failure, as far as disk and file system keep
 * their word. A directory on Windows cannot be forced; there the rename may be lost, never half done.
 *
 * What need not outlive its process can be `volatile`: then nothing is forced to disk.
 *
 * F1  Only whole files get a name that `list` and `get` know: hidden ones begin with a dot, blob paths never do.
 * F2  A hidden file holds its directory in place, so the pruning of empty directories by somebody else's delete
 *     can only strike before it exists; then the directory is made again, a bounded number of times.
 * F3  "First" is decided by link(2), which fails when the name exists. Its answer may get lost on NFS, so a refusal
 *     counts as success when the name already leads to our own file.
 */
import {
  type FileHandle,
  link,
  mkdir,
  open,
  readdir,
  readFile,
  rename,
  rmdir,
  stat,
  unlink,
} from 'node:fs/promises'
import { dirname, join, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Clock } from '../base/clock.ts'
import { SluiceError } from '../base/errors.ts'
import { newId } from '../base/ids.ts'
import type { BlobEntry } from './blob-store.ts'
import { BlobStoreTemplate, type Diagnosis } from './blob-store-template.ts'

/** Written at once; a put that is given up ends after it. */
const WRITE_BYTES = 2 ** 20

/** How often a directory is made again that vanishes before it is used (F2). */
const DIRECTORY_ATTEMPTS_MAX = 10
const HIDDEN_FILE = /^\.sluice-\w+\.tmp$/

const WRITABLE = 'give the user that runs Sluice the right to write there, or choose another directory'
const REASONS: Record<string, Diagnosis> = {
  EACCES: { reason: 'permission denied', advice: WRITABLE },
  EPERM: { reason: 'operation not permitted', advice: WRITABLE },
  EROFS: { reason: 'the file system is read-only', advice: WRITABLE },
  ENOTDIR: {
    reason: 'a file is where a directory is needed',
    advice: 'remove it, or choose another directory',
  },
  EEXIST: {
    reason: 'a file is where a directory is needed',
    advice: 'remove it, or choose another directory',
  },
  EISDIR: {
    reason: 'a directory has this name',
    advice: 'a blob cannot be called like the folder of another',
  },
  ENOSPC: { reason: 'the disk is full' },
  EDQUOT: { reason: 'the disk quota is used up' },
}

export class FileBlobStore extends BlobStoreTemplate {
  readonly #clock: Clock
  readonly #root: string
  readonly #isForced: boolean

  /** `uri`: `file:///absolute/directory`; made on the first put. Throws CONFIG_INVALID for anything else. */
  constructor(uri: string, clock: Clock, durability: 'durable' | 'volatile' = 'durable') {
    super(uri)
    this.#clock = clock
    this.#root = directoryOf(uri)
    this.#isForced = durability === 'durable'
  }

  protected override async _put(
    path: string,
    parts: readonly Uint8Array[],
    signal: AbortSignal,
  ): Promise<void> {
    const file = this.#fileOf(path)
    const hidden = await this.#writeHidden(file, parts, signal)
    try {
      signal.throwIfAborted()
      await rename(hidden, file)
    } catch (error) {
      await unlink(hidden).catch(() => {})
      throw error
    }
    await this.#syncUp(dirname(file), this.#root)
  }

  protected override async _putIfAbsent(
    path: string,
    parts: readonly Uint8Array[],
    signal: AbortSignal,
  ): Promise<boolean> {
    const file = this.#fileOf(path)
    if (await exists(file)) return false
    const hidden = await this.#writeHidden(file, parts, signal)
    try {
      signal.throwIfAborted()
      if (!(await linkFirst(hidden, file))) return false
    } finally {
      await unlink(hidden).catch(() => {})
    }
    await this.#syncUp(dirname(file), this.#root)
    return true
  }

  protected override async _get(path: string): Promise<Uint8Array | undefined> {
    const content = await orUndefined(readFile(this.#fileOf(path)))
    return content && new Uint8Array(content.buffer, content.byteOffset, content.length)
  }

  protected override async _getRange(
    path: string,
    offset: number,
    length: number,
  ): Promise<Uint8Array | undefined> {
    const handle = await orUndefined(open(this.#fileOf(path), 'r'))
    if (handle === undefined) return undefined
    try {
      const { size } = await handle.stat()
      return await readPart(handle, offset, Math.max(0, Math.min(length, size - offset)))
    } finally {
      await handle.close()
    }
  }

  protected override async _list(prefix: string): Promise<BlobEntry[]> {
    const entries: BlobEntry[] = []
    for await (const { path, isHidden } of this.#walk(prefix.slice(0, prefix.lastIndexOf('/') + 1))) {
      if (isHidden || !path.startsWith(prefix)) continue
      const found = await orUndefined(stat(this.#fileOf(path)))
      if (found === undefined) continue
      entries.push({ path, byteLength: found.size, modifiedMs: Math.floor(found.mtimeMs) })
    }
    return entries
  }

  protected override async _delete(path: string): Promise<void> {
    const file = this.#fileOf(path)
    if ((await orUndefined(unlink(file).then(() => true))) === undefined) return
    await this.#prune(dirname(file))
  }

  protected override async _removeLeftovers(ageMs: number): Promise<void> {
    for await (const { path, isHidden } of this.#walk('')) {
      if (!isHidden) continue
      const file = this.#fileOf(path)
      const found = await orUndefined(stat(file))
      if (found !== undefined && found.mtimeMs < this.#clock.now() - ageMs) await orUndefined(unlink(file))
    }
  }

  protected override _diagnose(error: NodeJS.ErrnoException): Diagnosis {
    return REASONS[error.code ?? ''] ?? { reason: error.message }
  }

  #fileOf(path: string): string {
    return join(this.#root, ...path.split('/'))
  }

  /** The content in a hidden file beside `file`, on disk. */
  async #writeHidden(file: string, parts: readonly Uint8Array[], signal: AbortSignal): Promise<string> {
    const hidden = join(dirname(file), `.sluice-${newId()}.tmp`)
    const handle = await this.#create(hidden)
    try {
      for (const part of parts) {
        for (let offset = 0; offset < part.length; offset += WRITE_BYTES) {
          signal.throwIfAborted()
          await writeChunk(handle, part.subarray(offset, offset + WRITE_BYTES))
        }
      }
      if (this.#isForced) await handle.sync()
    } catch (error) {
      await handle.close()
      await unlink(hidden).catch(() => {})
      throw error
    }
    await handle.close()
    return hidden
  }

  async #create(hidden: string): Promise<FileHandle> {
    for (let attempt = 1; ; attempt++) {
      try {
        const made = await mkdir(dirname(hidden), { recursive: true })
        if (made !== undefined && this.#root.startsWith(made))
          await this.#syncUp(dirname(this.#root), dirname(made))
        return await open(hidden, 'wx')
      } catch (error) {
        if (!isAbsent(error) || attempt === DIRECTORY_ATTEMPTS_MAX) throw error
      }
    }
  }

  /** All files below a folder of blobs, by path from the root; what vanishes meanwhile is left out. */
  async *#walk(folder: string): AsyncGenerator<{ path: string; isHidden: boolean }> {
    const entries = await orUndefined(readdir(this.#fileOf(folder), { withFileTypes: true }))
    for (const entry of entries ?? []) {
      const path = folder + entry.name
      const isHidden = HIDDEN_FILE.test(entry.name)
      if (entry.isFile() && (isHidden || !entry.name.startsWith('.'))) yield { path, isHidden }
      else if (entry.isDirectory() && !entry.name.startsWith('.')) yield* this.#walk(`${path}/`)
    }
  }

  /** From a directory up to one above it: somebody else may just have made one of them and not forced it yet. */
  async #syncUp(deepest: string, highest: string): Promise<void> {
    if (!this.#isForced) return
    for (let directory = deepest; ; directory = dirname(directory)) {
      await syncDirectory(directory)
      if (directory === highest) return
    }
  }

  /** Directories that have become empty; the first that is not, or that somebody else removed, ends it. */
  async #prune(deepest: string): Promise<void> {
    for (let directory = deepest; directory !== this.#root; directory = dirname(directory)) {
      try {
        await rmdir(directory)
      } catch {
        return
      }
    }
  }
}

function directoryOf(uri: string): string {
  try {
    const path = fileURLToPath(uri)
    return path.length > 1 && path.endsWith(sep) ? path.slice(0, -1) : path
  } catch (error) {
    throw new SluiceError(
      'CONFIG_INVALID',
      `expected "file:///absolute/directory", found ${JSON.stringify(uri)}`,
      {
        cause: error,
      },
    )
  }
}

/** F3. */
async function linkFirst(hidden: string, file: string): Promise<boolean> {
  try {
    await link(hidden, file)
    return true
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'EEXIST') return isSameFile(hidden, file)
    if (code !== 'EPERM' && code !== 'ENOTSUP' && code !== 'ENOSYS') throw error
    throw new SluiceError(
      'STORAGE_UNUSABLE',
      `the file system of ${dirname(file)} has no hard links (${code}), which decide who was first; use another`,
      { cause: error },
    )
  }
}

async function isSameFile(a: string, b: string): Promise<boolean> {
  const [left, right] = await Promise.all([orUndefined(stat(a)), orUndefined(stat(b))])
  return left !== undefined && right !== undefined && left.ino === right.ino && left.dev === right.dev
}

async function readPart(handle: FileHandle, offset: number, length: number): Promise<Uint8Array> {
  const part = new Uint8Array(length)
  let filled = 0
  while (filled < length) {
    const { bytesRead } = await handle.read(part, filled, length - filled, offset + filled)
    if (bytesRead === 0) throw new Error(`the file ends ${length - filled} bytes early`)
    filled += bytesRead
  }
  return part
}

async function writeChunk(handle: FileHandle, chunk: Uint8Array): Promise<void> {
  let written = 0
  while (written < chunk.length) {
    const { bytesWritten } = await handle.write(chunk, written, chunk.length - written)
    written += bytesWritten
  }
}

async function syncDirectory(directory: string): Promise<void> {
  if (process.platform === 'win32') return
  const handle = await orUndefined(open(directory, 'r'))
  if (handle === undefined) return
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

async function exists(file: string): Promise<boolean> {
  return (await orUndefined(stat(file))) !== undefined
}

/** The result, or undefined when there is nothing (or a directory) of that name. */
async function orUndefined<T>(call: Promise<T>): Promise<T | undefined> {
  try {
    return await call
  } catch (error) {
    if (isAbsent(error)) return undefined
    throw error
  }
}

function isAbsent(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException
  return code === 'ENOENT' || code === 'ENOTDIR' || code === 'EISDIR'
}
