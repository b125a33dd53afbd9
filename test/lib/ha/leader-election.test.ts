/** The election by itself: step by step, and many coordinators with bad clocks and a bad store at once. */
import t from 'tap'
import { SeededRandom } from '../../../lib/base/prng.ts'
import { type ElectionOrder, LeaderElection, type Lease } from '../../../lib/ha/leader-election.ts'

const LEASE_MS = 3000
const holderOf = (id: string) => ({ id, incarnation: id, host: 'host', pid: 1 })
const kinds = (orders: readonly ElectionOrder[]) => orders.map(({ kind }) => kind)
const leaseOf = (id: string | null, epoch = 1, renewal = 0): Lease => ({
  holder: id === null ? null : holderOf(id),
  epoch,
  renewal,
  leaseMs: LEASE_MS,
})

function start(id = 'a') {
  const election = new LeaderElection({ self: holderOf(id), leaseMs: LEASE_MS, firstEpoch: 1 })
  return election
}

/** One that leads since 0. */
function startLeading() {
  const election = start()
  election.on({ kind: 'tick' }, 0)
  election.on({ kind: 'read', entry: null }, 0)
  t.same(election.on({ kind: 'written', revision: 1 }, 10), [{ kind: 'lead', epoch: 1 }])
  return election
}

t.test('election - takes a lease nobody has, and renews it', async (t) => {
  const election = start()
  t.same(election.on({ kind: 'tick' }, 0), [{ kind: 'read' }])
  t.same(election.on({ kind: 'tick' }, 5), [], 'one request at a time')
  const claim = { kind: 'write', lease: leaseOf('a'), revision: null }
  t.same(election.on({ kind: 'read', entry: null }, 10), [claim])
  t.notOk(election.isLeading(10))
  t.same(election.on({ kind: 'written', revision: 7 }, 20), [{ kind: 'lead', epoch: 1 }])
  t.ok(election.isLeading(20))
  t.ok(election.isLeading(10 + LEASE_MS - 1), 'from when it was sent')
  t.notOk(election.isLeading(10 + LEASE_MS))
  t.same(election.on({ kind: 'tick' }, 800), [{ kind: 'write', lease: leaseOf('a', 1, 1), revision: 7 }])
  t.same(election.on({ kind: 'written', revision: 8 }, 900), [])
  t.ok(election.isLeading(800 + LEASE_MS - 1))
  t.notOk(election.isLeading(800 + LEASE_MS))
})

t.test('election - waits until a lease has stood for longer than it lasts', async (t) => {
  const election = start('b')
  const see = (lease: Lease, revision: number, nowMs: number) => {
    election.on({ kind: 'tick' }, nowMs)
    return election.on({ kind: 'read', entry: { lease, revision } }, nowMs)
  }
  t.same(see(leaseOf('a'), 1, 0), [{ kind: 'follow', leader: holderOf('a'), epoch: 1 }])
  t.same(see(leaseOf('a', 1, 1), 2, 3000), [], 'said once')
  t.same(see(leaseOf('a', 1, 1), 2, 6700), [])
  t.same(see(leaseOf('a', 1, 1), 2, 6760).slice(-1), [{ kind: 'write', lease: leaseOf('b', 2), revision: 2 }])
  t.same(election.on({ kind: 'written', revision: null }, 6800), [], 'a renewal came first')
  t.same(see(leaseOf('a', 1, 2), 3, 6900), [])
  t.same(see(leaseOf(null, 1, 3), 4, 7500).slice(-1), [
    { kind: 'write', lease: leaseOf('b', 2), revision: 4 },
  ])
})

t.test('election - a leader that cannot renew steps down, and takes its own lease back', async (t) => {
  const election = startLeading()
  t.same(kinds(election.on({ kind: 'tick' }, 1000)), ['write'])
  t.same(election.on({ kind: 'failed', reason: 'away' }, 1500), [])
  t.same(kinds(election.on({ kind: 'tick' }, 1501)), ['read'], 'looks what became of it')
  election.on({ kind: 'failed', reason: 'away' }, 2500)
  t.same(election.on({ kind: 'tick' }, 3001).slice(0, 1), [
    { kind: 'stepDown', reason: 'the lease was not renewed for 3001 ms' },
  ])
  const own = { lease: leaseOf('a'), revision: 1 }
  t.same(election.on({ kind: 'read', entry: own }, 9000), [
    { kind: 'write', lease: leaseOf('a', 2), revision: 1 },
  ])
})

t.test('election - a write whose answer was lost counts once it has been seen', async (t) => {
  const election = startLeading()
  election.on({ kind: 'tick' }, 1000)
  election.on({ kind: 'failed', reason: 'lost' }, 1500)
  election.on({ kind: 'tick' }, 1600)
  t.same(election.on({ kind: 'read', entry: { lease: leaseOf('a', 1, 1), revision: 2 } }, 1700), [])
  t.ok(election.isLeading(1000 + LEASE_MS - 1))
  t.notOk(election.isLeading(1000 + LEASE_MS))
  const claiming = start()
  claiming.on({ kind: 'tick' }, 0)
  claiming.on({ kind: 'read', entry: null }, 0)
  claiming.on({ kind: 'failed', reason: 'lost' }, 100)
  claiming.on({ kind: 'tick' }, 600)
  const mine = { lease: leaseOf('a'), revision: 1 }
  t.same(claiming.on({ kind: 'read', entry: mine }, 700), [{ kind: 'lead', epoch: 1 }])
})

