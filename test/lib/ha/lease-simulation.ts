/**
 * Several candidates and one store in true time, which none of them knows: each has a clock of its own speed and
 * offset. By a seed, requests and answers are delayed (some for several leases), lost and repeated; candidates
 * freeze, die, resign, and new ones come. Whenever somebody begins to lead, all others are asked, at that moment of
 * true time, whether they lead: two leaderships that overlap do so when the later one begins.
 */
import { SeededRandom } from '../../../lib/base/prng.ts'
import {
  LeaderLease,
  type LeaderRecord,
  type LeaseEvent,
  type LeaseOrder,
} from '../../../lib/ha/leader-lease.ts'

export interface LeaseWorld {
  readonly seed: number
  readonly candidateCount: number
  /** Clocks run at 1 - drift to 1 + drift times true time. */
  readonly driftMax: number
  /** Chance that a request gets lost, and that an answer does; that a request arrives twice. */
  readonly lossRate: number
  readonly duplicateRate: number
  /** Chance, each half lease, that a candidate freezes, dies (and another comes) or resigns (likewise). */
  readonly freezeRate: number
  readonly deathRate: number
  readonly resignRate: number
  /** True time with faults, in leases; as much follows without. */
  readonly leases: number
}

export interface LeaseReport {
  readonly violations: readonly string[]
  /** Leaderships begun. */
  readonly terms: number
  /** True ms of the calm time until somebody led for good; undefined: nobody does. */
  readonly calmAfterMs: number | undefined
}

const LEASE_MS = 1000
const DELAY_MS_MAX = 30

interface Candidate {
  readonly id: string
  readonly lease: LeaderLease
  readonly rate: number
  readonly offsetMs: number
  /** True time at which its frozen process goes on. */
  frozenUntilMs: number
  isDead: boolean
  wakeUps: number
}

interface Step {
  readonly atMs: number
  run(): void
}

export function simulateLeases(world: LeaseWorld): LeaseReport {
  return new Simulation(world).run()
}

class Simulation {
  readonly #world: LeaseWorld
  readonly #random: SeededRandom
  /** By time, those of one moment in order of arrival; a few dozen at most. */
  readonly #steps: Step[] = []
  readonly #violations: string[] = []
  #candidates: Candidate[] = []
  #nowMs = 0
  #born = 0
  #isCalm = false
  #entry: { record: LeaderRecord; revision: number } | undefined
  #revision = 0
  #epochMax = 0
  #terms = 0
  #lastTermMs = 0

  constructor(world: LeaseWorld) {
    this.#world = world
    this.#random = new SeededRandom(world.seed)
  }

