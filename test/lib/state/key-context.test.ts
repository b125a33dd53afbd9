import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import t from 'tap'
import { KeyContext } from '../../../lib/state/key-context.ts'
import type { KeyedStateBackend } from '../../../lib/state/keyed-state-backend.ts'
import { t as types } from '../../../lib/types/t.ts'
import { newBackend, onEachBackend } from './backends.ts'

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

t.test('key context - a key to keep is equal to the one that came', async (t) => {
  const context = new KeyContext(128)
  const batch = 'first key of the batch, second key of the batch'
  context.set(batch.substring(0, 22), -1)
  const owned = context.ownMapKey
  t.equal(context.mapKey, owned)
  context.set(7, -1)
  t.equal(context.ownMapKey, 7)
  const tuples = new KeyContext(128)
  tuples.set(['a', 1], -1)
  t.same(tuples.keyOf(tuples.ownMapKey), ['a', 1])
  t.equal(owned, 'first key of the batch')
})

t.test('key context - texts that are nobody else’s part are kept as they came', async (t) => {
  const context = new KeyContext(128)
  context.hasOwnTexts = true
  const key = ['customer', 'one', 'and', 'two'].join('-')
  context.set(key, -1)
  t.equal(context.ownMapKey, key)
})

const KEYS = 500
const BATCH_CHARACTERS = 50_000

/** What one key puts into each kind of table. */
const KEPT: Record<string, (backend: KeyedStateBackend) => void> = {
  flat: (backend) => backend.flatTable('a/flat', types.int64).put(1),
  nested: (backend) => backend.nestedTable('a/nested', types.int64).put(1, 1),
  slices: (backend) => backend.sliceTable('a/slices', types.int64).put(1, 1),
  timers: (backend) => backend.timerTable('a/timers').register(1, undefined),
  lonelyTimers: (backend) => {
    const timers = backend.timerTable('a/timers')
    timers.register(timers.sizeMax, undefined)
  },
}

onEachBackend('key context - kept keys do not keep the text of their batches', async (t) => {
  for (const [kind, keep] of Object.entries(KEPT)) {
    const backend = newBackend()
    collectGarbage()
    const before = process.memoryUsage().heapUsed
    for (let i = 0; i < KEYS; i++) {
      const batch = `the key of user number ${i}`.padEnd(30).repeat(BATCH_CHARACTERS / 30)
      // What V8 makes of a joined text when a part of it is asked for.
      backend.context.set(Buffer.from(batch).toString('latin1').substring(0, 30), -1)
      keep(backend)
    }
    collectGarbage()
    const grown = process.memoryUsage().heapUsed - before
    t.ok(grown < (KEYS * BATCH_CHARACTERS) / 10, `${kind}: ${grown} bytes`)
  }
})
