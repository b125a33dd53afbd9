/**
 * A walk over all entries of a keyed state backend that takes many snapshots: each delta writes down, besides what has
 * changed, some of what has not. When the walk has come to its end, everything that was there when it began and still
 * is has been written by one of these deltas, or is going to be by the next: they and what follows them stand for the
 * whole state, and what came before them can go.
 *
 * W1. An entry that changes after the freeze of a delta is not written by its walk (nothing would keep the old value);
 *     it has its place in the next delta. So the older snapshots can be left out from the *next* snapshot on.
 * W2. Entries that come into being during the walk are changes: whether the walk meets them makes no difference.
 * W3. What nobody has declared is written by the first of the deltas.
 */
import type { Entry } from './entry.ts'
import type { KeyedStateBackend } from './keyed-state-backend.ts'
import type { RegisteredTable } from './state-chunk.ts'

export class KeyedWalk {
  readonly #tables: Iterator<RegisteredTable>
  #registered: RegisteredTable | null = null
  #entries: Iterator<Entry<unknown>> | null = null
  #isFresh = true
  #hasEnded = false

  constructor(backend: KeyedStateBackend) {
    this.#tables = backend.tables()[Symbol.iterator]()
  }

  /** No step has been taken. */
  get isFresh(): boolean {
    return this.#isFresh
  }

  get hasEnded(): boolean {
    return this.#hasEnded
  }

  /** The table of the entry that {@link next} gave. */
  get registered(): RegisteredTable | null {
    return this.#registered
  }

  /** Null at the end. */
  next(): Entry<unknown> | null {
    this.#isFresh = false
    for (;;) {
      const next = this.#entries?.next()
      if (next?.done === false) return next.value
      const table = this.#tables.next()
      if (table.done === true) {
        this.#hasEnded = true
        return null
      }
      this.#registered = table.value
      this.#entries = table.value.table.entries()[Symbol.iterator]()
    }
  }
}
