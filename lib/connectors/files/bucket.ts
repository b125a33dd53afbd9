/**
 * The parts of one bucket: at most one in progress, and those that are closed but not handed over for commit yet.
 * Decisions and their order are those of Flink's FileWriterBucket; what a part is made of is the caller's matter.
 */
import { assert } from '../../base/assert.ts'
import type { PartProgress, RollingPolicy } from './rolling-policy.ts'

/** Where records go. */
export interface Part {
  readonly sizeBytes: number
  append(record: string): void
  /** No record will come any more. */
  close(): void
}

/** A part and what the policy looks at. */
class PartInProgress<P extends Part> implements PartProgress {
  readonly part: P
  readonly createdMs: number
  lastWriteMs: number

  constructor(part: P, createdMs: number) {
    this.part = part
    this.createdMs = createdMs
    this.lastWriteMs = createdMs
  }

  get sizeBytes(): number {
    return this.part.sizeBytes
  }
}

export class Bucket<P extends Part> {
  readonly #policy: RollingPolicy
  readonly #newPart: () => P
  #current: PartInProgress<P> | null = null
  #pending: P[] = []

  constructor(policy: RollingPolicy, newPart: () => P) {
    this.#policy = policy
    this.#newPart = newPart
  }

  /** The part in progress. */
  get current(): (PartProgress & { readonly part: P }) | null {
    return this.#current
  }

  /** Closed, and not handed over. */
  get pending(): readonly P[] {
    return this.#pending
  }

  /** Whether there is anything to hand over, now or later. */
  get isActive(): boolean {
    return this.#current !== null || this.#pending.length > 0
  }

  write(record: string, nowMs: number): void {
    if (this.#current === null || this.#policy.shouldRollOnEvent(this.#current, nowMs)) {
      this.roll()
      this.#current = new PartInProgress(this.#newPart(), nowMs)
    }
    this.#current.part.append(record)
    this.#current.lastWriteMs = nowMs
  }

  onProcessingTime(nowMs: number): void {
    if (this.#current !== null && this.#policy.shouldRollOnProcessingTime(this.#current, nowMs)) this.roll()
  }

  /** The parts to commit with the checkpoint that is being taken, or at the end of the input. */
  prepareCommit(nowMs: number, isEndOfInput: boolean): P[] {
    if (this.#current !== null && (isEndOfInput || this.#policy.shouldRollOnCheckpoint(this.#current, nowMs)))
      this.roll()
    const ready = this.#pending
    this.#pending = []
    return ready
  }

  /** Goes on with a part of a snapshot. Of a second one for the same bucket nothing can be made but a finished part. */
  restore(part: P, createdMs: number): void {
    if (this.#current === null) this.#current = new PartInProgress(part, createdMs)
    else this.restoreFinished(part)
  }

  /** Takes over a part of a snapshot to which nothing will be added. */
  restoreFinished(part: P): void {
    assert(part !== this.#current?.part, 'a part that is not in progress')
    part.close()
    this.#pending.push(part)
  }

  /** Closes the part in progress, whatever the policy says. */
  roll(): void {
    if (this.#current === null) return
    this.#current.part.close()
    this.#pending.push(this.#current.part)
    this.#current = null
  }
}
