import t from 'tap'
import { EntryCache } from '../../../lib/state/entry-cache.ts'
import { KeyedStateBackend } from '../../../lib/state/keyed-state-backend.ts'
import type { StoredFlatTable } from '../../../lib/state/stored-flat-table.ts'
import type { RowsCallback } from '../../../lib/storage/key-value-store.ts'
import { MemoryKeyValueStore } from '../../../lib/testing/memory-key-value-store.ts'
import { t as types } from '../../../lib/types/t.ts'
import { contentsOf } from './table-model.ts'

const KEYS = 100
const keyOf = (i: number): string => `key-${i}`

class CountingStore extends MemoryKeyValueStore {
  readCount = 0
  /** Of each read of many. */
  readonly rowCounts: number[] = []

  override get(key: Uint8Array): Uint8Array | undefined {
    this.readCount++
    return super.get(key)
  }

  override getMany(keys: readonly Uint8Array[], done: RowsCallback): void {
    this.rowCounts.push(keys.length)
    super.getMany(keys, done)
  }
}

/** A table whose entries are nearly all in the store, and reads of many that wait to be released. */
function newTable(cacheBytes = 5000) {
  const store = new CountingStore('held')
  let tableCount = 0
  const cache = new EntryCache(store, cacheBytes)
  const home = { cache, timers: 'leveldb', prefetchKeysMin: 8, newTableId: () => tableCount++ } as const
  const backend = new KeyedStateBackend(128, { first: 0, last: 127 }, home)
  const prefetch = backend.prefetch!
  const table = backend.flatTable('count', types.int64) as StoredFlatTable<number>
  const at = (i: number) => backend.context.set(keyOf(i), -1)
  const count = (i: number): number => {
    at(i)
    const value = (table.get() ?? 0) + 1
    table.put(value)
    return value
  }
  const releaseAll = () => {
    for (let i = 0; i < 50; i++) store.release()
  }
  for (let i = 0; i < KEYS; i++) count(i)
  releaseAll()
  const read = (numbers: readonly number[], onDone = () => {}) =>
    prefetch.read(
      numbers.length,
      () => {
        for (const i of numbers) {
          at(i)
          prefetch.want()
        }
      },
      onDone,
    )
  return { store, cache, prefetch, table, backend, at, count, read, releaseAll, reads: () => store.readCount }
}

const range = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, i) => from + i)

t.test('state prefetch - what has been read ahead is not read again', async (t) => {
  const { read, releaseAll, count, reads } = newTable()
  let isDone = false
  t.ok(read(range(0, 10), () => (isDone = true)))
  t.notOk(isDone)
  releaseAll()
  t.ok(isDone)
  const before = reads()
  t.same(
    range(0, 10).map((i) => count(i)),
    range(0, 10).map(() => 2),
  )
  t.equal(reads(), before, 'the store is not asked again')
})

t.test('state prefetch - keys that nobody has seen are known to be absent', async (t) => {
  const { read, releaseAll, count, reads, table, at } = newTable()
  t.ok(read(range(KEYS, KEYS + 10)))
  releaseAll()
  const before = reads()
  const size = table.size
  at(KEYS)
  t.equal(table.get(), undefined)
  table.remove()
  t.equal(table.size, size)
  t.equal(count(KEYS), 1)
  t.equal(reads(), before)
  t.equal(table.size, size + 1)
})

t.test(
  'state prefetch - who needs a row earlier reads it, and what comes later changes nothing',
  async (t) => {
    const { read, releaseAll, count, table, at } = newTable()
    t.ok(read(range(0, 12)))
    t.equal(count(3), 2)
    t.equal(count(3), 3)
    at(4)
    table.remove()
    releaseAll()
    t.equal(count(3), 4)
    at(4)
    t.equal(table.get(), undefined)
  },
)

t.test('state prefetch - an awaited entry is in no snapshot twice, and in every list once', async (t) => {
  const { read, releaseAll, table } = newTable()
  table.track()
  t.ok(read(range(0, 10)))
  t.equal(contentsOf(table as never).size, KEYS)
  const written: unknown[] = []
  table.freeze('base', ({ key }) => written.push(key))
  releaseAll()
  while (!table.drain(3));
  t.equal(written.length, KEYS)
  t.equal(new Set(written).size, KEYS)
})

t.test('state prefetch - a store that cannot be read is met by whoever needs the row', async (t) => {
  const { read, releaseAll, count, store } = newTable()
  store.readFailure = new Error('gone')
  let isDone = false
  t.ok(read(range(0, 10), () => (isDone = true)))
  releaseAll()
  t.ok(isDone, 'the batch does not wait for ever')
  t.equal(count(5), 2)
})

t.test('state prefetch - few keys, and keys in the cache, are left alone', async (t) => {
  const { read, count } = newTable()
  t.notOk(read([1, 2, 3]))
  t.equal(count(2), 2)
  count(KEYS - 1)
  t.notOk(read(Array.from({ length: 20 }, () => KEYS - 1)))
})

t.test('state prefetch - a key selector that throws ends the reading ahead of a batch', async (t) => {
  const { prefetch, backend } = newTable()
  backend.context.set('current', -1)
  const isSent = prefetch.read(
    1,
    () => {
      throw new Error('no key')
    },
    () => t.fail('nothing was read'),
  )
  t.notOk(isSent)
  t.equal(backend.context.mapKey, 'current')
})

t.test('state prefetch - at most so many rows are awaited', async (t) => {
  const { prefetch, read, releaseAll, store } = newTable()
  t.ok(read(range(0, 5000)))
  t.same(store.rowCounts, [16], 'however few fit into the cache')
  t.notOk(prefetch.isWorthwhile)
  t.notOk(read(range(5000, 5100)), 'and no others are taken')
  releaseAll()
  t.ok(prefetch.isWorthwhile)
  const { read: readWithRoom, store: larger } = newTable(20_000)
  t.ok(readWithRoom(range(0, 5000)))
  const [rows] = larger.rowCounts
  t.ok(rows! >= 20_000 / 4 / 250 && rows! <= 20_000 / 4 / 200, `${rows} rows, a quarter of what fits`)
})

t.test('state prefetch - it rests where it does not pay, and tries again', async (t) => {
  const { prefetch, read, releaseAll, count } = newTable()
  const useless = () => {
    read(range(0, 10))
    releaseAll()
    // So that they are out of the cache again, unused.
    for (const i of range(20, 90)) count(i)
    releaseAll()
  }
  const rests: number[] = []
  for (let attempt = 0; attempt < 3; attempt++) {
    for (let i = 0; i < 8; i++) useless()
    let rest = 0
    for (; !prefetch.isWorthwhile; rest++) prefetch.pass()
    rests.push(rest)
  }
  t.same(rests, [32, 64, 128])
  for (let i = 0; i < 8; i++) {
    const numbers = range((i % 5) * 20, (i % 5) * 20 + 20)
    read(numbers)
    releaseAll()
    for (const each of numbers) count(each)
    releaseAll()
  }
  t.ok(prefetch.isWorthwhile, 'it goes on where it pays')
})

t.test('state prefetch - nothing is done while all state is in the cache', async (t) => {
  const { prefetch } = newTable(2 ** 20)
  t.notOk(prefetch.isWorthwhile)
})