t.test('election - a process that was stopped finds out before it does anything', async (t) => {
  const election = startLeading()
  t.notOk(election.isLeading(50_000))
  t.same(kinds(election.on({ kind: 'tick' }, 50_000)), ['stepDown', 'read'])
  const other = { lease: leaseOf('b', 2), revision: 9 }
  t.same(election.on({ kind: 'read', entry: other }, 50_010), [
    { kind: 'follow', leader: holderOf('b'), epoch: 2 },
  ])
})

t.test('election - a leader that stops lays its lease down', async (t) => {
  const election = startLeading()
  t.same(election.on({ kind: 'resigned' }, 100), [
    { kind: 'stepDown', reason: 'it stops' },
    { kind: 'write', lease: leaseOf(null, 1, 1), revision: 1 },
  ])
  t.same(election.on({ kind: 'written', revision: 2 }, 110), [])
  t.same(election.on({ kind: 'tick' }, 9000), [])
})

interface Member {
  readonly election: LeaderElection
  readonly rate: number
  stoppedUntilMs: number
}

/** Coordinators, each with a clock that runs at its own pace and stops at times; a store that answers late or not. */
class Crowd {
  readonly #random: SeededRandom
  readonly #members: Member[]
  #nowMs = 0
  #stored: { lease: Lease; revision: number } | null = null
  #revision = 0
  readonly #due: { atMs: number; run: () => void }[] = []
  readonly epochs: number[] = []
  ledMs = 0
  isFaulty = true

  constructor(seed: number) {
    this.#random = new SeededRandom(seed)
    this.#members = ['a', 'b', 'c'].map((id) => ({
      election: new LeaderElection({ self: holderOf(id), leaseMs: LEASE_MS, firstEpoch: 1 }),
      rate: 0.95 + this.#random.nextFloat() * 0.1,
      stoppedUntilMs: 0,
    }))
  }

  run(untilMs: number): void {
    while (this.#nowMs < untilMs) {
      this.#nowMs += 50
      for (const { run } of this.#take()) run()
      for (const member of this.#members) {
        if (this.isFaulty && this.#random.nextFloat() < 0.002)
          member.stoppedUntilMs = this.#nowMs + this.#random.nextFloat() * 10_000
        if (member.stoppedUntilMs > this.#nowMs) continue
        this.#carryOut(member, member.election.on({ kind: 'tick' }, this.#nowMs * member.rate))
      }
      const leading = this.#members.filter(
        ({ election, rate, stoppedUntilMs }) =>
          stoppedUntilMs <= this.#nowMs && election.isLeading(this.#nowMs * rate),
      )
      if (leading.length > 1) throw new Error(`${leading.length} lead at ${this.#nowMs}`)
      if (leading.length === 1) this.ledMs += 50
    }
  }

  #take() {
    const due = this.#due.filter(({ atMs }) => atMs <= this.#nowMs)
    for (const each of due) this.#due.splice(this.#due.indexOf(each), 1)
    return due
  }

  #carryOut(member: Member, orders: readonly ElectionOrder[]): void {
    for (const order of orders) {
      if (order.kind === 'lead') this.epochs.push(order.epoch)
      if (order.kind === 'read' || order.kind === 'write') this.#request(member, order)
    }
  }

  #request(member: Member, order: Extract<ElectionOrder, { kind: 'read' | 'write' }>): void {
    const delay = () => (this.isFaulty ? this.#random.nextFloat() ** 4 * 4000 : 5)
    const answer = (event: Parameters<LeaderElection['on']>[0]) => {
      const deliver = () => {
        if (member.stoppedUntilMs > this.#nowMs) this.#due.push({ atMs: member.stoppedUntilMs, run: deliver })
        else this.#carryOut(member, member.election.on(event, this.#nowMs * member.rate))
      }
      this.#due.push({ atMs: this.#nowMs + delay(), run: deliver })
    }
    const isLost = this.isFaulty && this.#random.nextFloat() < 0.1
    const arrive = () => {
      const result = this.#serve(order)
      if (!isLost) answer(result)
    }
    this.#due.push({ atMs: this.#nowMs + delay(), run: arrive })
    if (isLost) answer({ kind: 'failed', reason: 'lost' })
  }

  #serve(order: Extract<ElectionOrder, { kind: 'read' | 'write' }>): Parameters<LeaderElection['on']>[0] {
    if (order.kind === 'read') return { kind: 'read', entry: this.#stored }
    if ((this.#stored?.revision ?? null) !== order.revision) return { kind: 'written', revision: null }
    this.#stored = { lease: order.lease, revision: ++this.#revision }
    return { kind: 'written', revision: this.#revision }
  }
}

t.test('election - never two at once, epochs that grow, and in the end one leads', async (t) => {
  for (let seed = 0; seed < 300; seed++) {
    const crowd = new Crowd(seed)
    crowd.run(100_000)
    crowd.isFaulty = false
    crowd.run(120_000)
    crowd.ledMs = 0
    crowd.run(150_000)
    const { epochs } = crowd
    if (crowd.ledMs !== 30_000) t.fail(`seed ${seed}: one leads for ${crowd.ledMs} of 30000 ms`)
    if (epochs.some((epoch, i) => i > 0 && epoch <= epochs[i - 1]!))
      t.fail(`seed ${seed}: ${epochs.join(' ')}`)
  }
})
