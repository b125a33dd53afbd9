/**
 * Blobs that know whether they are whole: each ends with its length and a checksum, verified on every get, so that
 * a truncated file or a flipped bit is found before it is run as a job or restored as state.
 *
 * A blob = content, length (uint64), XXH32 of content (uint32), "SLC1"; little endian. Sizes in `list` are those of
 * the content. There is no `getRange`: a part cannot be checked on its own.
 */
import { SluiceError } from '../base/errors.ts'
import { partsOf } from './blob-content.ts'
import type { BlobContent, BlobEntry, BlobStore, BlobStoreStats, PutOptions } from './blob-store.ts'
import { Xxhash32 } from './xxhash32.ts'

const TRAILER_BYTES = 16
const MAGIC = 0x31434c53

export class ChecksummedBlobStore implements BlobStore {
  readonly #inner: BlobStore

  constructor(inner: BlobStore) {
    this.#inner = inner
  }

  get uri(): string {
    return this.#inner.uri
  }

  get stats(): Readonly<BlobStoreStats> {
    return this.#inner.stats
  }

  put(path: string, content: BlobContent, options?: PutOptions): Promise<void> {
    return this.#inner.put(path, withTrailer(content), options)
  }

  putIfAbsent(path: string, content: BlobContent, options?: PutOptions): Promise<boolean> {
    return this.#inner.putIfAbsent(path, withTrailer(content), options)
  }

  async get(path: string): Promise<Uint8Array> {
    const blob = await this.#inner.get(path)
    const damage = damageOf(blob)
    if (damage === undefined) return blob.subarray(0, blob.length - TRAILER_BYTES)
    throw new SluiceError('CHECKPOINT_DAMAGED', `the blob "${path}" in ${this.uri} is damaged: ${damage}`, {
      details: { path, uri: this.uri },
    })
  }

  async list(prefix: string): Promise<readonly BlobEntry[]> {
    const entries = await this.#inner.list(prefix)
    return entries.map((entry) => ({ ...entry, byteLength: Math.max(0, entry.byteLength - TRAILER_BYTES) }))
  }

  delete(path: string): Promise<void> {
    return this.#inner.delete(path)
  }

  check(): Promise<void> {
    return this.#inner.check()
  }

  close(): Promise<void> {
    return this.#inner.close()
  }
}

function withTrailer(content: BlobContent): readonly Uint8Array[] {
  const parts = partsOf(content)
  const hash = new Xxhash32()
  let byteLength = 0
  for (const part of parts) {
    hash.update(part)
    byteLength += part.length
  }
  const trailer = new DataView(new ArrayBuffer(TRAILER_BYTES))
  trailer.setBigUint64(0, BigInt(byteLength), true)
  trailer.setUint32(8, hash.digest(), true)
  trailer.setUint32(12, MAGIC, true)
  return [...parts, new Uint8Array(trailer.buffer)]
}

/** What is wrong with a blob, or undefined. */
function damageOf(blob: Uint8Array): string | undefined {
  const byteLength = blob.length - TRAILER_BYTES
  if (byteLength < 0) return `expected at least ${TRAILER_BYTES} bytes, found ${blob.length}`
  const trailer = new DataView(blob.buffer, blob.byteOffset + byteLength, TRAILER_BYTES)
  if (trailer.getUint32(12, true) !== MAGIC) return 'it does not end as blobs with a checksum do'
  const expectedLength = trailer.getBigUint64(0, true)
  if (expectedLength !== BigInt(byteLength)) return `expected ${expectedLength} bytes, found ${byteLength}`
  const [expected, found] = [
    trailer.getUint32(8, true),
    new Xxhash32().update(blob.subarray(0, byteLength)).digest(),
  ]
  return expected === found ? undefined : `expected checksum ${hex(expected)}, found ${hex(found)}`
}

function hex(checksum: number): string {
  return checksum.toString(16).padStart(8, '0')
}
