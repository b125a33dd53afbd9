/**
 * Who leads: one coordinator of a cluster, by a lease in a key-value store that is renewed by compare-and-set. Events
 * in, orders out; `actors/leader-elector.ts` is the shell. Nobody's clock is compared with anybody else's: a leader
 * counts from when it *sent* its last successful renewal, everybody else from when they first *saw* it, which is later.
 *
 * E1. A leader that has not renewed within its lease leads no more, whether it knows or not: `isLeading` asks the time.
 *     It is to be asked before each act, for the process may have been stopped in between.
 * E2. A lease is taken over only after it has stood unchanged for longer than it lasts (by CLAIM_FACTOR, for clocks
 *     that run differently), and only in place of the very revision that stood: a renewal that was late wins or loses.
 * E3. Each leader has an epoch of its own, larger than all before it. What was ordered in an older one is refused: that
 *     is what holds when a host was asleep, and its clock with it.
 * E4. A write whose outcome is unknown counts as none until a read has shown it; the lease then runs from when that
 *     write was sent.
 *
 * The scheme is that of leases in general (Gray and Cheriton, 1989), with fencing by epoch as in Chubby.
 */

import type { CoordinatorIdentity } from '../protocol/coordinator.ts'

/** The lease as it is stored. */
export interface Lease {
  /** Null: the last leader has laid it down. */
  readonly holder: CoordinatorIdentity | null
  readonly epoch: number
  /** Counts writes of this epoch, so that no two are alike. */
  readonly renewal: number
  readonly leaseMs: number
}

export interface LeaderElectionOptions {
  readonly self: CoordinatorIdentity
  /** How long a lease lasts that is not renewed. */
  readonly leaseMs: number
  /**
   * Of the first leader where nothing is stored: larger than any before it, also where what was stored has been lost
   * while nodes still remember who led. Seconds since 1970 do.
   */
  readonly firstEpoch: number
}

export type ElectionEvent =
  | { readonly kind: 'tick' }
  /** What is stored, and its revision; null: nothing. */
  | { readonly kind: 'read'; readonly entry: { readonly lease: Lease; readonly revision: number } | null }
  /** Null: somebody else has written. */
  | { readonly kind: 'written'; readonly revision: number | null }
  /** A read or a write has failed; the write may have happened. */
  | { readonly kind: 'failed'; readonly reason: string }
  /** It leads, but cannot: another may try. */
  | { readonly kind: 'yielded'; readonly reason: string }
  /** The process stops. */
  | { readonly kind: 'resigned' }

export type ElectionOrder =
  /** To be answered by `read` or `failed`. */
  | { readonly kind: 'read' }
  /** In place of this revision, null: if there is none. To be answered by `written` or `failed`. */
  | { readonly kind: 'write'; readonly lease: Lease; readonly revision: number | null }
  | { readonly kind: 'lead'; readonly epoch: number }
  /** Somebody else leads, or, null, nobody does. Said once for each. */
  | { readonly kind: 'follow'; readonly leader: CoordinatorIdentity | null; readonly epoch: number }
  /** Leads no more. */
  | { readonly kind: 'stepDown'; readonly reason: string }

/** A leader renews this often per lease. */
const RENEWALS_PER_LEASE = 4
/** Others look this often per lease. */
const LOOKS_PER_LEASE = 6
/** How much longer than it lasts a lease must have stood still. */
const CLAIM_FACTOR = 1.25

type Pending =
  | { readonly kind: 'read' }
  | { readonly kind: 'write'; readonly lease: Lease; readonly sentMs: number }

export class LeaderElection {
  readonly #options: LeaderElectionOptions
  /** One request at a time. */
  #pending: Pending | null = null
  #nextMs = Number.NEGATIVE_INFINITY
  /** What was seen last, by its revision, and when it was seen first. */
  #seen: { readonly lease: Lease; readonly revision: number; readonly sinceMs: number } | null = null
  #followed: string | null = null
  /** Our own lease while we lead. */
  #own: { lease: Lease; revision: number; renewedMs: number } | null = null
  /** A write of ours of which nobody knows whether it happened. */
  #unsure: { readonly lease: Lease; readonly sentMs: number } | null = null
  /** What is stored may not be what we think: a leader looks before it writes again. */
  #mustLook = false
  #isResigned = false

  constructor(options: LeaderElectionOptions) {
    this.#options = options
  }

  /** E1. */
  isLeading(nowMs: number): boolean {
    return this.#own !== null && nowMs - this.#own.renewedMs < this.#options.leaseMs
  }

  get epoch(): number | null {
    return this.#own?.lease.epoch ?? null
  }

  /** A good time to be asked again. */
  get tickMs(): number {
    return this.#options.leaseMs / (2 * LOOKS_PER_LEASE)
  }

