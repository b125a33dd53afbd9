import t from 'tap'
import { systemClock } from '../../../lib/base/clock.ts'
import { ChecksummedBlobStore } from '../../../lib/storage/checksummed-blob-store.ts'
import { MemoryBlobStore, type MemoryBlobs } from '../../../lib/storage/memory-blob-store.ts'
import { blobStoreContract, bytes, pattern } from '../../contracts/blob-store-contract.ts'

blobStoreContract(
  t,
  'checksummed blob store',
  async () => {
    const blobs: MemoryBlobs = new Map()
    return { open: async () => new ChecksummedBlobStore(new MemoryBlobStore(systemClock, blobs)) }
  },
  { hasRange: false },
)

function setup() {
  const inner = new MemoryBlobStore(systemClock)
  return { inner, store: new ChecksummedBlobStore(inner) }
}

t.test(
  'checksummed blob store - every flipped bit and every truncation is found, and the blob named',
  async (t) => {
    const { inner, store } = setup()
    await store.put('chk-7/state', pattern(97))
    const stored = await inner.get('chk-7/state')
    let found = 0
    const isDamaged = async (blob: Uint8Array) => {
      await inner.put('chk-7/state', blob)
      const error = await store.get('chk-7/state').catch((error) => error)
      if (error.code === 'CHECKPOINT_DAMAGED' && error.message.includes('"chk-7/state" in memory:')) found++
    }
    for (let bit = 0; bit < stored.length * 8; bit++) {
      stored[bit >> 3]! ^= 1 << (bit & 7)
      await isDamaged(stored)
      stored[bit >> 3]! ^= 1 << (bit & 7)
    }
    for (let length = 0; length < stored.length; length++) await isDamaged(stored.subarray(0, length))
    t.equal(found, stored.length * 9)
    await inner.put('chk-7/state', stored)
    t.same(await store.get('chk-7/state'), pattern(97))
  },
)

t.test('checksummed blob store - says what is wrong', async (t) => {
  const { inner, store } = setup()
  await inner.put('a', bytes('short'))
  await t.rejects(store.get('a'), /expected at least 16 bytes, found 5/)
  await inner.put('a', bytes('somebody else has written this blob'))
  await t.rejects(store.get('a'), /does not end as blobs with a checksum do/)
  await store.put('a', bytes('0123456789'))
  const blob = await inner.get('a')
  await inner.put('a', [blob.subarray(0, 4), blob.subarray(5)])
  await t.rejects(store.get('a'), /expected 10 bytes, found 9/)
  blob[0]! ^= 1
  await inner.put('a', blob)
  await t.rejects(store.get('a'), /expected checksum [0-9a-f]{8}, found [0-9a-f]{8}/)
})
