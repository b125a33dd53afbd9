/**
 * Alignment of watermarks: the sources of a job that name the same group wait for each other, so that none runs ahead
 * of the slowest by more than its drift, and what meets later (a join, a union) need not be kept for long. Flink's
 * FLIP-182 and FLIP-217; here members ask for the slowest of their group, which makes a lost message harmless.
 *
 * A1. A member that has not reported counts as if it had no event time yet: all begin together.
 * A2. A member that is idle, or has ended, holds nobody back.
 * A3. What members know of the slowest may be old, never too late: event time does not go back within an attempt.
 * A4. Nobody waits for itself: a member measures its drift from the slowest of the others.
 */
import { SluiceError } from '../base/errors.ts'
import { MAX_TIMESTAMP, MIN_TIMESTAMP } from './timestamp.ts'

export interface WatermarkAlignment {
  /** Sources of one group wait for each other. */
  readonly group: string
  /** How far, in ms, a source may be ahead of the slowest of its group. */
  readonly maxDriftMs: number
  /** How often a source asks how far the others are. */
  readonly updateIntervalMs: number
}

/** One operator of one subtask. */
export interface AlignmentMember {
  readonly group: string
  readonly id: string
}

/** Knows how far every member of every group of a job is. */
export class AlignmentGroups {
  readonly #groups = new Map<string, Map<string, number>>()

  constructor(members: Iterable<AlignmentMember>) {
    for (const { group, id } of members) {
      const watermarks = this.#groups.get(group) ?? new Map<string, number>()
      this.#groups.set(group, watermarks.set(id, MIN_TIMESTAMP))
    }
  }

  /** Notes how far a member is, Infinity if it holds nobody back; returns how far the slowest of the others is. */
  report({ group, id }: AlignmentMember, watermark: number): number {
    const watermarks = this.#groups.get(group)
    if (watermarks?.has(id) !== true) {
      throw new SluiceError('INTERNAL', `no member ${id} in alignment group "${group}" of this job`)
    }
    watermarks.set(id, watermark)
    let slowest = MAX_TIMESTAMP
    for (const [other, each] of watermarks) if (other !== id && each < slowest) slowest = each
    return slowest
  }
}

/** How far one member is, and how far it may go. */
export class AlignedWatermark {
  readonly alignment: WatermarkAlignment
  watermark = MIN_TIMESTAMP
  isIdle = false
  #limit = MAX_TIMESTAMP

  constructor(alignment: WatermarkAlignment) {
    this.alignment = alignment
  }

  /** What the group is told. */
  get reported(): number {
    return this.isIdle ? MAX_TIMESTAMP : this.watermark
  }

  /** Event time up to which a split may be read: near the other members, and near the slowest split of this one. */
  get splitLimit(): number {
    return Math.min(this.#limit, this.watermark + this.alignment.maxDriftMs)
  }

  /** Whether nothing is to be read until the others have come nearer. */
  get isAhead(): boolean {
    return !this.isIdle && this.watermark > this.#limit
  }

  /** `slowest`: the answer of the group. True if something that has paused may go on. */
  onSlowest(slowest: number): boolean {
    const before = this.#limit
    this.#limit = slowest + this.alignment.maxDriftMs
    return this.#limit > before
  }
}
