/**
 * Where the working state of slots lives on local disk: one directory per process under a root, with one database per
 * slot and job attempt, and one folder per slot for copies of what is in checkpoints. Nothing in it outlives its
 * process: what dead ones have left is removed when a node starts.
 */
import { mkdir, readdir, rm, rmdir } from 'node:fs/promises'
import { hostname } from 'node:os'
import { dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { Clock } from '../base/clock.ts'
import { newId, toToken } from '../base/ids.ts'
import type { BlobStore } from './blob-store.ts'
import { ChecksummedBlobStore } from './checksummed-blob-store.ts'
import { FileBlobStore } from './file-blob-store.ts'
import type { KeyValueStore } from './key-value-store.ts'
import { LevelStore } from './level-store.ts'

/** Of the memory of a slot, for blocks read from disk. */
const BLOCK_CACHE_SHARE = 1 / 8
/** Of the memory of a slot, for what is being written, which there can be two of. */
const WRITE_BUFFER_SHARE = 1 / 16
const WRITE_BUFFER_BYTES = { min: 64 * 2 ** 10, max: 64 * 2 ** 20 }

/** What LevelDB leaves of the memory of a slot. */
export const CACHE_SHARE = 1 - BLOCK_CACHE_SHARE - 2 * WRITE_BUFFER_SHARE

/** A store for one slot and attempt; it removes itself when it is closed. Throws STORAGE_UNUSABLE. */
export async function openWorkingState(root: string, memoryBytes: number): Promise<KeyValueStore> {
  const directory = directoryOf(root)
  await mkdir(directory, { recursive: true }).catch(() => {})
  const { min, max } = WRITE_BUFFER_BYTES
  const store = await LevelStore.open(join(directory, newId()), {
    blockCacheBytes: Math.round(memoryBytes * BLOCK_CACHE_SHARE),
    writeBufferBytes: Math.round(Math.min(Math.max(memoryBytes * WRITE_BUFFER_SHARE, min), max)),
  })
  return {
    get: (key) => store.get(key),
    getMany: (keys, done) => store.getMany(keys, done),
    write: (batch, done) => store.write(batch, done),
    clear: (range) => store.clear(range),
    scan: (range, pageRows) => store.scan(range, pageRows),
    snapshot: () => store.snapshot(),
    close: async () => {
      await store.close()
      // The last one of the process takes the directory along.
      await rmdir(directory).catch(() => {})
    },
  }
}

/** A store for copies of blobs that a slot has stored elsewhere; it removes itself when it is closed. */
export function openCopies(root: string, slot: number, clock: Clock): BlobStore {
  const directory = join(directoryOf(root), `${copiesOf(slot)}${newId()}`)
  const store = new ChecksummedBlobStore(new FileBlobStore(pathToFileURL(directory).href, clock, 'volatile'))
  const close = store.close.bind(store)
  store.close = async () => {
    await close()
    await rm(directory, { recursive: true, force: true }).catch(() => {})
    await rmdir(dirname(directory)).catch(() => {})
  }
  return store
}

/** Removes what a thread that ran the slot before, in this process, has left. */
export async function removeLeftOverCopies(root: string, slot: number): Promise<void> {
  const directory = directoryOf(root)
  const names = await readdir(directory).catch(() => [])
  for (const name of names.filter((each) => each.startsWith(copiesOf(slot))))
    await rm(join(directory, name), { recursive: true, force: true }).catch(() => {})
}

/** Removes what processes of this host that are no more have left under `root`. */
export async function removeLeftOverState(root: string): Promise<void> {
  const names = await readdir(root).catch(() => [])
  const prefix = `${toToken(hostname())}-`
  for (const name of names) {
    const pid = Number(name.slice(prefix.length))
    if (!name.startsWith(prefix) || !Number.isSafeInteger(pid) || isAlive(pid)) continue
    await rm(join(root, name), { recursive: true, force: true }).catch(() => {})
  }
}

const copiesOf = (slot: number): string => `copies-${slot}-`

function directoryOf(root: string): string {
  return join(root, `${toToken(hostname())}-${process.pid}`)
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    // It may belong to another user.
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}
