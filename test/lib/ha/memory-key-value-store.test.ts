import t from 'tap'
import { MemoryKeyValueStore, MemoryKeyValues } from '../../../lib/ha/memory-key-value-store.ts'
import { keyValueContract } from '../../contracts/key-value-contract.ts'

keyValueContract(t, 'memory key-value store', async () => {
  const shared = new MemoryKeyValues()
  return { open: async () => new MemoryKeyValueStore(shared) }
})
