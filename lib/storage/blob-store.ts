/**
 * Where bundles of jobs, checkpoints and savepoints live: whole blobs under paths such as `jobs/q7c/chk-12/meta`.
 * Four stores keep the same promises (memory, file, JetStream, S3), and test/contracts/blob-store-contract.ts
 * holds each of them to every one.
 *
 * B1  A reader sees the old blob, the new one or none; never a part of one.
 * B2  What `put` has resolved for is there for every reader, and as durable as the store can make it; the header
 *     of each store says how far that is.
 * B3  Of several callers of `putIfAbsent` on one path exactly one gets `true`, and its content stays.
 * B4  `list` is complete: it has every blob that was there before the call and is there after it.
 *
 * A blob's path must not be the folder of another blob's (`a` beside `a/b`): a file system cannot hold both.
 */
import { SluiceError } from '../base/errors.ts'

/** One piece, or pieces that belong together in this order. Not to be changed until the call has settled. */
export type BlobContent = Uint8Array | readonly Uint8Array[]

export interface PutOptions {
  /** Gives up: the call rejects with the signal's reason, and B1 holds for what is left behind. */
  readonly signal?: AbortSignal
}

export interface BlobEntry {
  readonly path: string
  readonly byteLength: number
  /** Milliseconds since the epoch, by the clock of whoever keeps the blob; S3 knows whole seconds. */
  readonly modifiedMs: number
}

/** Calls that succeeded, calls that failed, and bytes of content. */
export interface BlobStoreStats {
  puts: number
  gets: number
  lists: number
  deletes: number
  failures: number
  bytesWritten: number
  bytesRead: number
}

export interface BlobStore {
  /** As it was given, without secrets. */
  readonly uri: string
  readonly stats: Readonly<BlobStoreStats>

  /**
   * Writes the blob or replaces it. When this fails the blob may be the old one or the new one.
   * Throws STORAGE_FAILED (worth a retry) or STORAGE_UNUSABLE (somebody must change something first).
   */
  put(path: string, content: BlobContent, options?: PutOptions): Promise<void>

  /**
   * Writes the blob unless there is one; `false` says that somebody was first. After an error it is open who was
   * first: whoever must know puts something of its own into the content and reads it back.
   */
  putIfAbsent(path: string, content: BlobContent, options?: PutOptions): Promise<boolean>

  /** The blob, in memory of its own. Throws BLOB_NOT_FOUND, CHECKPOINT_DAMAGED. */
  get(path: string): Promise<Uint8Array>

  /**
   * At most `length` bytes from `offset`; fewer, or none, where the blob ends before. Throws BLOB_NOT_FOUND.
   * Missing where a part cannot be checked on its own.
   */
  getRange?(path: string, offset: number, length: number): Promise<Uint8Array>

  /** All blobs whose path begins with `prefix` (a piece of text, not a folder; empty: all), ordered by path. */
  list(prefix: string): Promise<readonly BlobEntry[]>

  /** Resolves also when there is no such blob. */
  delete(path: string): Promise<void>

  /**
   * Writes, reads and deletes a probe, and removes what uploads that died a day ago or longer have left. Throws
   * STORAGE_UNUSABLE with the reason and what to do about it.
   */
  check(): Promise<void>

  close(): Promise<void>
}

const PATH_LENGTH_MAX = 512
const SEGMENT_LENGTH_MAX = 128

/** No segment begins with a dot: `..` is out, and stores have a place for files of their own. */
const SEGMENT = /^[A-Za-z0-9_-][A-Za-z0-9_.-]*$/

/** Paths reach us from metadata somebody else may have written, so a bad one is an error, not a bug. */
export function checkBlobPath(path: string): void {
  if (isBlobPath(path)) return
  throw new SluiceError(
    'STORAGE_UNUSABLE',
    `expected a blob path such as "a/b-c_1.d" (letters, digits, "_", "-", "." and "/"; no segment empty, longer ` +
      `than ${SEGMENT_LENGTH_MAX} or beginning with "."; at most ${PATH_LENGTH_MAX} characters), ` +
      `found ${JSON.stringify(path.slice(0, PATH_LENGTH_MAX))}`,
  )
}

/** A prefix is the beginning of a path: it may end anywhere, also with a slash. */
export function checkBlobPrefix(prefix: string): void {
  checkBlobPath(prefix === '' || prefix.endsWith('/') ? `${prefix}x` : prefix)
}

/** For stores that share their place with others and list what is not theirs as well. */
export function isBlobPath(path: string): boolean {
  return path.length <= PATH_LENGTH_MAX && path.split('/').every(isSegment)
}

export function zeroBlobStoreStats(): BlobStoreStats {
  return { puts: 0, gets: 0, lists: 0, deletes: 0, failures: 0, bytesWritten: 0, bytesRead: 0 }
}

function isSegment(segment: string): boolean {
  return segment.length <= SEGMENT_LENGTH_MAX && SEGMENT.test(segment)
}