  on(event: ElectionEvent, nowMs: number): ElectionOrder[] {
    const orders = this.#expire(nowMs)
    switch (event.kind) {
      case 'tick':
        return [...orders, ...this.#onTick(nowMs)]
      case 'read':
        this.#pending = null
        return [...orders, ...this.#onRead(event.entry, nowMs)]
      case 'written':
        return [...orders, ...this.#onWritten(event.revision, nowMs)]
      case 'failed':
        return [...orders, ...this.#onFailed()]
      case 'yielded':
        return [...orders, ...this.#layDown(event.reason, nowMs)]
      case 'resigned':
        this.#isResigned = true
        return [...orders, ...this.#layDown('it stops', nowMs)]
    }
  }

  #expire(nowMs: number): ElectionOrder[] {
    if (this.#own === null || this.isLeading(nowMs)) return []
    return this.#stepDown(`the lease was not renewed for ${Math.round(nowMs - this.#own.renewedMs)} ms`)
  }

  #stepDown(reason: string): ElectionOrder[] {
    this.#own = null
    this.#seen = null
    this.#nextMs = Number.NEGATIVE_INFINITY
    return [{ kind: 'stepDown', reason }]
  }

  #onTick(nowMs: number): ElectionOrder[] {
    if (this.#pending !== null || this.#isResigned || nowMs < this.#nextMs) return []
    const perLease = this.#own === null ? LOOKS_PER_LEASE : RENEWALS_PER_LEASE
    this.#nextMs = nowMs + this.#options.leaseMs / perLease
    if (this.#own === null || this.#mustLook) return this.#read()
    return this.#write(renewed(this.#own.lease), this.#own.revision, nowMs)
  }

  #read(): ElectionOrder[] {
    this.#pending = { kind: 'read' }
    return [{ kind: 'read' }]
  }

  #write(lease: Lease, revision: number | null, nowMs: number): ElectionOrder[] {
    this.#pending = { kind: 'write', lease, sentMs: nowMs }
    return [{ kind: 'write', lease, revision }]
  }

  #onRead(
    entry: { readonly lease: Lease; readonly revision: number } | null,
    nowMs: number,
  ): ElectionOrder[] {
    const unsure = this.#unsure
    this.#unsure = null
    this.#mustLook = false
    const isUnsure = entry !== null && unsure !== null && isSame(entry.lease, unsure.lease)
    const own = this.#own
    if (own !== null) {
      if (entry === null || !this.#isOurs(entry.lease) || entry.lease.epoch !== own.lease.epoch)
        return this.#stepDown('another coordinator has taken the lease')
      this.#own = { ...entry, renewedMs: isUnsure ? unsure.sentMs : own.renewedMs }
      this.#nextMs = Number.NEGATIVE_INFINITY
      return []
    }
    if (this.#isResigned) return []
    return isUnsure && unsure.lease.renewal === 0
      ? this.#hold(entry, unsure.sentMs, nowMs)
      : this.#look(entry, nowMs)
  }

  #isOurs({ holder }: Lease): boolean {
    return holder?.incarnation === this.#options.self.incarnation
  }

  /** Follows whoever leads, and takes over from one who does no more. */
  #look(entry: { readonly lease: Lease; readonly revision: number } | null, nowMs: number): ElectionOrder[] {
    if (entry === null) return this.#write(this.#claim(this.#options.firstEpoch), null, nowMs)
    const { lease, revision } = entry
    if (this.#seen?.revision !== revision) this.#seen = { lease, revision, sinceMs: nowMs }
    const orders = this.#isOurs(lease) ? [] : this.#follow(lease)
    const isOver = nowMs - this.#seen.sinceMs > lease.leaseMs * CLAIM_FACTOR
    const isFree = lease.holder === null || this.#isOurs(lease) || isOver
    return isFree ? [...orders, ...this.#write(this.#claim(lease.epoch + 1), revision, nowMs)] : orders
  }

  #follow({ holder, epoch }: Lease): ElectionOrder[] {
    const followed = `${holder?.incarnation} ${epoch}`
    if (this.#followed === followed) return []
    this.#followed = followed
    return [{ kind: 'follow', leader: holder, epoch }]
  }

  #claim(epoch: number): Lease {
    const { self, leaseMs } = this.#options
    return { holder: self, epoch, renewal: 0, leaseMs }
  }

  #onWritten(revision: number | null, nowMs: number): ElectionOrder[] {
    const pending = this.#pending
    this.#pending = null
    if (pending?.kind !== 'write') return []
    if (revision !== null) return this.#hold({ lease: pending.lease, revision }, pending.sentMs, nowMs)
    // By somebody else, or by a write of our own that was given up and has come late after all.
    this.#mustLook = true
    this.#nextMs = Number.NEGATIVE_INFINITY
    return []
  }

  /** The lease is ours, as of `sentMs`. */
  #hold(
    { lease, revision }: { readonly lease: Lease; readonly revision: number },
    sentMs: number,
    nowMs: number,
  ): ElectionOrder[] {
    if (lease.holder === null) return []
    const isNew = this.#own === null
    // The last renewal of an epoch that is over has arrived after all: the next one is claimed like anybody's (E3).
    if (isNew && lease.renewal > 0) return []
    // Too late: it goes to whoever takes it over, which may be us.
    if (nowMs - sentMs >= this.#options.leaseMs || this.#isResigned) return []
    this.#own = { lease, revision, renewedMs: sentMs }
    this.#seen = null
    this.#followed = null
    return isNew ? [{ kind: 'lead', epoch: lease.epoch }] : []
  }

  #onFailed(): ElectionOrder[] {
    const pending = this.#pending
    this.#pending = null
    if (pending?.kind === 'write') {
      this.#unsure = pending
      this.#mustLook = true
    }
    // At the next tick: a leader has no time to lose.
    if (this.#own !== null) this.#nextMs = Number.NEGATIVE_INFINITY
    return []
  }

  /** So that nobody has to wait for the end of the lease. */
  #layDown(reason: string, nowMs: number): ElectionOrder[] {
    const own = this.#own
    if (own === null) return []
    const orders = this.#stepDown(reason)
    this.#nextMs = nowMs + this.#options.leaseMs
    if (this.#pending !== null) return orders
    return [...orders, ...this.#write({ ...renewed(own.lease), holder: null }, own.revision, nowMs)]
  }
}

function renewed(lease: Lease): Lease {
  return { ...lease, renewal: lease.renewal + 1 }
}

function isSame(a: Lease, b: Lease): boolean {
  return a.holder?.incarnation === b.holder?.incarnation && a.epoch === b.epoch && a.renewal === b.renewal
}
