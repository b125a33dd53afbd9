/** A target that keeps the keyed state of a snapshot, and can be told to be slow. */
import type {
  OperatorSnapshot,
  SnapshotTarget,
  SubtaskSnapshot,
} from '../../../lib/checkpoint/subtask-snapshot.ts'
import { copyOfChunk, type StateChunk } from '../../../lib/state/state-chunk.ts'
import type { SnapshotKind } from '../../../lib/state/state-table.ts'

export class CollectingTarget implements SnapshotTarget {
  readonly kind: SnapshotKind
  readonly isFolding: boolean
  readonly #chunks: { readonly operatorId: string; readonly chunk: StateChunk }[] = []
  state: 'ready' | 'busy' | 'closed' = 'ready'
  hasFolded = false

  constructor(kind: SnapshotKind = 'savepoint', isFolding = false) {
    this.kind = kind
    this.isFolding = isFolding
  }

  add(operatorId: string, chunk: StateChunk): void {
    this.#chunks.push({ operatorId, chunk: copyOfChunk(chunk) })
  }

  folded(): void {
    this.hasFolded = true
  }

  get rowCount(): number {
    return this.#chunks.reduce((sum, { chunk }) => sum + chunk.rowCount, 0)
  }

  keyedOf(operatorId: string): StateChunk[] {
    return this.#chunks.filter((each) => each.operatorId === operatorId).map(({ chunk }) => chunk)
  }

  /** The snapshot with its keyed state. */
  whole(snapshot: SubtaskSnapshot): SubtaskSnapshot {
    const operators = snapshot.operators.map(
      (operator): OperatorSnapshot => ({ ...operator, keyed: this.keyedOf(operator.id) }),
    )
    return { ...snapshot, operators }
  }
}
