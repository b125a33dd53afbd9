import t from 'tap'
import { MemoryKeyValue } from '../../../lib/testing/memory-key-value.ts'
import { keyValueContract } from '../../contracts/key-value-contract.ts'

keyValueContract(t, 'memory key-value', async () => {
  const store = new MemoryKeyValue()
  return { open: async () => store }
})
