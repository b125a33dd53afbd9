/**
 * The brain of one subtask's snapshots: which is a base and which a delta, when old deltas are folded, and which blobs
 * together are its state at a checkpoint. One per subtask and attempt.
 *
 * A delta holds what has changed since the snapshot before it, whatever became of that snapshot's checkpoint. So the
 * chain is made of all snapshots since the last base, those of aborted checkpoints included: what they have stored is
 * needed by those that follow. One that could not be stored breaks the chain, and the next is a base.
 *
 * Folding keeps a chain from growing for ever. Taking a new base would do, but the bigger the state, the longer the
 * checkpoint that has to wait for it; merging stored blobs would have all of them read and decoded again. Here the
 * deltas themselves do it: while folding is on, each one writes some of the unchanged entries besides the changed ones
 * (KeyedWalk), a small multiple of what it writes anyway. When all have had their turn, what came before the first of
 * these deltas is not needed any more. No checkpoint is much longer than the others, and no pause is longer at all.
 * This is the incremental cleaning of log-structured storage, in the place of the periodic materialisation of Flink's
 * changelog backend.
 *
 * S1. Chains are told in the order of their snapshots, each with nothing but stored blobs.
 * S2. Savepoints stand by themselves: nothing builds on them, and they build on nothing.
 * S3. Nothing builds on what another attempt has stored.
 */
import { assert } from '../base/assert.ts'
import type { SnapshotKind } from '../state/state-table.ts'
import type { BlobReference } from './checkpoint-files.ts'
import { mergeSubtaskStates, type SubtaskStates } from './state-record.ts'

export interface ChainLimits {
  /** False: every snapshot is a base. */
  readonly isIncremental: boolean
  /** Folding begins when there are more, or when most of what is stored is out of date. */
  readonly deltasMax: number
}

/** Of all keyed state of a subtask. */
export interface StateSize {
  readonly entryCount: number
  /** Since the last base or delta. */
  readonly changedCount: number
  /** Of one state; null: it is not declared, and only what was restored of it is there. */
  entryCountOf(operatorId: string, state: string): number | null
}

export interface Link {
  readonly kind: SnapshotKind
  /** Whether a step of the walk over all state is to be taken. */
  readonly isFolding: boolean
}

export interface StoredState {
  /** In the order in which they apply. */
  readonly blobs: readonly BlobReference[]
  /** The keyed states that are in them. */
  readonly keyed: SubtaskStates
}

/** What has come of a snapshot. */
export interface StoredSnapshot extends StoredState {
  /** The walk has come to its end. */
  readonly hasFolded: boolean
}

interface Member extends Link {
  /** All that its state is made of, itself last. */
  readonly members: readonly Member[]
  stored: StoredSnapshot | null
}

/** What is stored of one state, by all snapshots of a chain. */
interface Total {
  readonly operatorId: string
  readonly name: string
  entryCount: number
  byteLength: number
}

/** If this share of all entries has changed, a base is no larger than a delta. */
const BASE_SHARE = 0.5
/** Folding begins when less than this share of the bytes stored is of entries as they are now. */
const LIVE_SHARE = 0.5

export class SnapshotChain {
  readonly #limits: ChainLimits
  /** Null: the next is a base. */
  #last: Member | null = null
  /** The first delta of the walk that is under way. */
  #foldFrom: Member | null = null
  /** A walk has ended: the next chain begins with its first delta. */
  #cutFrom: Member | null = null

  constructor(limits: ChainLimits) {
    this.#limits = limits
  }

  /** A snapshot is about to be frozen. `size`: null if the subtask has no keyed state. */
  begin(isSavepoint: boolean, size: StateSize | null): Link {
    if (isSavepoint) return newMember('savepoint', false, [])
    const last = this.#last
    const isBase =
      last === null ||
      size === null ||
      !this.#limits.isIncremental ||
      size.changedCount >= size.entryCount * BASE_SHARE
    const member = isBase ? this.#beginBase() : this.#beginDelta(last, size)
    this.#last = member
    return member
  }

  /** Returns what is its state, with all that it builds on; null: something of that is missing. */
  stored(link: Link, stored: StoredSnapshot): StoredState | null {
    const member = link as Member
    assert(member.stored === null, 'a snapshot is stored once')
    member.stored = stored
    if (stored.hasFolded && this.#foldFrom !== null && member.members.includes(this.#foldFrom)) {
      this.#cutFrom = this.#foldFrom
      this.#foldFrom = null
    }
    const parts = member.members.flatMap((each) => each.stored ?? [])
    if (parts.length < member.members.length) return null
    const keyed = mergeSubtaskStates(parts.map((part) => part.keyed))
    return { blobs: parts.flatMap(({ blobs }) => blobs), keyed }
  }

  /** It could not be stored, or was given up. */
  failed(link: Link): void {
    if (link.kind === 'savepoint' || this.#last?.members.includes(link as Member) !== true) return
    this.#last = null
    this.#foldFrom = null
    this.#cutFrom = null
  }

  #beginBase(): Member {
    this.#foldFrom = null
    this.#cutFrom = null
    return newMember('base', false, [])
  }

  #beginDelta({ members }: Member, size: StateSize): Member {
    let before = members
    if (this.#cutFrom !== null) {
      before = members.slice(members.indexOf(this.#cutFrom))
      this.#cutFrom = null
    }
    const isFolding = this.#foldFrom !== null || this.#isFoldingDue(before, size)
    const member = newMember('delta', isFolding, before)
    if (isFolding) this.#foldFrom ??= member
    return member
  }

  /** Of a state that has only grown nothing is out of date, however much longer than the base the deltas are. */
  #isFoldingDue(members: readonly Member[], size: StateSize): boolean {
    if (members.length > this.#limits.deltasMax) return true
    // Not merged as for `stored`, which compares types: no record is processed meanwhile.
    const totals = new Map<string, Total>()
    for (const { stored } of members) {
      for (const [operatorId, records] of Object.entries(stored?.keyed ?? {})) {
        for (const { name, entryCount, byteLength } of records) {
          const key = `${operatorId}/${name}`
          const total = totals.get(key) ?? { operatorId, name, entryCount: 0, byteLength: 0 }
          total.entryCount += entryCount
          total.byteLength += byteLength
          totals.set(key, total)
        }
      }
    }
    let bytes = 0
    let liveBytes = 0
    for (const { operatorId, name, entryCount, byteLength } of totals.values()) {
      const liveCount = size.entryCountOf(operatorId, name) ?? entryCount
      bytes += byteLength
      liveBytes += byteLength * Math.min(1, liveCount / Math.max(1, entryCount))
    }
    return liveBytes < bytes * LIVE_SHARE
  }
}

function newMember(kind: SnapshotKind, isFolding: boolean, before: readonly Member[]): Member {
  const members: Member[] = [...before]
  const member: Member = { kind, isFolding, members, stored: null }
  members.push(member)
  return member
}
