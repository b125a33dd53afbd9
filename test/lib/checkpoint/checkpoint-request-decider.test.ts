/** Which request is next, and when none is. */
import assert from 'node:assert/strict'
import fc from 'fast-check'
import t from 'tap'
import {
  type CheckpointRequest,
  CheckpointRequestDecider,
  type DeciderSituation,
  type RequestDecision,
} from '../../../lib/checkpoint/checkpoint-request-decider.ts'
import { runs } from '../types/schema-arbitrary.ts'

const LIMITS = { concurrentMax: 1, queuedMax: 10, pauseMinMs: 50 }
const IDLE: DeciderSituation = {
  pendingCount: 0,
  cleaningCount: 0,
  isTriggering: false,
  lastCompletionMs: Number.NEGATIVE_INFINITY,
  nowMs: 0,
}
const BUSY = { ...IDLE, pendingCount: 1 }

/** `c` or `s` for the type, with `p` for periodic and `f` for forced, then a number. */
function requestOf(id: string): CheckpointRequest {
  const type = id.startsWith('s') ? 'savepoint' : 'checkpoint'
  return { id, type, isPeriodic: id.includes('p'), isForced: id.includes('f') }
}

function words(decisions: readonly RequestDecision[]): string[] {
  return decisions.map((decision) => {
    if (decision.kind === 'reschedule') return `again in ${decision.delayMs}`
    const { id } = decision.request
    return decision.kind === 'execute' ? id : `drop ${id}: ${decision.reason}`
  })
}

t.test('checkpoint request decider - most urgent first, then first come, first served', async (t) => {
  const decider = new CheckpointRequestDecider(LIMITS)
  const ids = ['cp1', 'c1', 'cp2', 's1', 'sp1', 'c2', 's2', 'cf1']
  for (const id of ids) t.same(decider.onRequest(requestOf(id), { ...BUSY, isTriggering: true }), [])
  t.equal(decider.queuedCount, ids.length)
  const order = ids.flatMap(() => words(decider.poll(IDLE)))
  t.same(order, ['s1', 's2', 'sp1', 'cf1', 'c1', 'c2', 'cp1', 'cp2'])
  t.same(decider.poll(IDLE), [])
})

t.test(
  'checkpoint request decider - a forced one goes whatever is running, but not while one is begun',
  async (t) => {
    const decider = new CheckpointRequestDecider(LIMITS)
    t.same(words(decider.onRequest(requestOf('s1'), BUSY)), [])
    t.same(words(decider.onRequest(requestOf('sf1'), { ...BUSY, isTriggering: true })), [])
    t.same(words(decider.poll(BUSY)), ['sf1'])
    t.same(words(decider.poll(BUSY)), [])
    t.same(words(decider.poll({ ...IDLE, cleaningCount: 2 })), [], 'too much is still being deleted')
    t.same(words(decider.poll({ ...IDLE, cleaningCount: 1 })), ['s1'])
  },
)

t.test('checkpoint request decider - the pause is kept by periodic ones only', async (t) => {
  const decider = new CheckpointRequestDecider(LIMITS)
  const soon = { ...IDLE, lastCompletionMs: 100, nowMs: 149 }
  t.same(words(decider.onRequest(requestOf('cp1'), soon)), ['drop cp1: min-pause', 'again in 1'])
  t.same(words(decider.onRequest(requestOf('c1'), soon)), ['c1'])
  t.same(words(decider.onRequest(requestOf('spf1'), soon)), ['spf1'])
  t.same(words(decider.onRequest(requestOf('cp2'), { ...soon, nowMs: 150 })), ['cp2'])
})

t.test('checkpoint request decider - a full queue loses the least urgent', async (t) => {
  const decider = new CheckpointRequestDecider({ ...LIMITS, queuedMax: 2 })
  decider.onRequest(requestOf('cp1'), BUSY)
  decider.onRequest(requestOf('c1'), BUSY)
  t.same(words(decider.onRequest(requestOf('cp2'), BUSY)), ['drop cp2: too-many-requests'])
  t.same(words(decider.onRequest(requestOf('s1'), BUSY)), ['drop cp1: too-many-requests'])
})

t.test('checkpoint request decider - each request is decided on once, and none is lost', async () => {
  const step = fc.record({
    id: fc.option(fc.constantFrom('c', 'cp', 'cf', 's', 'sp', 'sf')),
    pendingCount: fc.nat(2),
    isTriggering: fc.boolean(),
    nowMs: fc.nat(100),
  })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const decider = new CheckpointRequestDecider({ concurrentMax: 1, queuedMax: 5, pauseMinMs: 50 })
      const decided: string[] = []
      let asked = 0
      for (const { id, ...rest } of steps) {
        const situation = { ...IDLE, ...rest, lastCompletionMs: 0 }
        const decisions =
          id === null ? decider.poll(situation) : decider.onRequest(requestOf(`${id}${asked++}`), situation)
        for (const decision of decisions) {
          if (decision.kind === 'reschedule') continue
          decided.push(decision.request.id)
          if (decision.kind !== 'execute') continue
          assert(!rest.isTriggering)
          assert(decision.request.isForced || rest.pendingCount === 0, 'no more at once than allowed')
        }
        assert(decider.queuedCount <= 5)
      }
      assert.equal(new Set(decided).size, decided.length)
      assert.equal(decided.length + decider.queuedCount, asked)
    }),
    runs(300),
  )
})
