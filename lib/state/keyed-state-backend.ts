/**
 * The keyed state of one operator subtask: its tables by name, the current key, and the way into and out of
 * snapshots. Operators and user functions get their state here; the task calls `freeze` and `restore`.
 *
 * Tables may be declared before or after a restore: rows that were read wait, still encoded, until the state they
 * belong to is declared, be that in the middle of a record. Rows of a state that is never declared stay encoded and go
 * into the next full snapshot, so that a state left out by one version of a job is still there for the next.
 */
import { assert, present } from '../base/assert.ts'
import type { Clock } from '../base/clock.ts'
import { SluiceError } from '../base/errors.ts'
import { describeSchema } from '../types/describe-schema.ts'
import { t } from '../types/t.ts'
import type { Type } from '../types/type.ts'
import { type FlatTable, HeapFlatTable } from './flat-table.ts'
import { KeyContext } from './key-context.ts'
import type { KeyGroupRange } from './key-group.ts'
import { stateOfKey, stateOfWindow, type WindowScope } from './keyed-states.ts'
import type { MapKey } from './map-key.ts'
import { HeapNestedTable, type NestedTable } from './nested-table.ts'
import { restoreChunk, restrictChunk } from './restore-chunk.ts'
import { HeapSliceTable, type SliceTable } from './slice-table.ts'
import type { RegisteredTable, StateChunk, TableLayout } from './state-chunk.ts'
import type { StateDescriptor } from './state-descriptor.ts'
import type { StateHome } from './state-home.ts'
import { StateMisfits } from './state-misfit.ts'
import { StatePrefetch } from './state-prefetch.ts'
import type { SnapshotTable } from './state-table.ts'
import { Expiry, stampedType, type Ttl } from './state-ttl.ts'
import { StoredFlatTable } from './stored-flat-table.ts'
import { StoredNestedTable } from './stored-nested-table.ts'
import { StoredSliceTable } from './stored-slice-table.ts'
import { StoredTimerTable } from './stored-timer-table.ts'
import { HeapTimerTable, type TimerTable } from './timer-table.ts'

export class KeyedStateBackend {
  readonly context: KeyContext
  readonly keyGroups: KeyGroupRange
  readonly misfits = new StateMisfits()
  /** Null: there is nothing to read ahead, or it is not wanted. */
  readonly prefetch: StatePrefetch | null
  readonly #tables = new Map<string, RegisteredTable>()
  readonly #states = new Map<
    string,
    { readonly descriptor: StateDescriptor<unknown>; readonly state: unknown }
  >()
  /** Chunks of a restored snapshot whose table has not been declared yet, by table. */
  readonly #restored = new Map<string, StateChunk[]>()
  /** Null: tables live in the heap. */
  readonly #home: StateHome | null
  #isTracking = false
  #clock: Pick<Clock, 'now'> | null = null

  /** `home`: where state lives that memory cannot hold; null: the heap has to hold it. */
  constructor(maxParallelism: number, keyGroups: KeyGroupRange, home: StateHome | null = null) {
    this.context = new KeyContext(maxParallelism)
    this.keyGroups = keyGroups
    this.#home = home
    const keysMin = home?.prefetchKeysMin ?? null
    this.prefetch =
      home === null || keysMin === null ? null : new StatePrefetch(home.cache, this.context, keysMin)
  }

  /** False: no more records should come before {@link whenReady}. */
  get isReady(): boolean {
    return this.#home === null || this.#home.cache.isReady
  }

  /** As EntryCache.whenReady; always undefined where the heap holds the state. */
  whenReady(): Promise<void> | undefined {
    return this.#home?.cache.whenReady()
  }

  /** The processing time by which state expires; to be given before state with a time-to-live is declared. */
  useClock(clock: Pick<Clock, 'now'>): void {
    this.#clock = clock
  }

