/**
 * What a checkpoint says of the states in it, so that one can be looked at, and compared with what a job declares,
 * without reading the state itself.
 */
import type { RedistributionMode } from '../state/operator-state.ts'
import type { StateChunk, TableLayout } from '../state/state-chunk.ts'
import type { Schema } from '../types/schema.ts'
import type { OperatorSnapshot } from './subtask-snapshot.ts'

export interface StateRecord {
  /** As declared; tables of the engine have a slash in theirs. */
  readonly name: string
  /** How keyed state is laid out, or how operator state is dealt out. */
  readonly kind: TableLayout | RedistributionMode
  /** Type of the values; null for timers. */
  readonly schema: Schema | null
  /** Rows, or elements. What a base and deltas say of one entry counts each time. */
  readonly entryCount: number
  readonly byteLength: number
}

/** By operator id. */
export type SubtaskStates = Readonly<Record<string, readonly StateRecord[]>>

export function statesOf(operators: readonly OperatorSnapshot[]): SubtaskStates {
  return Object.fromEntries(
    operators.flatMap((operator) => {
      const states = mergeStates(recordsOf(operator))
      return states.length === 0 ? [] : [[operator.id, states]]
    }),
  )
}

/** The states of a subtask that several say something of. */
export function mergeSubtaskStates(all: readonly SubtaskStates[]): SubtaskStates {
  const ids = new Set(all.flatMap((states) => Object.keys(states)))
  return Object.fromEntries(
    [...ids].map((id) => [id, mergeStates(all.flatMap((states) => states[id] ?? []))]),
  )
}

/** What a chunk of keyed state says of its state. */
export function recordOf({ table, layout, schema, rowCount, rows }: StateChunk): StateRecord {
  return { name: table, kind: layout, schema, entryCount: rowCount, byteLength: rows.length }
}

/** What is known of the states of one operator as their chunks come, of which there may be thousands. */
export class StateTally {
  readonly #records: { -readonly [K in keyof StateRecord]: StateRecord[K] }[] = []

  add(chunk: StateChunk): void {
    const { table, schema, rowCount, rows } = chunk
    // Most chunks of a state have their type in common, which need not be read then.
    const record = this.#records.find((known) => known.name === table && known.schema === schema)
    if (record === undefined) this.#records.push(recordOf(chunk))
    else {
      record.entryCount += rowCount
      record.byteLength += rows.length
    }
  }

  get states(): StateRecord[] {
    return mergeStates(this.#records)
  }
}

/** States of the same name, kind and type as one. */
export function mergeStates(records: readonly StateRecord[]): StateRecord[] {
  const merged = new Map<string, StateRecord>()
  for (const record of records) {
    const key = JSON.stringify([record.name, record.kind, record.schema])
    const { entryCount = 0, byteLength = 0 } = merged.get(key) ?? {}
    merged.set(key, {
      ...record,
      entryCount: entryCount + record.entryCount,
      byteLength: byteLength + record.byteLength,
    })
  }
  return [...merged.values()]
}

function recordsOf({ keyed, operatorState }: OperatorSnapshot): StateRecord[] {
  return [
    ...keyed.filter(({ isDeletion }) => !isDeletion).map(recordOf),
    ...operatorState.map(({ name, mode, schema, items }) => ({
      name,
      kind: mode,
      schema,
      entryCount: items.length,
      byteLength: items.reduce((sum, { length }) => sum + length, 0),
    })),
  ]
}
