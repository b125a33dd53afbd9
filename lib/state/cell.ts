/** Where one value is kept: what the state interfaces are built over, whatever table is below. */
import type { SubKey } from './entry.ts'
import type { NestedTable } from './nested-table.ts'

/** A place for one value of the current key; flat tables are such places themselves. */
export interface Cell<V> {
  get(): V | undefined
  put(value: V): void
  remove(): void
}

/** The place in a nested table that the current key and the sub-key of `scope` stand for. */
export class SubCell<V> implements Cell<V> {
  readonly #table: NestedTable<V>
  readonly #scope: { readonly sub: SubKey }

  constructor(table: NestedTable<V>, scope: { readonly sub: SubKey }) {
    this.#table = table
    this.#scope = scope
  }

  get(): V | undefined {
    return this.#table.get(this.#scope.sub)
  }

  put(value: V): void {
    this.#table.put(this.#scope.sub, value)
  }

  remove(): void {
    this.#table.remove(this.#scope.sub)
  }
}
