import t from 'tap'
import { systemClock } from '../../../lib/base/clock.ts'
import { MemoryBlobStore, type MemoryBlobs } from '../../../lib/storage/memory-blob-store.ts'
import { blobStoreContract } from '../../contracts/blob-store-contract.ts'

blobStoreContract(t, 'memory blob store', async () => {
  const blobs: MemoryBlobs = new Map()
  return { open: async () => new MemoryBlobStore(systemClock, blobs) }
})
