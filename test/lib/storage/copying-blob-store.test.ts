/** Copies on this host: read when they are good, of no harm when they are not. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import t, { type Test } from 'tap'
import { systemClock } from '../../../lib/base/clock.ts'
import { silentLogger } from '../../../lib/base/logger.ts'
import { SeededRandom } from '../../../lib/base/prng.ts'
import type { BlobStore } from '../../../lib/storage/blob-store.ts'
import { ChecksummedBlobStore } from '../../../lib/storage/checksummed-blob-store.ts'
import { CopyingBlobStore } from '../../../lib/storage/copying-blob-store.ts'
import { FileBlobStore } from '../../../lib/storage/file-blob-store.ts'
import { LocalCopies } from '../../../lib/storage/local-copies.ts'
import { MemoryBlobStore, type MemoryBlobs } from '../../../lib/storage/memory-blob-store.ts'
import { FaultyBlobStore } from '../../../lib/testing/faulty-blob-store.ts'
import { blobStoreContract, bytes, text } from '../../contracts/blob-store-contract.ts'
import { temporaryDirectory } from '../../support/nats-server.ts'

const copiesIn = (store: BlobStore, bytesMax = 2 ** 30) =>
  new LocalCopies({ store, bytesMax, log: silentLogger })

const inDirectory = (directory: string) =>
  new ChecksummedBlobStore(new FileBlobStore(pathToFileURL(directory).href, systemClock, 'volatile'))

blobStoreContract(
  t,
  'copying blob store',
  async (t) => {
    const blobs: MemoryBlobs = new Map()
    const copies = copiesIn(inDirectory(temporaryDirectory(t)))
    return { open: async () => new CopyingBlobStore(new MemoryBlobStore(systemClock, blobs), copies) }
  },
  { hasRange: false },
)

blobStoreContract(
  t,
  'copying blob store whose copies fail',
  async () => {
    const blobs: MemoryBlobs = new Map()
    const faults = { clock: systemClock, random: new SeededRandom(3), failureRate: 0.3, lostAckRate: 0.3 }
    const copies = copiesIn(new FaultyBlobStore(new MemoryBlobStore(systemClock), faults), 3_000_000)
    return { open: async () => new CopyingBlobStore(new MemoryBlobStore(systemClock, blobs), copies) }
  },
  { hasRange: false },
)

async function start(t: Test, bytesMax?: number) {
  const directory = temporaryDirectory(t)
  const inner = new MemoryBlobStore(systemClock)
  const copies = copiesIn(inDirectory(directory), bytesMax)
  const store = new CopyingBlobStore(inner, copies, (path) => path.startsWith('copied/'))
  return { directory, inner, copies, store }
}

t.test('copying blob store - what has a copy is not asked for elsewhere', async (t) => {
  const { inner, copies, store } = await start(t)
  for (const path of ['copied/a', 'copied/b', 'other/c']) await store.put(path, [bytes('of '), bytes(path)])
  for (const path of ['copied/a', 'copied/b']) await inner.delete(path)
  t.equal(text(await store.get('copied/a')), 'of copied/a')
  t.equal(text(await store.get('copied/b')), 'of copied/b')
  t.equal(inner.stats.gets, 0)
  t.equal(text(await store.get('other/c')), 'of other/c')
  t.equal(inner.stats.gets, 1)
  t.match(copies.stats, { copied: 2, read: 2, missing: 0, damaged: 0 })
})

t.test('copying blob store - a damaged copy is read from where it was copied, and once', async (t) => {
  const { directory, inner, copies, store } = await start(t)
  await store.put('copied/a', bytes('content'))
  writeFileSync(join(directory, 'copied/a'), 'contenT and a bit of a trailer')
  t.equal(text(await store.get('copied/a')), 'content')
  t.equal(text(await store.get('copied/a')), 'content')
  t.equal(inner.stats.gets, 2)
  t.match(copies.stats, { copied: 1, read: 0, missing: 1, damaged: 1 })
})

t.test('copying blob store - copies have a limit, and make room when they are not needed', async (t) => {
  const { copies, store } = await start(t, 100)
  await store.put('copied/a', new Uint8Array(60))
  await store.put('copied/b', new Uint8Array(41))
  await store.put('copied/c', new Uint8Array(40))
  t.equal(copies.byteLength, 100)
  t.match(copies.stats, { copied: 2, tooMany: 1 })
  copies.retain((path) => path !== 'copied/a')
  t.equal(copies.byteLength, 40)
  await store.put('copied/d', new Uint8Array(60))
  await store.put('copied/d', new Uint8Array(59))
  t.equal(copies.byteLength, 99, 'one that is replaced does not count twice')
  t.equal((await store.get('copied/b')).length, 41)
})

t.test('copying blob store - what is not stored has no copy', async (t) => {
  const { inner, copies, store } = await start(t)
  inner.put = async () => {
    throw new Error('the disk is full')
  }
  await t.rejects(store.put('copied/a', bytes('content')), /the disk is full/)
  await t.rejects(store.get('copied/a'), { code: 'BLOB_NOT_FOUND' })
  t.equal(copies.byteLength, 0)
})

t.test('copying blob store - once closed there are no copies, and will be none', async (t) => {
  const local = new MemoryBlobStore(systemClock)
  const copies = copiesIn(local)
  const store = new CopyingBlobStore(new MemoryBlobStore(systemClock), copies)
  await store.put('a', bytes('content'))
  const late = store.put('b', bytes('content'))
  await copies.close()
  await late
  await store.put('c', bytes('content'))
  t.same(await new Promise((resolve) => resolve(copies.byteLength)), 0)
  for (const path of ['a', 'b', 'c']) t.equal(text(await store.get(path)), 'content')
  t.equal(copies.stats.read, 0)
})
