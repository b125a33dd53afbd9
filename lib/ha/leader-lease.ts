/**
 * Who leads, decided by a record in a key-value store that only knows compare-and-set: the brain of one candidate.
 * Its shell is leader-election.ts; what it needs of the store is K1 and K2 of key-value-store.ts.
 *
 * The record holds who leads and in which epoch, and no time: clocks of different hosts are never compared. The
 * leader writes the record anew every third of the lease. A candidate that has seen the same revision for a whole
 * lease, by its own monotonic clock, takes over by replacing exactly that revision, with the next epoch. The epoch
 * is a fencing token: what leaders write elsewhere carries it, and whoever has seen a greater one refuses.
 *
 * L1  At no moment lead two. A leader counts its lease from when it *sent* its last successful write, a candidate
 *     from when it first *saw* its result, which is later; and the leader ends its own a margin earlier, which
 *     covers clocks that differ in speed: by 5 % with the default margin of a tenth of the lease.
 * L2  Epochs grow with every leadership: the next one is computed from the very revision it replaces.
 * L3  A write whose answer is lost stays open until the record is seen to have changed. If it then holds what was
 *     written, the write took effect no earlier than the first time it was sent; from then the lease counts.
 * L4  At most one request is under way; answers to others, late or repeated, are ignored.
 *
 * A process that was frozen notices at its next look at the clock (`leadership` compares, it does not remember).
 * What it did before that look, fencing must catch; and no clock of Node counts the time a host sleeps.
 */
import { assert, unreachable } from '../base/assert.ts'

export interface LeaderRecord {
  /** Empty: nobody, the last leader has resigned. */
  readonly leaderId: string
  readonly epoch: number
}

export interface LeaseSettings {
  /** Unique to this candidate in this run of its process: a restarted one is somebody else. */
  readonly leaderId: string
  readonly leaseMs: number
  /** How much earlier than the others a leader considers its lease over. Default: a tenth of the lease. */
  readonly marginMs?: number
}

export type LeaseEvent =
  /** The time asked for by WakeUp has come; also how it all begins. */
  | { readonly kind: 'Tick' }
  /** Somebody says that the record has changed; it may be wrong, and it may be missing. */
  | { readonly kind: 'Changed' }
  | {
      readonly kind: 'RecordRead'
      readonly requestId: number
      readonly entry: { readonly record: LeaderRecord; readonly revision: number } | undefined
    }
  /** `revision` undefined: refused, the record has another revision. */
  | { readonly kind: 'RecordWritten'; readonly requestId: number; readonly revision: number | undefined }
  | { readonly kind: 'RequestFailed'; readonly requestId: number }
  | { readonly kind: 'Resign' }

export type LeaseOrder =
  | { readonly kind: 'ReadRecord'; readonly requestId: number }
  /** `revision` undefined: create. */
  | {
      readonly kind: 'WriteRecord'
      readonly requestId: number
      readonly record: LeaderRecord
      readonly revision: number | undefined
    }
  /** Replaces the one asked for before. */
  | { readonly kind: 'WakeUp'; readonly atMs: number }
  | { readonly kind: 'BecomeLeader'; readonly epoch: number }
  | { readonly kind: 'StepDown'; readonly epoch: number; readonly reason: string }
  /** The end: nothing more will be ordered. */
  | { readonly kind: 'Resigned' }

type Role =
  /** Watches the record, and takes over when its lease is over. */
  | { readonly kind: 'candidate' }
  /** Leads, renewing from `renewAtMs` on, until `untilMs` at the latest. */
  | { readonly kind: 'leader'; readonly epoch: number; readonly untilMs: number; readonly renewAtMs: number }
  /** Leads no more, and tries until then to tell the others, who would else wait for the lease to end. */
  | { readonly kind: 'resigning'; readonly untilMs: number }
  | { readonly kind: 'resigned' }

/** What the store held at the last look. */
interface Known {
  /** Undefined: there was no record. */
  readonly record: LeaderRecord | undefined
  readonly revision: number | undefined
  /** When this revision was first seen. */
  readonly sinceMs: number
}

interface Request {
  readonly id: number
  readonly sentMs: number
  /** What it writes; undefined: it reads. */
  readonly record: LeaderRecord | undefined
}

/** Shares of the lease: renewals and looks at the record, how long a request may take, pause after a failure. */
const RENEW_SHARE = 1 / 3
const REQUEST_SHARE = 1 / 6
const PAUSE_SHARE = 1 / 20
const MARGIN_SHARE = 1 / 10

export class LeaderLease {
  readonly #leaderId: string
  readonly #leaseMs: number
  readonly #marginMs: number
  #role: Role = { kind: 'candidate' }
  #known: Known | undefined
  #request: Request | undefined
  #requests = 0
  /** What was last written over the known revision without a clear answer, and when that was first sent (L3). */
  #open: { readonly record: LeaderRecord; readonly sentMs: number } | undefined
  /** Greatest epoch seen: should the record get lost, the epochs of those who saw it still grow. */
  #epochMax = 0
  /** Epoch of our last leadership. */
  #epochLed = 0
  #mustRead = true
  #readAtMs = 0
  /** Nothing is sent before: the last request failed. */
  #pauseUntilMs = 0
  #orders: LeaseOrder[] = []

