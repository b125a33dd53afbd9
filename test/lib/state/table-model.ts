/**
 * Random histories of a state table beside a plain Map that does the same: writes, removals, changes in place,
 * snapshots that are frozen at any moment and drained in steps while the history goes on. When a snapshot is complete
 * it is rebuilt, from the last full one and the deltas after it, and must be what the Map was at the freeze.
 */
import assert from 'node:assert/strict'
import fc from 'fast-check'
import { Entry } from '../../../lib/state/entry.ts'
import type { KeyedStateBackend } from '../../../lib/state/keyed-state-backend.ts'
import type { MapKey } from '../../../lib/state/map-key.ts'
import type { SnapshotKind, SnapshotTable } from '../../../lib/state/state-table.ts'
import { Timer } from '../../../lib/state/timer-table.ts'
import { t as types } from '../../../lib/types/t.ts'
import type { Type } from '../../../lib/types/type.ts'
import { forgetStores, newBackend, releaseWrites } from './backends.ts'

/** Values change in place, as accumulators do. */
export type Value = { marks: number[] } | null
export const valueType = types.object({ marks: types.list(types.int64) }) as unknown as Type<Value>

export type NewSubject = (backend: KeyedStateBackend) => Subject

/** A table of one kind, driven by key and sub-key. */
export interface Subject {
  readonly table: SnapshotTable<unknown>
  readonly isTimers?: boolean
  /** Its deltas name as removed only what the base or delta before them had. */
  readonly forgetsPassing?: boolean
  put(key: MapKey, sub: number, mark: number): void
  /** Changes the value in place, if there is one, and puts it back. */
  mutate(key: MapKey, sub: number, mark: number): void
  /** Reads it so that it could be changed, and leaves it at that. */
  look?(key: MapKey, sub: number): void
  remove(key: MapKey, sub: number): void
  /** Removes all that goes together in one stroke: of a key or of a sub-key. */
  removeGroup(key: MapKey, sub: number): void
  /** The same on the model. */
  isInGroup(row: Row, key: MapKey, sub: number): boolean
  /** Has the keys read ahead, where tables of the kind can. */
  prefetch?(keys: readonly MapKey[]): void
  /** What a table without sub-keys makes of one. */
  subOf(sub: number): number
}

export interface Row {
  readonly key: MapKey
  readonly sub: number
}

export type Operation =
  | { readonly kind: 'put' | 'mutate'; readonly key: MapKey; readonly sub: number; readonly mark: number }
  | { readonly kind: 'remove' | 'removeGroup' | 'look'; readonly key: MapKey; readonly sub: number }
  | { readonly kind: 'prefetch'; readonly keys: readonly MapKey[] }
  | { readonly kind: 'freeze'; readonly as: SnapshotKind }
  | { readonly kind: 'drain'; readonly count: number }

const key = fc.constantFrom<MapKey>('a', 'b', 'c', 1, 2, 3n, true)
const sub = fc.integer({ min: 0, max: 3 })
const mark = fc.integer({ min: 0, max: 99 })

export const snapshotKind = fc.constantFrom<SnapshotKind[]>('base', 'delta', 'savepoint')

const operation: fc.Arbitrary<Operation> = fc.oneof(
  { weight: 5, arbitrary: fc.record({ kind: fc.constant('put' as const), key, sub, mark }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('mutate' as const), key, sub, mark }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('look' as const), key, sub }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('remove' as const), key, sub }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('removeGroup' as const), key, sub }) },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant('prefetch' as const), keys: fc.array(key, { maxLength: 7 }) }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('freeze' as const), as: snapshotKind }) },
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constant('drain' as const), count: fc.integer({ min: 1, max: 4 }) }),
  },
)

export const history: fc.Arbitrary<Operation[]> = fc.array(operation, {
  minLength: 5,
  maxLength: 80,
  // Or most of them would be too short for anything to happen.
  size: 'max',
})

/** One snapshot: what was removed, and what was written. */
interface Snapshot {
  readonly kind: SnapshotKind
  readonly deleted: readonly string[]
  readonly written: Map<string, Value>
}

type Model = Map<string, Value>

