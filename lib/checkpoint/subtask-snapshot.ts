/**
 * What a checkpoint keeps of one subtask, and how it is taken: frozen at once, written out bit by bit while records
 * flow on, so that a large state does not hold the job up.
 */
import { KeyedSnapshot } from '../state/keyed-snapshot.ts'
import type { KeyedStateBackend } from '../state/keyed-state-backend.ts'
import type { OperatorStateBackend, OperatorStateSnapshot } from '../state/operator-state.ts'
import type { StateChunk } from '../state/state-chunk.ts'
import type { InputSnapshot } from './channel-snapshot.ts'

/** Where an operator of a chain keeps its state. */
export interface StatefulOperator {
  readonly id: string
  readonly keyed: KeyedStateBackend | null
  readonly operatorState: OperatorStateBackend
}

export interface OperatorSnapshot {
  readonly id: string
  readonly operatorState: readonly OperatorStateSnapshot[]
  /** In the order in which they have to be applied. */
  readonly keyed: readonly StateChunk[]
}

export interface SubtaskSnapshot {
  /** One entry per operator of the chain, in its order. */
  readonly operators: readonly OperatorSnapshot[]
  /** Event time of the subtask at its inputs; -Infinity before the first watermark, and of a source. */
  readonly watermark: number
  /** One entry per edge into the subtask. */
  readonly inputs: readonly InputSnapshot[]
}

/** How taking a snapshot went, for people; times in ms. */
export interface SnapshotTimes {
  /** Whether it overtook data, which is then part of it. */
  readonly isUnaligned: boolean
  /** From the arrival of the first barrier to that of the last; where nothing was overtaken, to when it was reached. */
  readonly alignmentMs: number
  /** No record was processed: from the decision to take it until the state was frozen. */
  readonly syncMs: number
  /** When the state was frozen, by the monotonic clock. */
  readonly frozenMs: number
}

/** A snapshot between the freeze, which is its construction, and its last byte. */
export class FrozenSubtask {
  readonly #operators: { readonly snapshot: OperatorSnapshot; readonly keyed: KeyedSnapshot | null }[]
  #next = 0

  constructor(operators: readonly StatefulOperator[]) {
    this.#operators = operators.map(({ id, keyed, operatorState }) => {
      const chunks: StateChunk[] = []
      const snapshot = { id, operatorState: operatorState.snapshot(), keyed: chunks }
      return {
        snapshot,
        keyed: keyed === null ? null : new KeyedSnapshot(keyed, 'savepoint', (chunk) => chunks.push(chunk)),
      }
    })
  }

  /** Writes up to `entryCount` entries of one table; the state when nothing is left, else null: call again. */
  drain(entryCount: number): readonly OperatorSnapshot[] | null {
    for (; this.#next < this.#operators.length; this.#next++) {
      const { keyed } = this.#operators[this.#next]!
      if (keyed !== null && !keyed.drain(entryCount)) return null
    }
    return this.#operators.map(({ snapshot }) => snapshot)
  }
}
