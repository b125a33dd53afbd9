import fc from 'fast-check'
import t from 'tap'
import { EntryCache } from '../../../lib/state/entry-cache.ts'
import { keyGroupRange } from '../../../lib/state/key-group.ts'
import { KeyedStateBackend } from '../../../lib/state/keyed-state-backend.ts'
import { valueState } from '../../../lib/state/state-descriptor.ts'
import { MemoryKeyValueStore, type WriteCompletion } from '../../../lib/testing/memory-key-value-store.ts'
import { t as types } from '../../../lib/types/t.ts'

const text = valueState('text', types.string)

function open(cacheBytes: number, completion: WriteCompletion) {
  const store = new MemoryKeyValueStore(completion)
  const cache = new EntryCache(store, cacheBytes)
  let tableCount = 0
  const home = { cache, timers: 'leveldb' as const, newTableId: () => tableCount++ }
  const backend = new KeyedStateBackend(128, keyGroupRange(128, 1, 0), home)
  const state = backend.state(text)
  const update = (key: number, value: string) => {
    backend.context.set(key, -1)
    state.update(value)
  }
  const read = (key: number) => {
    backend.context.set(key, -1)
    return state.value()
  }
  return { store, cache, backend, update, read }
}

t.test('entry cache - state larger than it goes to the store and comes back', async (t) => {
  const { store, cache, update, read } = open(50_000, 'at-once')
  for (let i = 0; i < 5000; i++) update(i, `value ${i}`)
  t.ok(cache.bytes <= 50_000, `${cache.bytes} bytes`)
  t.ok(store.size > 4700, 'most is in the store')
  t.ok(Array.from({ length: 5000 }, (_, i) => i).every((i) => read(i) === `value ${i}`))
  t.ok(cache.bytes <= 50_000, `${cache.bytes} bytes`)
})

t.test('entry cache - while everything fits, the store is left alone', async (t) => {
  const { store, update, read } = open(1_000_000, 'at-once')
  store.get = () => {
    throw new Error('nothing is read')
  }
  for (let i = 0; i < 1000; i++) update(i, `value ${i}`)
  for (let i = 0; i < 2000; i++) read(i)
  t.equal(store.size, 0)
})

t.test('entry cache - what is used stays, what is not goes', async (t) => {
  const { store, update, read } = open(50_000, 'at-once')
  for (let i = 0; i < 100; i++) update(i, 'hot')
  for (let i = 1000; i < 5000; i++) {
    update(i, 'cold')
    read(i % 100)
  }
  let readCount = 0
  const get = store.get.bind(store)
  store.get = (key) => {
    readCount++
    return get(key)
  }
  for (let i = 0; i < 100; i++) read(i)
  t.ok(readCount < 20, `${readCount} of the 100 used all the time had to be read`)
})

t.test('entry cache - at the limit it is not ready until a batch has been written', async (t) => {
  const { store, cache, update } = open(20_000, 'held')
  for (let i = 0; cache.isReady; i++) update(i, 'x'.repeat(100))
  // How large values are is known when they are first encoded.
  t.ok(cache.bytes > 20_000 && cache.bytes < 30_000, `${cache.bytes} bytes`)
  let isReady = false
  const ready = (cache.whenReady() ?? Promise.resolve()).then(() => {
    isReady = true
  })
  await Promise.resolve()
  t.notOk(isReady)
  for (let i = 0; i < 10 && !cache.isReady; i++) store.release()
  await ready
  t.ok(cache.bytes <= 20_000, `${cache.bytes} bytes`)
})

t.test('entry cache - a value larger than the cache passes through', async (t) => {
  const { cache, update, read } = open(1000, 'at-once')
  update(1, 'x'.repeat(10_000))
  update(2, 'y'.repeat(10_000))
  t.equal(read(1)?.length, 10_000)
  t.ok(cache.isReady)
})

t.test('entry cache - when the store fails nobody goes on', async (t) => {
  const { store, cache, backend, update } = open(5000, 'soon')
  store.failure = new Error('the disk is full')
  for (let i = 0; i < 100; i++) update(i, 'value')
  await Promise.resolve()
  t.notOk(cache.isReady)
  await t.rejects(backend.whenReady() ?? Promise.resolve(), { message: 'the disk is full' })
})

t.test('entry cache - whatever completes when, the last value counts', async (t) => {
  const step = fc.record({
    key: fc.nat(30),
    value: fc.nat(999),
    isReleased: fc.boolean(),
    isRead: fc.boolean(),
  })
  const property = fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
    const { store, update, read } = open(1500, 'held')
    const model = new Map<number, string>()
    for (const { key, value, isReleased, isRead } of steps) {
      if (isRead && read(key) !== model.get(key)) return false
      update(key, `${value}`)
      model.set(key, `${value}`)
      if (isReleased) store.release()
    }
    return [...model].every(([key, value]) => read(key) === value)
  })
  t.doesNotThrow(() => fc.assert(property, { numRuns: 300, seed: 1 }))
})
