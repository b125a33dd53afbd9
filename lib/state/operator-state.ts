/**
 * State of an operator rather than of a key: lists whose elements are dealt out anew when the parallelism changes, and
 * broadcast maps that are the same in every subtask. Flink's OperatorStateBackend.
 */

import { ByteReader } from '../base/byte-reader.ts'
import { ByteWriter } from '../base/byte-writer.ts'
import { SluiceError } from '../base/errors.ts'
import type { Key } from '../base/hash.ts'
import { readKey, writeKey } from '../types/key-codec.ts'
import type { Schema } from '../types/schema.ts'
import type { Type } from '../types/type.ts'
import { fromMapKey, type MapKey, toMapKey } from './map-key.ts'
import type { MapState } from './state.ts'
import type { StateDescriptor } from './state-descriptor.ts'
import { StateMisfits } from './state-misfit.ts'
import { rowReader } from './value-reader.ts'

/** How elements are distributed on restore: each to one subtask, all to all, or the same map for all. */
export type RedistributionMode = 'split' | 'union' | 'broadcast'

export interface OperatorStateSnapshot {
  readonly name: string
  readonly mode: RedistributionMode
  readonly schema: Schema
  /** One encoded element each; for broadcast state, key and value. */
  readonly items: readonly Uint8Array[]
}

export class OperatorListState<T> {
  #items: readonly T[] = []

  get(): readonly T[] {
    return this.#items
  }

  update(items: readonly T[]): void {
    this.#items = items
  }
}

class BroadcastState<K extends Key, V> implements MapState<K, V> {
  readonly #map = new Map<MapKey, V>()

  get(key: K): V | undefined {
    return this.#map.get(toMapKey(key))
  }

  has(key: K): boolean {
    return this.#map.has(toMapKey(key))
  }

  set(key: K, value: V): void {
    this.#map.set(toMapKey(key), value)
  }

  delete(key: K): void {
    this.#map.delete(toMapKey(key))
  }

  get size(): number {
    return this.#map.size
  }

  *keys(): Generator<K> {
    for (const key of this.#map.keys()) yield fromMapKey(key) as K
  }

  values(): Iterable<V> {
    return this.#map.values()
  }

  *entries(): Generator<[K, V]> {
    for (const [key, value] of this.#map) yield [fromMapKey(key) as K, value]
  }

  clear(): void {
    this.#map.clear()
  }
}

interface Registered {
  readonly mode: RedistributionMode
  readonly type: Type<unknown>
  readonly state: OperatorListState<unknown> | BroadcastState<Key, unknown>
}

/** An element is one record at most; this bounds what a damaged snapshot can make us allocate. */
const ITEM_BYTES_MAX = 256 * 1024 * 1024

export class OperatorStateBackend {
  readonly misfits = new StateMisfits()
  readonly #states = new Map<string, Registered>()
  /** Restored, but not declared yet; kept for the next snapshot. */
  readonly #restored = new Map<string, OperatorStateSnapshot>()

  listState<T>(name: string, type: Type<T>, mode: 'split' | 'union'): OperatorListState<T> {
    return this.#declare(
      name,
      mode,
      type as Type<unknown>,
      () => new OperatorListState(),
    ) as OperatorListState<T>
  }

  broadcastState<K extends Key, V>(descriptor: StateDescriptor<MapState<K, V>>): MapState<K, V> {
    if (descriptor.ttl !== undefined) {
      // Subtasks would drop entries at different moments, and hold different maps from then on.
      throw new SluiceError(
        'UNSUPPORTED',
        `broadcast state "${descriptor.name}" is declared with a time-to-live, which only keyed state can have: delete its entries by a record`,
      )
    }
    const state = this.#declare(descriptor.name, 'broadcast', descriptor.type, () => new BroadcastState())
    return state as MapState<K, V>
  }

  /** One snapshot per state: what is dealt out among subtasks has been dealt out before. */
  restore(snapshots: Iterable<OperatorStateSnapshot>): void {
    for (const snapshot of snapshots) {
      const registered = this.#states.get(snapshot.name)
      if (registered === undefined) this.#restored.set(snapshot.name, snapshot)
      else this.#load(snapshot, registered)
    }
  }

  snapshot(): OperatorStateSnapshot[] {
    const undeclared = [...this.#restored.values()]
    return [...undeclared, ...[...this.#states].map(([name, registered]) => encode(name, registered))]
  }

  #declare(name: string, mode: RedistributionMode, type: Type<unknown>, create: () => Registered['state']) {
    const known = this.#states.get(name)
    if (known !== undefined) {
      if (known.mode === mode) return known.state
      throw new SluiceError(
        'GRAPH_INVALID',
        `operator state "${name}" is declared as ${known.mode} and as ${mode}`,
      )
    }
    const registered: Registered = { mode, type, state: create() }
    this.#states.set(name, registered)
    const snapshot = this.#restored.get(name)
    this.#restored.delete(name)
    if (snapshot !== undefined) this.#load(snapshot, registered)
    return registered.state
  }

  #load(snapshot: OperatorStateSnapshot, registered: Registered): void {
    try {
      decode(snapshot, registered)
    } catch (error) {
      this.misfits.add(error)
    }
  }
}

function encode(name: string, { mode, type, state }: Registered): OperatorStateSnapshot {
  const out = new ByteWriter(256, ITEM_BYTES_MAX)
  const item = (write: () => void): Uint8Array => {
    out.reset()
    write()
    return out.toUint8Array()
  }
  const items: Uint8Array[] = []
  if (state instanceof OperatorListState) {
    for (const value of state.get()) items.push(item(() => type.row.write(out, value)))
  } else {
    for (const [key, value] of state.entries()) {
      items.push(
        item(() => {
          writeKey(out, key)
          type.row.write(out, value)
        }),
      )
    }
  }
  return { name, mode, schema: type.schema, items }
}

function decode(snapshot: OperatorStateSnapshot, { mode, type, state }: Registered): void {
  if ((snapshot.mode === 'broadcast') !== (mode === 'broadcast')) {
    throw new SluiceError(
      'STATE_INCOMPATIBLE',
      `operator state "${snapshot.name}" was saved as ${snapshot.mode} state and is declared as ${mode} state`,
      { details: { state: snapshot.name } },
    )
  }
  const read = rowReader(snapshot.schema, type, snapshot.name)
  if (state instanceof OperatorListState) {
    state.update(snapshot.items.map((bytes) => read(new ByteReader(bytes))))
    return
  }
  for (const bytes of snapshot.items) {
    const input = new ByteReader(bytes)
    const key = readKey(input)
    state.set(key, read(input))
  }
}
