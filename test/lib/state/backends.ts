/**
 * Keyed state backends of several subtasks, saved and restored as a task would. Every test of state runs on each kind
 * of backend; the one over a store has a cache of two or three entries, so that they come and go all the time.
 */
import assert from 'node:assert/strict'
import { inspect } from 'node:util'
import t, { type Test } from 'tap'
import type { Entry } from '../../../lib/state/entry.ts'
import { EntryCache } from '../../../lib/state/entry-cache.ts'
import { keyGroupOf, keyGroupRange } from '../../../lib/state/key-group.ts'
import { KeyedSnapshot, loadRestored } from '../../../lib/state/keyed-snapshot.ts'
import { KeyedStateBackend } from '../../../lib/state/keyed-state-backend.ts'
import type { KeyedWalk } from '../../../lib/state/keyed-walk.ts'
import { fromMapKey } from '../../../lib/state/map-key.ts'
import { copyOfChunk, type StateChunk } from '../../../lib/state/state-chunk.ts'
import type { StateHome } from '../../../lib/state/state-home.ts'
import { StatePrefetch } from '../../../lib/state/state-prefetch.ts'
import type { SnapshotKind } from '../../../lib/state/state-table.ts'
import type { Timer } from '../../../lib/state/timer-table.ts'
import { MemoryKeyValueStore } from '../../../lib/testing/memory-key-value-store.ts'

export const MAX_PARALLELISM = 128

const TINY_CACHE_BYTES = 700

/** `leveldb-slow`: writes to the store, and reads ahead, are done when {@link releaseWrites} is called. */
export type BackendKind = 'heap' | 'leveldb' | 'leveldb-slow'
export const EVERY_KIND: readonly BackendKind[] = ['heap', 'leveldb', 'leveldb-slow']
let kind: BackendKind = 'heap'
let stores: MemoryKeyValueStore[] = []
const prefetches = new WeakMap<KeyedStateBackend, StatePrefetch>()

/** One test per kind of backend; what {@link newBackend} makes within is of that kind. */
export function onEachBackend(
  name: string,
  body: (t: Test, kind: BackendKind) => void | Promise<void>,
  kinds: readonly BackendKind[] = ['heap', 'leveldb'],
): void {
  for (const each of kinds) {
    t.test(`${name} (${each})`, async (t) => {
      kind = each
      await body(t, each)
    })
  }
}

/** The oldest write or read ahead of each store made since {@link forgetStores} is done. */
export function releaseWrites(): void {
  for (const store of stores) store.release()
}

export function forgetStores(): void {
  stores = []
}

export function newBackend(parallelism = 1, index = 0): KeyedStateBackend {
  const range = keyGroupRange(MAX_PARALLELISM, parallelism, index)
  const home = kind === 'heap' ? null : newHome(TINY_CACHE_BYTES)
  const backend = new KeyedStateBackend(MAX_PARALLELISM, range, home)
  if (home !== null) {
    const prefetch = new StatePrefetch(home.cache, backend.context, 1)
    prefetches.set(backend, prefetch)
  }
  return backend
}

/** Reads ahead however few keys there are; null on the heap. */
export function prefetchOf(backend: KeyedStateBackend): StatePrefetch | null {
  return prefetches.get(backend) ?? null
}

/** Over a store in memory. */
function newHome(cacheBytes: number): StateHome {
  let tableCount = 0
  const store = new MemoryKeyValueStore(kind === 'leveldb-slow' ? 'held' : 'at-once')
  if (kind === 'leveldb-slow') stores.push(store)
  return {
    cache: new EntryCache(store, cacheBytes),
    timers: 'leveldb',
    newTableId: () => tableCount++,
  }
}

/** A whole snapshot, drained `step` entries at a time. */
export function save(
  backend: KeyedStateBackend,
  kind: SnapshotKind = 'base',
  step = 7,
  walk: KeyedWalk | null = null,
): StateChunk[] {
  const chunks: StateChunk[] = []
  const snapshot = new KeyedSnapshot(backend, kind, (chunk) => chunks.push(copyOfChunk(chunk)), walk)
  while (!snapshot.drain(step));
  return chunks
}

/** A backend that goes on from snapshots; `declare` says which states it has. */
export function load(
  chunks: readonly StateChunk[],
  declare: (backend: KeyedStateBackend) => void,
  parallelism = 1,
  index = 0,
): KeyedStateBackend {
  const backend = newBackend(parallelism, index)
  declare(backend)
  backend.restore(chunks)
  for (const _step of loadRestored(backend, 5));
  return backend
}

/** All subtasks of an operator, each restored from the snapshots of all subtasks before. */
export function rescale(
  snapshots: readonly (readonly StateChunk[])[],
  declare: (backend: KeyedStateBackend) => void,
  parallelism: number,
): KeyedStateBackend[] {
  return Array.from({ length: parallelism }, (_, index) =>
    load(snapshots.flat(), declare, parallelism, index),
  )
}

/** Everything in the tables of some backends, by table and place; fails if something is there twice or astray. */
export function contentsOf(backends: readonly KeyedStateBackend[]): Record<string, unknown> {
  const contents = new Map<string, unknown>()
  for (const backend of backends) {
    for (const { name, table } of backend.tables()) {
      for (const entry of table.entries()) {
        const id = `${name} ${inspect(backend.context.keyOf(entry.key))} ${subOf(entry)}`
        assert(!contents.has(id), `${id} is there once`)
        const { first, last } = backend.keyGroups
        const group = keyGroupOf(backend.context.keyOf(entry.key), MAX_PARALLELISM)
        assert(group >= first && group <= last, `${id} of group ${group} is not in ${first} to ${last}`)
        contents.set(id, structuredClone(entry.value))
      }
    }
  }
  return Object.fromEntries([...contents].sort(([a], [b]) => (a < b ? -1 : 1)))
}

function subOf(entry: Entry<unknown>): string {
  const sub = entry.sub === undefined ? '-' : inspect(fromMapKey(entry.sub))
  return 'timestamp' in entry ? `${(entry as unknown as Timer).timestamp}/${sub}` : sub
}
