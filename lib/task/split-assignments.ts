/**
 * Which splits the readers of a source have been given after which of its snapshots: what an enumerator has to take
 * back when one reader begins anew from a checkpoint and the others go on. What the reader had been given before is in
 * its own state. Flink's SplitAssignmentTracker. Pure.
 *
 * A1. A split is in one place: with the reader it was given to last, or given back, once.
 * A2. Nothing is given back unless it is known for sure what to: null for a checkpoint from before the one the
 *     enumerator began with, the one that was completed last, or the last reset of the reader, whose splits may be with
 *     others since; and for one of which too much has been given out to be remembered.
 */

/** More than are given out between two checkpoints by far. */
const ASSIGNED_MAX = 100_000

interface Assignment<S> {
  /** The snapshot it followed. */
  readonly after: number
  readonly split: S
}

export class SplitAssignments<S> {
  readonly #assignedMax: number
  readonly #assigned = new Map<number, Assignment<S>[]>()
  /** By reader: the checkpoint it was reset to, and the snapshot that was the last by then. */
  readonly #resets = new Map<number, { readonly to: number; readonly at: number }>()
  #snapshotId: number
  /** Checkpoints older than this are not known. */
  #oldest: number
  #count = 0

  /** `checkpointId`: what the enumerator begins with. */
  constructor(checkpointId: number, assignedMax = ASSIGNED_MAX) {
    this.#snapshotId = checkpointId
    this.#oldest = checkpointId
    this.#assignedMax = assignedMax
  }

  /** Splits that are remembered. */
  get size(): number {
    return this.#count
  }

  assigned(reader: number, split: S): void {
    if (this.#count === this.#assignedMax) {
      this.#assigned.clear()
      this.#count = 0
      this.#oldest = this.#snapshotId + 1
    }
    const assignment = { after: this.#snapshotId, split }
    const before = this.#assigned.get(reader)
    if (before === undefined) this.#assigned.set(reader, [assignment])
    else before.push(assignment)
    this.#count++
  }

  /** A snapshot has been taken of what is not given out. Ids only grow. */
  snapshot(checkpointId: number): void {
    this.#snapshotId = Math.max(this.#snapshotId, checkpointId)
  }

  /** Nobody goes back to before this checkpoint. */
  completed(checkpointId: number): void {
    if (checkpointId <= this.#oldest) return
    this.#oldest = checkpointId
    for (const reader of this.#assigned.keys()) this.#keep(reader, ({ after }) => after >= checkpointId)
  }

  /** The reader goes back to a checkpoint: what it has been given since, oldest first. A2. */
  reset(reader: number, checkpointId: number): S[] | null {
    const last = this.#resets.get(reader)
    const isBefore = last !== undefined && checkpointId !== last.to && checkpointId <= last.at
    if (isBefore || checkpointId < this.#oldest || checkpointId > this.#snapshotId) return null
    this.#resets.set(reader, { to: checkpointId, at: this.#snapshotId })
    const assigned = this.#assigned.get(reader) ?? []
    this.#keep(reader, ({ after }) => after < checkpointId)
    return assigned.filter(({ after }) => after >= checkpointId).map(({ split }) => split)
  }

  #keep(reader: number, isWanted: (assignment: Assignment<S>) => boolean): void {
    const before = this.#assigned.get(reader) ?? []
    const after = before.filter(isWanted)
    this.#count += after.length - before.length
    if (after.length === 0) this.#assigned.delete(reader)
    else this.#assigned.set(reader, after)
  }
}