  run(): LeaseReport {
    const faultyMs = this.#world.leases * LEASE_MS
    for (let i = 0; i < this.#world.candidateCount; i++) this.#at(this.#some(LEASE_MS), () => this.#beBorn())
    this.#at(LEASE_MS / 2, () => this.#misbehave())
    this.#until(faultyMs)
    this.#isCalm = true
    // What is still under way from the bad times may take some leases more.
    this.#until(faultyMs * 2 + 10 * LEASE_MS)
    const leader = this.#candidates.find((candidate) => this.#isLeading(candidate))
    return {
      violations: this.#violations,
      terms: this.#terms,
      calmAfterMs: leader && Math.max(0, this.#lastTermMs - faultyMs),
    }
  }

  #until(endMs: number): void {
    while (this.#steps.length > 0 && this.#steps[0]!.atMs <= endMs) {
      const step = this.#steps.shift()!
      this.#nowMs = step.atMs
      step.run()
    }
    this.#nowMs = endMs
  }

  #at(delayMs: number, run: () => void): void {
    const atMs = this.#nowMs + delayMs
    let index = this.#steps.length
    while (index > 0 && this.#steps[index - 1]!.atMs > atMs) index--
    this.#steps.splice(index, 0, { atMs, run })
  }

  #beBorn(): void {
    const id = `c${this.#born++}`
    const { driftMax } = this.#world
    const candidate: Candidate = {
      id,
      lease: new LeaderLease({ leaderId: id, leaseMs: LEASE_MS }),
      rate: 1 + driftMax * (this.#random.nextFloat() * 2 - 1),
      offsetMs: this.#some(1e6),
      frozenUntilMs: 0,
      isDead: false,
      wakeUps: 0,
    }
    this.#candidates.push(candidate)
    this.#tell(candidate, { kind: 'Tick' })
  }

  #misbehave(): void {
    if (this.#isCalm) return
    const { freezeRate, deathRate, resignRate } = this.#world
    for (const candidate of [...this.#candidates]) {
      if (this.#isHit(freezeRate)) candidate.frozenUntilMs = this.#nowMs + this.#some(3 * LEASE_MS)
      if (this.#isHit(deathRate))
        this.#replace(candidate, () => {
          candidate.isDead = true
        })
      else if (this.#isHit(resignRate))
        this.#replace(candidate, () => this.#tell(candidate, { kind: 'Resign' }))
    }
    this.#at(LEASE_MS / 2, () => this.#misbehave())
  }

  #replace(candidate: Candidate, end: () => void): void {
    end()
    this.#candidates = this.#candidates.filter((other) => other !== candidate)
    this.#at(this.#some(LEASE_MS), () => this.#beBorn())
  }

  #clockOf({ rate, offsetMs }: Candidate): number {
    return offsetMs + this.#nowMs * rate
  }

  #isLeading(candidate: Candidate): boolean {
    return !candidate.isDead && candidate.lease.leadership(this.#clockOf(candidate)) !== undefined
  }

  /** Now, or when the process is no longer frozen. */
  #tell(candidate: Candidate, event: LeaseEvent): void {
    if (candidate.isDead) return
    const frozenMs = candidate.frozenUntilMs - this.#nowMs
    if (frozenMs > 0) this.#at(frozenMs, () => this.#tell(candidate, event))
    else
      for (const order of candidate.lease.on(event, this.#clockOf(candidate)))
        this.#carryOut(candidate, order)
  }

  #carryOut(candidate: Candidate, order: LeaseOrder): void {
    if (order.kind === 'WakeUp') {
      const serial = ++candidate.wakeUps
      const delayMs = (order.atMs - this.#clockOf(candidate)) / candidate.rate
      // A hair later, so that rounding does not make it too early.
      this.#at(Math.max(0, delayMs) + 1e-3, () => {
        if (candidate.wakeUps === serial) this.#tell(candidate, { kind: 'Tick' })
      })
    } else if (order.kind === 'ReadRecord') {
      const { requestId } = order
      this.#request(candidate, () => ({ kind: 'RecordRead', requestId, entry: this.#entry }))
    } else if (order.kind === 'WriteRecord') {
      const { requestId, record, revision } = order
      this.#request(candidate, () => ({
        kind: 'RecordWritten',
        requestId,
        revision: this.#write(record, revision),
      }))
    } else if (order.kind === 'BecomeLeader') this.#begin(candidate, order.epoch)
  }

  #request(candidate: Candidate, effect: () => LeaseEvent): void {
    const copies = this.#isHit(this.#world.duplicateRate) ? 2 : 1
    for (let copy = 0; copy < copies; copy++) {
      if (this.#isHit(this.#world.lossRate)) continue
      this.#at(this.#delayMs(), () => {
        const answer = effect()
        if (!this.#isHit(this.#world.lossRate)) this.#at(this.#delayMs(), () => this.#tell(candidate, answer))
      })
    }
  }

  #write(record: LeaderRecord, expected: number | undefined): number | undefined {
    if (this.#entry?.revision !== expected) return undefined
    this.#entry = { record, revision: ++this.#revision }
    for (const candidate of this.#candidates) {
      if (!this.#isHit(0.5)) this.#at(this.#delayMs(), () => this.#tell(candidate, { kind: 'Changed' }))
    }
    return this.#revision
  }

  #begin(candidate: Candidate, epoch: number): void {
    this.#terms++
    this.#lastTermMs = this.#nowMs
    if (epoch <= this.#epochMax)
      this.#violations.push(`${candidate.id} leads in ${epoch} after ${this.#epochMax}`)
    this.#epochMax = Math.max(this.#epochMax, epoch)
    for (const other of this.#everybody) {
      if (other !== candidate && this.#isLeading(other)) {
        this.#violations.push(`at ${this.#nowMs} ${candidate.id} begins to lead while ${other.id} does`)
      }
    }
    this.#everybody.add(candidate)
  }

  /** Those who ever led: also one that has resigned or been replaced must not lead any more. */
  readonly #everybody = new Set<Candidate>()

  #delayMs(): number {
    const isStraggler = !this.#isCalm && this.#random.nextInt(20) === 0
    return this.#some(isStraggler ? 3 * LEASE_MS : DELAY_MS_MAX)
  }

  #some(max: number): number {
    return this.#random.nextFloat() * max
  }

  #isHit(rate: number): boolean {
    return !this.#isCalm && this.#random.nextFloat() < rate
  }
}
