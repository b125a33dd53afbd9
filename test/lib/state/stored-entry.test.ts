import t from 'tap'
import { type CachedTable, StoredEntry } from '../../../lib/state/stored-entry.ts'

t.test('stored entry - each flag is its own', async (t) => {
  const flags = [
    'isReferenced',
    'isDirty',
    'isQueued',
    'isInFlight',
    'isStored',
    'isGoing',
    'isMarked',
  ] as const
  const entry = new StoredEntry<number>(null as unknown as CachedTable, 'key', undefined, 0, 2, 1)
  const isSet = () => flags.filter((flag) => entry[flag])
  t.same(isSet(), ['isReferenced'])
  entry.isReferenced = false
  for (const flag of flags) {
    entry[flag] = true
    t.same(isSet(), [flag])
    entry[flag] = false
    t.same(isSet(), [])
  }
  for (const flag of flags) entry[flag] = true
  t.same(isSet(), flags)
})