  /** The state a descriptor stands for, scoped to the current key. The same name gives the same state. */
  state<S>(descriptor: StateDescriptor<S>): S {
    return this.#declare(descriptor.name, descriptor, () => {
      const layout = descriptor.kind === 'map' ? 'nested' : 'flat'
      const { table, expiry } = this.#register(descriptor.name, layout, descriptor.type, descriptor)
      return stateOfKey(descriptor, table as never, expiry)
    })
  }

  /** As {@link state}, scoped to the current key and the window `scope` points at. */
  windowState<S>(descriptor: StateDescriptor<S>, scope: WindowScope): S {
    const name = `window/${descriptor.name}`
    return this.#declare(name, descriptor, () => {
      if (descriptor.ttl !== undefined) {
        throw new SluiceError(
          'UNSUPPORTED',
          `state "${descriptor.name}" of a window is declared with a time-to-live: it lives as long as its window; use state of the key instead`,
        )
      }
      // Map state of a window is one value, a Map.
      const type =
        descriptor.kind === 'map' ? (t.map(t.any, descriptor.type) as Type<unknown>) : descriptor.type
      const table = this.#table(name, 'nested', type) as NestedTable<unknown>
      return stateOfWindow(descriptor, table, scope)
    })
  }

  /** Engine-owned tables; their names contain a slash, which users' names cannot. */
  flatTable<V>(name: string, type: Type<V>): FlatTable<V> {
    return this.#table(name, 'flat', type as Type<unknown>) as FlatTable<V>
  }

  nestedTable<V>(name: string, type: Type<V>): NestedTable<V> {
    return this.#table(name, 'nested', type as Type<unknown>) as NestedTable<V>
  }

  sliceTable<V>(name: string, type: Type<V>): SliceTable<V> {
    return this.#table(name, 'slices', type as Type<unknown>) as SliceTable<V>
  }

  timerTable(name: string): TimerTable {
    return this.#table(name, 'timers', null) as unknown as TimerTable
  }

  /** The keys that have the state of this name, each once; tolerant of changes to the current key meanwhile. */
  keysOf(stateName: string): Iterable<{ readonly key: MapKey; readonly keyGroup: number }> {
    const keys = new Map<MapKey, { key: MapKey; keyGroup: number }>()
    const registered = this.#tables.get(stateName)
    if (registered === undefined) return []
    for (const { key, keyGroup } of registered.table.entries()) keys.set(key, { key, keyGroup })
    return keys.values()
  }

  tables(): Iterable<RegisteredTable> {
    return this.#tables.values()
  }

  /** Entries in all tables, timers included. */
  get size(): number {
    let size = 0
    for (const { table } of this.#tables.values()) size += table.size
    return size
  }

  /** Entries of one table; null: nobody has declared it. */
  sizeOf(table: string): number | null {
    return this.#tables.get(table)?.table.size ?? null
  }

  /** At most so many entries; see SnapshotTable. */
  get sizeMax(): number {
    let size = 0
    for (const { table } of this.#tables.values()) size += table.sizeMax
    return size
  }

  /** From now on changes are tracked, so that snapshots after the first may be deltas. */
  track(): void {
    this.#isTracking = true
    for (const { table } of this.#tables.values()) table.track()
  }

  /** Takes the chunks of snapshots, in the order they apply; see loadRestored. */
  restore(chunks: Iterable<StateChunk>): void {
    for (const chunk of chunks) {
      const known = this.#restored.get(chunk.table)
      if (known === undefined) this.#restored.set(chunk.table, [chunk])
      else known.push(chunk)
    }
  }

  /** What was restored for a table and not loaded yet; it is the caller's from now on. */
  takeRestored(tableName: string): readonly StateChunk[] {
    const chunks = this.#restored.get(tableName) ?? []
    this.#restored.delete(tableName)
    return chunks
  }

  /** Entries that have changed or gone since the last base or delta. */
  get changedCount(): number {
    let count = 0
    for (const { table } of this.#tables.values()) count += table.changedCount
    return count
  }

  /**
   * Chunks of state that nobody has declared by now, as far as they belong to this subtask: they go into full
   * snapshots. What follows costs something for each chunk, and may be spread over any time.
   */
  undeclared(): Iterator<StateChunk> {
    return restricted(
      [...this.#restored.values()].map((chunks) => [chunks, [...chunks]]),
      this.keyGroups,
    )
  }

  #declare<S>(name: string, descriptor: StateDescriptor<S>, create: () => unknown): S {
    const known = this.#states.get(name)
    if (known === undefined) {
      const state = create() as S
      this.#states.set(name, { descriptor, state })
      return state
    }
    // Triggers declare their state with every record.
    if (known.descriptor === descriptor) return known.state as S
    const { kind, type, ttl } = known.descriptor
    if (kind !== descriptor.kind) {
      throw new SluiceError(
        'GRAPH_INVALID',
        `state "${descriptor.name}" is declared as ${kind} state and again as ${descriptor.kind} state`,
      )
    }
    if (type !== descriptor.type && describeSchema(type.schema) !== describeSchema(descriptor.type.schema)) {
      throw new SluiceError(
        'GRAPH_INVALID',
        `state "${descriptor.name}" is declared with type ${describeSchema(type.schema)} and again with type ${describeSchema(descriptor.type.schema)}`,
      )
    }
    if (ttl !== descriptor.ttl && JSON.stringify(ttl) !== JSON.stringify(descriptor.ttl)) {
      throw new SluiceError(
        'GRAPH_INVALID',
        `state "${descriptor.name}" is declared with ${describeTtl(ttl)} and again with ${describeTtl(descriptor.ttl)}`,
      )
    }
    return known.state as S
  }

  #table(name: string, layout: TableLayout, type: Type<unknown> | null): SnapshotTable<unknown> {
    return this.#register(name, layout, type, null).table
  }

  /** `descriptor`: of the state the table is for, if that may have a time-to-live. */
  #register(
    name: string,
    layout: TableLayout,
    valueType: Type<unknown> | null,
    descriptor: StateDescriptor<unknown> | null,
  ): RegisteredTable {
    const known = this.#tables.get(name)
    if (known !== undefined) {
      assert(known.layout === layout, `table ${name} has layout ${layout}`)
      return known
    }
    const ttl = descriptor?.ttl
    const type = ttl === undefined ? valueType : stampedType(descriptor!.type, descriptor!.kind === 'list')
    const table = this.#newTable(layout, type, valueType !== null && !valueType.isImmutable)
    if (this.#isTracking) table.track()
    let expiry: Expiry | null = null
    if (ttl !== undefined) {
      const clock = present(this.#clock, 'the clock of state with a time-to-live')
      expiry = new Expiry(ttl, clock, this.context, table)
    }
    const registered: RegisteredTable = { name, layout, type, table, expiry }
    this.#tables.set(name, registered)
    if (this.#restored.has(name)) this.#load(registered)
    return registered
  }

  /** Loads a table at once; the key that is current stays so. */
  #load(registered: RegisteredTable): void {
    const { mapKey, knownKeyGroup } = this.context
    try {
      for (const chunk of this.takeRestored(registered.name)) {
        for (const _step of restoreChunk(chunk, registered, this.context, this.keyGroups, chunk.rowCount));
      }
    } catch (error) {
      this.misfits.add(error)
    }
    this.context.setMapKey(mapKey, knownKeyGroup)
  }

  #newTable(layout: TableLayout, type: Type<unknown> | null, isMutable: boolean): SnapshotTable<unknown> {
    if (this.#home !== null) {
      const stored = this.#newStoredTable(layout, type, isMutable, this.#home)
      if (stored !== null) return stored
    }
    switch (layout) {
      case 'flat':
        return new HeapFlatTable(this.context, isMutable)
      case 'nested':
        return new HeapNestedTable(this.context, isMutable)
      case 'slices':
        return new HeapSliceTable(this.context, isMutable)
      case 'timers':
        return new HeapTimerTable(this.context) as unknown as SnapshotTable<unknown>
    }
  }

  /** Null: tables of this layout live in the heap nevertheless. */
  #newStoredTable(
    layout: TableLayout,
    type: Type<unknown> | null,
    isMutable: boolean,
    home: StateHome,
  ): SnapshotTable<unknown> | null {
    if (layout === 'timers' && home.timers === 'heap') return null
    const options = { context: this.context, cache: home.cache, tableId: home.newTableId(), type, isMutable }
    switch (layout) {
      case 'flat': {
        const table = new StoredFlatTable(options)
        this.prefetch?.add(table)
        return table
      }
      case 'nested':
        return new StoredNestedTable(options)
      case 'slices':
        return new StoredSliceTable(options)
      case 'timers':
        return new StoredTimerTable(options) as unknown as SnapshotTable<unknown>
    }
  }
}

function describeTtl(ttl: Ttl | undefined): string {
  return ttl === undefined ? 'no time-to-live' : `the time-to-live ${JSON.stringify(ttl)}`
}

/** What has been cut down takes the place of what it was cut from, so that this is done once. */
function* restricted(
  lists: readonly (readonly [StateChunk[], readonly StateChunk[]])[],
  keyGroups: KeyGroupRange,
): Generator<StateChunk> {
  for (const [list, chunks] of lists) {
    for (const [index, chunk] of chunks.entries()) {
      const own = restrictChunk(chunk, keyGroups)
      if (list[index] === chunk) list[index] = own
      yield own
    }
  }
}
