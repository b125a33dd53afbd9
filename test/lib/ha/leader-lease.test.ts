import t, { type Test } from 'tap'
import {
  LeaderLease,
  type LeaderRecord,
  type LeaseEvent,
  type LeaseOrder,
} from '../../../lib/ha/leader-lease.ts'

/** With a lease of 9000 ms: renewal each 3000, a request may take 1500, a pause is 450, the margin 900. */
const LEASE_MS = 9000
const UNTIL_MS = 8100

/** A candidate and its clock; orders as lines, all but the wake-up calls. */
class Script {
  readonly lease = new LeaderLease({ leaderId: 'me', leaseMs: LEASE_MS })
  #nowMs = 0
  #requestId = 0
  #wakeUpMs: number | undefined

  at(nowMs: number, event: LeaseEvent = { kind: 'Tick' }): string[] {
    this.#nowMs = nowMs
    return this.lease.on(event, nowMs).flatMap((order) => this.#line(order))
  }

  read(leaderId?: string, epoch = 0, revision = 0): string[] {
    const entry = leaderId === undefined ? undefined : { record: { leaderId, epoch }, revision }
    return this.at(this.#nowMs, { kind: 'RecordRead', requestId: this.#requestId, entry })
  }

  written(revision: number | undefined, requestId = this.#requestId): string[] {
    return this.at(this.#nowMs, { kind: 'RecordWritten', requestId, revision })
  }

  failed(): string[] {
    return this.at(this.#nowMs, { kind: 'RequestFailed', requestId: this.#requestId })
  }

  /** At the time the candidate asked for. */
  wakeUp(): string[] {
    return this.at(this.#wakeUpMs!)
  }

  get wakeUpMs(): number | undefined {
    return this.#wakeUpMs
  }

  #line(order: LeaseOrder): string[] {
    if (order.kind === 'WakeUp') {
      this.#wakeUpMs = order.atMs
      return []
    }
    if ('requestId' in order) this.#requestId = order.requestId
    return [line(order)]
  }
}

function line(order: LeaseOrder): string {
  switch (order.kind) {
    case 'ReadRecord':
      return 'read'
    case 'WriteRecord':
      return `write ${show(order.record)} over ${order.revision ?? 'nothing'}`
    case 'BecomeLeader':
      return `lead ${order.epoch}`
    case 'StepDown':
      return `step down ${order.epoch}: ${order.reason}`
    default:
      return order.kind
  }
}

const show = ({ leaderId, epoch }: LeaderRecord) => `${leaderId || 'nobody'} ${epoch}`
const resign: LeaseEvent = { kind: 'Resign' }

/** A leader in epoch 1 with revision 10, its last renewal sent at 0. */
function leading(t: Test): Script {
  const script = new Script()
  t.same(script.at(0), ['read'])
  t.same(script.read(), ['write me 1 over nothing'])
  t.same(script.written(10), ['lead 1'])
  return script
}

/** A candidate that saw `other` lead in epoch 4 with revision 20 at 0. */
function following(t: Test): Script {
  const script = new Script()
  t.same(script.at(0), ['read'])
  t.same(script.read('other', 4, 20), [])
  return script
}

t.test('leader lease - the first candidate creates the record and leads in epoch 1', async (t) => {
  const script = leading(t)
  t.same(script.lease.leadership(0), { epoch: 1 })
  t.same(script.lease.leadership(UNTIL_MS - 1), { epoch: 1 })
  t.equal(script.lease.leadership(UNTIL_MS), undefined, 'by the clock alone, whatever has been processed')
})

t.test('leader lease - who is second at creating follows', async (t) => {
  const script = new Script()
  script.at(0)
  t.same(script.read(), ['write me 1 over nothing'])
  t.same(script.written(undefined), ['read'])
  t.same(script.read('other', 1, 1), [])
  t.equal(script.lease.leadership(0), undefined)
})

t.test('leader lease - a leader renews each third of its lease, counted from when it sent', async (t) => {
  const script = leading(t)
  t.equal(script.wakeUpMs, 3000)
  t.same(script.wakeUp(), ['write me 1 over 10'])
  t.same(script.at(4000, { kind: 'RecordWritten', requestId: 3, revision: 11 }), [])
  t.same(script.lease.leadership(3000 + UNTIL_MS - 1), { epoch: 1 })
  t.equal(script.lease.leadership(3000 + UNTIL_MS), undefined)
  t.equal(script.wakeUpMs, 6000)
  t.same(script.wakeUp(), ['write me 1 over 11'])
})

t.test('leader lease - a candidate takes over a whole lease after it saw the revision first', async (t) => {
  const script = following(t)
  for (const atMs of [3000, 6000]) {
    t.equal(script.wakeUpMs, atMs)
    t.same(script.wakeUp(), ['read'])
    t.same(script.read('other', 4, 20), [], 'the same revision')
  }
  t.same(script.at(LEASE_MS - 1), [])
  script.at(LEASE_MS)
  t.same(script.read('other', 4, 20), ['write me 5 over 20'])
  t.same(script.written(21), ['lead 5'])
})

t.test('leader lease - each renewal that is seen starts the lease anew', async (t) => {
  const script = following(t)
  t.same(script.at(8000), ['read'])
  t.same(script.read('other', 4, 21), [])
  t.same(script.at(9000), [])
  t.same(script.at(11_000), ['read'])
  script.read('other', 4, 21)
  t.same(script.at(16_999), ['read'])
  t.same(script.read('other', 4, 21), [])
  t.same(script.at(17_000), ['write me 5 over 21'])
})

t.test('leader lease - after a resignation a candidate takes over at once, in the next epoch', async (t) => {
  const script = following(t)
  t.same(script.at(1000, { kind: 'Changed' }), ['read'])
  t.same(script.read('', 4, 25), ['write me 5 over 25'])
  t.same(script.written(26), ['lead 5'])
})

t.test('leader lease - who is refused when taking over follows the faster one', async (t) => {
  const script = following(t)
  script.at(LEASE_MS)
  script.read('other', 4, 20)
  t.same(script.written(undefined), ['read'])
  t.same(script.read('third', 5, 21), [])
  t.same(script.at(2 * LEASE_MS - 1), ['read'])
  t.same(script.read('third', 5, 21), [])
  t.same(script.at(2 * LEASE_MS), ['write me 6 over 21'])
})

t.test(
  'leader lease - a leader that cannot renew tries again, and steps down a margin before others may',
  async (t) => {
    const script = leading(t)
    t.same(script.wakeUp(), ['write me 1 over 10'])
    t.equal(script.wakeUpMs, 4500, 'the request has its time')
    t.same(script.wakeUp(), [])
    t.equal(script.wakeUpMs, 4950, 'then a pause')
    t.same(script.wakeUp(), ['write me 1 over 10'])
    t.same(script.failed(), [])
    t.same(script.at(5400), ['write me 1 over 10'])
    t.same(script.at(6900), [])
    t.same(script.at(7350), ['write me 1 over 10'])
    t.equal(script.wakeUpMs, UNTIL_MS)
    t.same(script.wakeUp(), ['step down 1: the lease could not be renewed in time'])
    t.equal(script.lease.leadership(UNTIL_MS), undefined)
  },
)

t.test('leader lease - L3: a renewal whose answer is lost counts from when it was first sent', async (t) => {
  const script = leading(t)
  t.same(script.wakeUp(), ['write me 1 over 10'])
  t.same(script.failed(), [])
  t.same(script.at(3450), ['write me 1 over 10'])
  t.same(script.written(undefined), ['read'], 'refused: by its own first copy, as it turns out')
  t.same(script.read('me', 1, 11), [])
  t.same(script.lease.leadership(3000 + UNTIL_MS - 1), { epoch: 1 })
  t.equal(script.lease.leadership(3000 + UNTIL_MS), undefined, 'not from the second copy')
  t.same(script.at(6000), ['write me 1 over 11'])
})

t.test('leader lease - L3: a take-over whose answer is lost is found in the record', async (t) => {
  const script = following(t)
  script.at(LEASE_MS)
  t.same(script.read('other', 4, 20), ['write me 5 over 20'])
  t.same(script.failed(), [])
  t.same(script.at(LEASE_MS + 450), ['write me 5 over 20'])
  t.same(script.written(undefined), ['read'])
  t.same(script.read('me', 5, 21), ['lead 5'])
  t.equal(script.lease.leadership(LEASE_MS + UNTIL_MS), undefined)
})

t.test('leader lease - a take-over found too late is no leadership but begins the next', async (t) => {
  const script = following(t)
  script.at(LEASE_MS)
  t.same(script.read('other', 4, 20), ['write me 5 over 20'])
  script.failed()
  t.same(script.at(3 * LEASE_MS), ['read'])
  t.same(script.read('me', 5, 21), ['write me 6 over 21'], 'its lease is over, nobody else leads')
  t.same(script.written(22), ['lead 6'])
})

t.test(
  'leader lease - L2: a renewal that comes to light after stepping down brings back nothing',
  async (t) => {
    const script = leading(t)
    t.same(script.wakeUp(), ['write me 1 over 10'])
    script.failed()
    t.same(script.at(3450), ['write me 1 over 10'])
    t.same(script.at(5000), [])
    t.same(script.at(UNTIL_MS), ['step down 1: the lease could not be renewed in time', 'read'])
    t.same(script.read('me', 1, 11), ['write me 2 over 11'], 'its own old record needs no waiting')
    t.same(script.written(12), ['lead 2'])
  },
)

t.test('leader lease - L4: late and repeated answers are ignored', async (t) => {
  const script = following(t)
  script.at(LEASE_MS)
  t.same(script.read('other', 4, 20), ['write me 5 over 20'])
  const id = 3
  t.same(script.written(21, 99), [], 'an answer to nothing')
  t.same(script.written(21, id), ['lead 5'])
  t.same(script.written(21, id), [])
  t.same(script.written(undefined, id), [])
  t.same(script.at(LEASE_MS + 1, { kind: 'RequestFailed', requestId: id }), [])
  t.same(script.lease.leadership(LEASE_MS + 2), { epoch: 5 })
})

t.test('leader lease - a frozen leader wakes up deposed, whatever answer waits for it', async (t) => {
  const script = leading(t)
  t.same(script.wakeUp(), ['write me 1 over 10'])
  const lines = script.at(60_000, { kind: 'RecordWritten', requestId: 3, revision: 11 })
  t.same(lines, ['step down 1: the lease could not be renewed in time'])
  t.same(script.wakeUp(), ['read'])
  t.same(script.read('other', 2, 30), [])
})

t.test("leader lease - a leader whose record is another's steps down", async (t) => {
  const script = leading(t)
  t.same(script.wakeUp(), ['write me 1 over 10'])
  t.same(script.written(undefined), ['read'])
  t.same(script.read('other', 2, 30), [
    'step down 1: the record has changed hands to {"leaderId":"other","epoch":2}',
  ])
  t.same(script.at(3500), [])
})

t.test('leader lease - a replica that lags behind does not depose a leader', async (t) => {
  const script = following(t)
  script.at(LEASE_MS)
  script.read('other', 4, 20)
  t.same(script.written(21), ['lead 5'])
  t.same(script.wakeUp(), ['write me 5 over 21'])
  t.same(script.written(undefined), ['read'])
  t.same(script.read('other', 4, 20), [])
  t.same(script.wakeUp(), ['read'], 'it looks again')
  t.same(script.read('me', 5, 22), [])
  t.same(script.lease.leadership(LEASE_MS + 3000 + UNTIL_MS - 1), { epoch: 5 })
})

t.test('leader lease - when the record is lost, epochs grow on for those who have seen it', async (t) => {
  const script = following(t)
  t.same(script.at(3000), ['read'])
  t.same(script.read(), ['write me 5 over nothing'])
})

t.test('leader lease - a leader that resigns leads no more, and says so to the others', async (t) => {
  const script = leading(t)
  t.same(script.at(1000, resign), ['step down 1: it resigned', 'write nobody 1 over 10'])
  t.equal(script.lease.leadership(1000), undefined)
  t.same(script.written(11), ['Resigned'])
  t.same(script.at(2000), [], 'that was all')
  t.same(script.at(2000, resign), [])
})

t.test('leader lease - resigning during a renewal waits for what becomes of it', async (t) => {
  const answered = leading(t)
  t.same(answered.wakeUp(), ['write me 1 over 10'])
  t.same(answered.at(3100, resign), ['step down 1: it resigned'])
  t.same(answered.written(11), ['write nobody 1 over 11'])
  t.same(answered.written(12), ['Resigned'])

  const lost = leading(t)
  t.same(lost.wakeUp(), ['write me 1 over 10'])
  t.same(lost.at(3100, resign), ['step down 1: it resigned'])
  t.same(lost.failed(), [])
  t.same(lost.wakeUp(), ['read'])
  t.same(lost.read('me', 1, 11), ['write nobody 1 over 11'])
  t.same(lost.written(12), ['Resigned'])
})

t.test('leader lease - resigning ends after half a lease, also when nobody answers', async (t) => {
  const script = leading(t)
  t.same(script.at(1000, resign), ['step down 1: it resigned', 'write nobody 1 over 10'])
  const lines: string[] = []
  while (!lines.includes('Resigned')) lines.push(...script.wakeUp())
  t.equal(script.wakeUpMs, 1000 + LEASE_MS / 2)
  t.same(new Set(lines), new Set(['write nobody 1 over 10', 'Resigned']))
})

t.test('leader lease - a candidate resigns at once, after a look when a take-over is open', async (t) => {
  t.same(new Script().at(0, resign), ['Resigned'])
  t.same(following(t).at(100, resign), ['Resigned'])
  const script = following(t)
  script.at(LEASE_MS)
  t.same(script.read('other', 4, 20), ['write me 5 over 20'])
  script.failed()
  script.at(LEASE_MS + 100, resign)
  t.same(script.wakeUp(), ['read'])
  t.same(script.read('me', 5, 21), ['write nobody 5 over 21'])
  t.same(script.written(22), ['Resigned'])
})