/** Plays a history on a fresh table of the kind; throws where table and model differ. */
export function play(newSubject: NewSubject, operations: readonly Operation[]): void {
  forgetStores()
  const subject = newSubject(newBackend())
  subject.table.track()
  const model: Model = new Map()
  let chain: Snapshot[] = []
  /** At the last base or delta. */
  let saved: Model = new Map()
  let frozen: { readonly snapshot: Snapshot; readonly expected: Model } | null = null
  const drain = (count: number) => {
    if (!subject.table.drain(count) || frozen === null) return
    const { snapshot, expected } = frozen
    const taken = snapshot.kind === 'delta' ? [...chain, snapshot] : [snapshot]
    assert.deepEqual(rebuild(newSubject, taken), expected)
    if (snapshot.kind !== 'savepoint') chain = taken
    frozen = null
  }
  for (const operation of operations) {
    if (operation.kind === 'drain') drain(operation.count)
    else if (operation.kind === 'prefetch') subject.prefetch?.(operation.keys)
    else if (operation.kind !== 'freeze') apply(operation, subject, model)
    else if (frozen === null) {
      // The first snapshot may be a delta too: of a table that was empty when tracking began.
      const snapshot = freeze(subject.table, operation.as)
      frozen = { snapshot, expected: structuredClone(model) }
      if (subject.forgetsPassing) for (const id of snapshot.deleted) assert(saved.has(id), `${id} was there`)
      if (operation.as !== 'savepoint') saved = frozen.expected
    }
    assert(subject.table.sizeMax >= model.size)
    // Now and then only: a table of timers settles what it has put off in order to know.
    if (operation.kind === 'drain') assert.equal(subject.table.size, model.size)
    if (releases(operation)) releaseWrites()
  }
  drain(Number.MAX_SAFE_INTEGER)
  assert.deepEqual(contentsOf(subject.table), model)
}

/** Slow writes are done now and then. */
function releases(operation: Operation): boolean {
  if (operation.kind === 'prefetch') return operation.keys.length % 3 === 0
  return operation.kind === 'drain' ? operation.count === 1 : 'mark' in operation && operation.mark % 3 === 0
}

function apply(operation: Operation, subject: Subject, model: Model): void {
  assert('key' in operation)
  const at = { key: operation.key, sub: subject.subOf(operation.sub) }
  const id = idOf(at)
  switch (operation.kind) {
    case 'put':
      subject.put(at.key, at.sub, operation.mark)
      model.set(id, subject.isTimers ? null : { marks: [operation.mark] })
      break
    case 'mutate':
      subject.mutate(at.key, at.sub, operation.mark)
      model.get(id)?.marks.push(operation.mark)
      break
    case 'look':
      subject.look?.(at.key, at.sub)
      break
    case 'remove':
      subject.remove(at.key, at.sub)
      model.delete(id)
      break
    case 'removeGroup':
      subject.removeGroup(at.key, at.sub)
      for (const each of [...model.keys()])
        if (subject.isInGroup(rowOf(each), at.key, at.sub)) model.delete(each)
  }
}

function freeze(table: SnapshotTable<unknown>, kind: SnapshotKind): Snapshot {
  const written = new Map<string, Value>()
  const deleted = table.freeze(kind, (entry) => {
    const id = idOfEntry(entry)
    assert(!written.has(id), `${id} is written once`)
    written.set(id, structuredClone(entry.value) as Value)
  })
  return { kind, deleted: [...deleted].map(idOfEntry), written }
}

/** What a new table holds after the snapshots have been put into it, removals first. */
function rebuild(newSubject: NewSubject, chain: readonly Snapshot[]): Model {
  const { table, isTimers = false } = newSubject(newBackend())
  for (const { deleted, written } of chain) {
    for (const id of deleted) table.restoreDeleted(entryOf(isTimers, id, null))
    for (const [id, value] of written) table.restore(entryOf(isTimers, id, structuredClone(value)))
  }
  return contentsOf(table)
}

export function contentsOf(table: SnapshotTable<unknown>): Model {
  const contents: Model = new Map()
  for (const entry of table.entries()) {
    const id = idOfEntry(entry)
    assert(!contents.has(id), `${id} is there once`)
    contents.set(id, entry.value as Value)
  }
  return contents
}

function entryOf(isTimers: boolean, id: string, value: Value): Entry<unknown> {
  const { key, sub } = rowOf(id)
  if (isTimers) return new Timer(sub, undefined, key, -1, 0) as Entry<unknown>
  return new Entry<unknown>(key, sub, -1, 0, value)
}

function idOfEntry(entry: Entry<unknown>): string {
  const sub = 'timestamp' in entry ? (entry as unknown as Timer).timestamp : ((entry.sub ?? 0) as number)
  return idOf({ key: entry.key, sub })
}

const idOf = ({ key, sub }: Row): string => `${typeof key}/${key}/${sub}`

function rowOf(id: string): Row {
  const [type, text, sub] = id.split('/') as [string, string, string]
  const key =
    type === 'number' ? Number(text) : type === 'bigint' ? BigInt(text) : type === 'boolean' ? true : text
  return { key, sub: Number(sub) }
}