  constructor({ leaderId, leaseMs, marginMs = leaseMs * MARGIN_SHARE }: LeaseSettings) {
    assert(leaderId !== '', 'a leader id that is not empty')
    assert(marginMs >= 0 && marginMs < leaseMs * (1 - RENEW_SHARE), 'a margin that leaves time to renew')
    this.#leaderId = leaderId
    this.#leaseMs = leaseMs
    this.#marginMs = marginMs
  }

  /** Whether we lead at this moment, by our monotonic clock. */
  leadership(nowMs: number): { readonly epoch: number } | undefined {
    return this.#role.kind === 'leader' && nowMs < this.#role.untilMs
      ? { epoch: this.#role.epoch }
      : undefined
  }

  /** `nowMs`: monotonic, and never less than before. */
  on(event: LeaseEvent, nowMs: number): readonly LeaseOrder[] {
    if (this.#role.kind === 'resigned') return []
    this.#orders = []
    this.#expire(nowMs)
    this.#handle(event, nowMs)
    this.#expire(nowMs)
    this.#decide(nowMs)
    return this.#orders
  }

  /** What the time alone ends: our lease, a request without an answer, the patience of who resigns. */
  #expire(nowMs: number): void {
    const { requestMs } = this.#times
    if (this.#request !== undefined && nowMs >= this.#request.sentMs + requestMs) this.#fail(nowMs)
    if (this.#role.kind === 'leader' && nowMs >= this.#role.untilMs) {
      this.#stepDown(this.#role.epoch, 'the lease could not be renewed in time')
    }
    if (this.#role.kind === 'resigning' && nowMs >= this.#role.untilMs) this.#resigned()
  }

  #handle(event: LeaseEvent, nowMs: number): void {
    switch (event.kind) {
      case 'Tick':
        return
      case 'Changed':
        this.#readAtMs = nowMs
        return
      case 'Resign':
        this.#resign(nowMs)
        return
      case 'RecordRead':
        if (this.#settle(event.requestId) !== undefined) this.#observe(event.entry, nowMs)
        return
      case 'RecordWritten': {
        const request = this.#settle(event.requestId)
        if (request?.record !== undefined)
          this.#written(request.record, request.sentMs, event.revision, nowMs)
        return
      }
      case 'RequestFailed':
        if (this.#request?.id === event.requestId) this.#fail(nowMs)
        return
      default:
        unreachable(event)
    }
  }

  /** The request this answers, if it is the one under way (L4). */
  #settle(requestId: number): Request | undefined {
    const request = this.#request
    if (request?.id !== requestId) return undefined
    this.#request = undefined
    return request
  }

  /** The same again after a pause: a write over the same revision, which stays open (L3), can do no harm. */
  #fail(nowMs: number): void {
    this.#request = undefined
    this.#pauseUntilMs = nowMs + this.#times.pauseMs
    if (this.#role.kind === 'resigning' && this.#open?.record.leaderId === this.#leaderId)
      this.#mustRead = true
  }

  #observe(entry: { record: LeaderRecord; revision: number } | undefined, nowMs: number): void {
    // A replica that lags behind must not depose a leader; that it is one, its lease decides.
    if (this.#role.kind === 'leader' && (entry?.revision ?? 0) < (this.#known?.revision ?? 0)) {
      this.#pauseUntilMs = nowMs + this.#times.pauseMs
      return
    }
    this.#mustRead = false
    this.#readAtMs = nowMs + this.#times.renewMs
    if (this.#known !== undefined && this.#known.revision === entry?.revision) return
    const open = this.#open
    this.#know(entry?.record, entry?.revision, nowMs)
    if (open !== undefined && isSame(open.record, entry?.record))
      this.#confirm(open.record, open.sentMs, nowMs)
    else if (this.#role.kind === 'leader' && !this.#isMine(entry?.record, this.#role.epoch)) {
      this.#stepDown(this.#role.epoch, `the record has changed hands to ${JSON.stringify(entry?.record)}`)
    }
  }

  #written(record: LeaderRecord, sentMs: number, revision: number | undefined, nowMs: number): void {
    // Refused, perhaps by an earlier copy of itself: the record tells.
    if (revision === undefined) this.#mustRead = true
    else {
      this.#know(record, revision, nowMs)
      this.#confirm(record, sentMs, nowMs)
    }
  }

  #know(record: LeaderRecord | undefined, revision: number | undefined, nowMs: number): void {
    this.#known = { record, revision, sinceMs: nowMs }
    this.#epochMax = Math.max(this.#epochMax, record?.epoch ?? 0)
    this.#open = undefined
    this.#mustRead = false
  }

  /** A write of ours took effect, no earlier than `sentMs`. */
  #confirm({ leaderId, epoch }: LeaderRecord, sentMs: number, nowMs: number): void {
    if (leaderId !== this.#leaderId) return
    const untilMs = sentMs + this.#leaseMs - this.#marginMs
    const role: Role = { kind: 'leader', epoch, untilMs, renewAtMs: sentMs + this.#times.renewMs }
    if (this.#role.kind === 'leader') {
      if (this.#role.epoch === epoch) this.#role = role
    } else if (this.#role.kind === 'candidate' && nowMs < untilMs && epoch > this.#epochLed) {
      // A renewal that comes to light after stepping down brings back nothing (L2).
      this.#role = role
      this.#epochLed = epoch
      this.#orders.push({ kind: 'BecomeLeader', epoch })
    }
  }

  #stepDown(epoch: number, reason: string): void {
    this.#role = { kind: 'candidate' }
    this.#orders.push({ kind: 'StepDown', epoch, reason })
  }

  #resign(nowMs: number): void {
    if (this.#role.kind === 'resigning') return
    this.#mustRead = this.#open !== undefined
    if (this.#role.kind === 'leader') this.#stepDown(this.#role.epoch, 'it resigned')
    this.#role = { kind: 'resigning', untilMs: nowMs + this.#leaseMs / 2 }
  }

  #resigned(): void {
    this.#role = { kind: 'resigned' }
    this.#orders.push({ kind: 'Resigned' })
  }

  /** The next request, if one is due and none is under way, and when to look again. */
  #decide(nowMs: number): void {
    if (this.#role.kind === 'resigned') return
    if (this.#request === undefined && nowMs >= this.#pauseUntilMs) this.#act(nowMs)
    if ((this.#role as Role).kind !== 'resigned')
      this.#orders.push({ kind: 'WakeUp', atMs: this.#wakeUpMs() })
  }

  #act(nowMs: number): void {
    const role = this.#role
    const known = this.#known
    if (this.#mustRead || (role.kind === 'candidate' && nowMs >= this.#readAtMs)) this.#read(nowMs)
    else if (role.kind === 'leader') {
      if (nowMs >= role.renewAtMs) this.#write({ leaderId: this.#leaderId, epoch: role.epoch }, nowMs)
    } else if (role.kind === 'candidate') {
      if (nowMs >= this.#takeOverAtMs()) {
        this.#write({ leaderId: this.#leaderId, epoch: this.#epochMax + 1 }, nowMs)
      }
    } else if (known?.record?.leaderId === this.#leaderId) {
      this.#write({ leaderId: '', epoch: known.record.epoch }, nowMs)
    } else this.#resigned()
  }

  /** At once when nobody leads or the record is ours, from a leadership that is over. */
  #takeOverAtMs(): number {
    if (this.#known === undefined) return Number.POSITIVE_INFINITY
    const { record, sinceMs } = this.#known
    const isFree = record === undefined || record.leaderId === '' || record.leaderId === this.#leaderId
    return isFree ? sinceMs : sinceMs + this.#leaseMs
  }

  #read(nowMs: number): void {
    this.#request = { id: ++this.#requests, sentMs: nowMs, record: undefined }
    this.#orders.push({ kind: 'ReadRecord', requestId: this.#request.id })
  }

  #write(record: LeaderRecord, nowMs: number): void {
    if (this.#open === undefined || !isSame(this.#open.record, record)) this.#open = { record, sentMs: nowMs }
    this.#request = { id: ++this.#requests, sentMs: nowMs, record }
    const revision = this.#known?.revision
    this.#orders.push({ kind: 'WriteRecord', requestId: this.#request.id, record, revision })
  }

  #wakeUpMs(): number {
    const role = this.#role
    const endMs =
      role.kind === 'leader' || role.kind === 'resigning' ? role.untilMs : Number.POSITIVE_INFINITY
    if (this.#request !== undefined) return Math.min(endMs, this.#request.sentMs + this.#times.requestMs)
    return Math.min(endMs, Math.max(this.#pauseUntilMs, this.#actAtMs()))
  }

  #actAtMs(): number {
    if (this.#mustRead) return this.#pauseUntilMs
    if (this.#role.kind === 'leader') return this.#role.renewAtMs
    if (this.#role.kind === 'candidate') return Math.min(this.#readAtMs, this.#takeOverAtMs())
    return this.#pauseUntilMs
  }

  #isMine(record: LeaderRecord | undefined, epoch: number): boolean {
    return record?.leaderId === this.#leaderId && record.epoch === epoch
  }

  get #times(): { renewMs: number; requestMs: number; pauseMs: number } {
    const leaseMs = this.#leaseMs
    return {
      renewMs: leaseMs * RENEW_SHARE,
      requestMs: leaseMs * REQUEST_SHARE,
      pauseMs: leaseMs * PAUSE_SHARE,
    }
  }
}

function isSame(a: LeaderRecord, b: LeaderRecord | undefined): boolean {
  return a.leaderId === b?.leaderId && a.epoch === b.epoch
}
