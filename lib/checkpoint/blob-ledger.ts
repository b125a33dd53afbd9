/**
 * Which blobs of a job are still needed, and by whom. One blob may be part of many checkpoints, so it lives as long as
 * somebody holds it: a checkpoint that is pending or kept, or a subtask that runs and builds its next snapshot on it.
 * In the place of Flink's SharedStateRegistry; owned by the job master.
 *
 * L1. A blob is given up once, by the call after which nobody holds it.
 * L2. What has never been held is never given up: it may just be on its way (see `strays`).
 * L3. A subtask holds what it told last, by the order of checkpoints: what comes late changes nothing.
 */
import type { SubtaskId } from '../graph/pipelined-regions.ts'
import { originOf } from './checkpoint-files.ts'

/** The present attempt of a subtask. */
export type AttemptOf = (subtask: SubtaskId) => number

/** A checkpoint by its id, a subtask by its task id. */
type BlobHolder = number | string

export class BlobLedger {
  readonly #held = new Map<BlobHolder, ReadonlySet<string>>()
  /** How many hold it. */
  readonly #counts = new Map<string, number>()
  /** Of each subtask that runs, the checkpoint that it told of last. */
  readonly #told = new Map<string, number>()

  /** What a subtask has told of its state at a checkpoint. Returns what nobody holds any more. */
  subtaskHolds(task: string, checkpointId: number, names: Iterable<string>): string[] {
    if (checkpointId < (this.#told.get(task) ?? 0)) return []
    this.#told.set(task, checkpointId)
    return this.#hold(task, names)
  }

  /** A checkpoint needs these too. */
  checkpointHolds(checkpointId: number, names: Iterable<string>): void {
    this.#hold(checkpointId, [...(this.#held.get(checkpointId) ?? []), ...names])
  }

  /** A checkpoint needs nothing any more. Returns what nobody holds any more. */
  releaseCheckpoint(checkpointId: number): string[] {
    return this.#release(checkpointId)
  }

  /** The attempt of these subtasks, or of all, is over: they hold nothing. Returns what nobody holds any more. */
  releaseSubtasks(tasks: readonly string[] | null = null): string[] {
    const subtasks = (tasks ?? [...this.#told.keys()]).filter((task) => this.#told.delete(task))
    return subtasks.flatMap((subtask) => this.#release(subtask))
  }

  /** Nobody holds anything any more. */
  clear(): void {
    this.#held.clear()
    this.#counts.clear()
    this.#told.clear()
  }

  /** Those that hold something. */
  get checkpoints(): number[] {
    return [...this.#held.keys()].filter((holder) => typeof holder === 'number')
  }

  /** The checkpoints that need a blob. */
  checkpointsWith(name: string): number[] {
    return this.checkpoints.filter((id) => this.#held.get(id)!.has(name))
  }

  /** Of the names, those that were stored by an attempt before the present one of their subtask and nobody holds. */
  strays(names: Iterable<string>, attemptOf: AttemptOf): string[] {
    return [...names].filter((name) => {
      const origin = originOf(name)
      return origin !== undefined && origin.attempt < attemptOf(origin) && !this.#counts.has(name)
    })
  }

  /** From now on `holder` holds these, and nothing it held before. Returns what nobody holds any more. */
  #hold(holder: BlobHolder, names: Iterable<string>): string[] {
    const before = this.#held.get(holder) ?? new Set()
    const now = new Set(names)
    this.#held.set(holder, now)
    for (const name of now) if (!before.has(name)) this.#counts.set(name, (this.#counts.get(name) ?? 0) + 1)
    return [...before].filter((name) => !now.has(name) && this.#drop(name))
  }

  #release(holder: BlobHolder): string[] {
    const dropped = this.#hold(holder, [])
    this.#held.delete(holder)
    return dropped
  }

  /** True if nobody holds it any more. */
  #drop(name: string): boolean {
    const count = this.#counts.get(name)! - 1
    if (count > 0) this.#counts.set(name, count)
    else this.#counts.delete(name)
    return count === 0
  }
}
