/** What the gate orders, step by step, and that whatever it lets complete is an exact cut through all channels. */
import assert from 'node:assert/strict'
import fc from 'fast-check'
import t from 'tap'
import { BarrierGate, type GateOrder } from '../../../lib/checkpoint/barrier-gate.ts'
import { ModelTask } from '../../conformance/barrier-cases.ts'
import type { Json, JsonObject } from '../../conformance/case.ts'
import { runs } from '../types/schema-arbitrary.ts'
import {
  barrierOf,
  buffersOf,
  CHANNELS,
  LAST_ID,
  processedOf,
  sentBefore,
  type Traffic,
  traffic,
} from './barriers.ts'

/** Orders in a few words. */
function words(orders: readonly GateOrder[]): string[] {
  return orders.map(describe)
}

function describe(order: GateOrder): string {
  switch (order.kind) {
    case 'block':
      return `block ${order.channel}`
    case 'unblockAll':
      return 'unblock'
    case 'trigger': {
      const { barrier, isUnaligned, recording } = order
      return `trigger ${barrier.checkpointId}${isUnaligned ? ` recording ${recording}` : ''}`
    }
    case 'recorded':
      return `recorded ${order.channel}`
    case 'complete':
      return `complete ${order.checkpointId}`
    case 'abort':
      return `abort ${order.checkpointId} ${order.reason}`
    case 'wakeAt':
      return `wake at ${order.timeMs}`
  }
}

/** Commands: `arrive c id`, `reach c id`, `cancel id`, `end c`, `time ms`. */
function player(gate: BarrierGate, more: Parameters<typeof barrierOf>[1] = {}) {
  let nowMs = 0
  return (command: string): string[] => {
    const [verb, ...numbers] = command.split(' ')
    const [a = 0, b = 0] = numbers.map(Number)
    switch (verb) {
      case 'arrive':
        return words(gate.onArrival(a, barrierOf(b, more), nowMs))
      case 'reach':
        return words(gate.onBarrier(a, barrierOf(b, more), nowMs))
      case 'cancel':
        return words(gate.onCancel(a))
      case 'endArrives':
        return words(gate.onEndArrival(a))
      case 'end':
        return words(gate.onEnd(a))
      default:
        nowMs = a
        return words(gate.onTime(nowMs))
    }
  }
}

t.test('barrier gate - blocks channels until the last barrier is reached', async (t) => {
  const gate = new BarrierGate(3)
  const play = player(gate)
  t.same(play('arrive 0 1'), [], 'the arrival of an aligned barrier means nothing')
  t.equal(gate.pendingId, null)
  t.same(play('reach 2 1'), ['block 2'])
  t.same(play('reach 0 1'), ['block 0'])
  t.same(gate.blocked, [0, 2])
  t.equal(gate.pendingId, 1)
  t.same(play('reach 1 1'), ['trigger 1', 'complete 1', 'unblock'])
  t.same(gate.blocked, [])
  t.equal(gate.pendingId, null)
})

t.test('barrier gate - what is older than the pending checkpoint does not disturb it', async (t) => {
  const gate = new BarrierGate(3)
  const play = player(gate)
  t.same(play('reach 0 3'), ['block 0'])
  t.same(play('reach 1 2'), [], 'a barrier')
  t.same(play('cancel 2'), [], 'a cancellation')
  t.same(play('reach 1 3'), ['block 1'])
  t.same(play('reach 2 3'), ['trigger 3', 'complete 3', 'unblock'])
  t.same(play('reach 0 3'), [], 'over')
  t.same(play('cancel 3'), [])
})

t.test(
  'barrier gate - a cancellation of a newer checkpoint gives up the pending one, and says so',
  async (t) => {
    const play = player(new BarrierGate(2))
    t.same(play('reach 0 1'), ['block 0'])
    t.same(play('cancel 2'), ['abort 1 subsumed', 'unblock', 'abort 2 cancelled'])
    t.same(play('reach 1 1'), [])
    t.same(play('reach 1 2'), [])
    t.same(play('reach 1 3'), ['block 1'])
    t.same(play('cancel 3'), ['abort 3 cancelled', 'unblock'])
  },
)

t.test('barrier gate - a channel that ends counts as one whose barrier was reached', async (t) => {
  const play = player(new BarrierGate(3))
  t.same(play('end 2'), [])
  t.same(play('reach 0 1'), ['block 0'])
  t.same(play('end 1'), ['trigger 1', 'complete 1', 'unblock'])
  t.same(play('reach 0 2'), ['trigger 2', 'complete 2'])
  const without = player(new BarrierGate(2, false))
  t.same(without('reach 0 1'), ['block 0'])
  t.same(without('end 1'), ['abort 1 end-of-input', 'unblock'])
  t.same(without('reach 0 1'), [])
})

t.test('barrier gate - an end that has arrived completes channel state, and nothing else', async (t) => {
  const aligned = player(new BarrierGate(2))
  t.same(aligned('reach 0 1'), ['block 0'])
  t.same(aligned('endArrives 1'), [], 'what was sent before it is still to be processed')
  t.same(aligned('end 1'), ['trigger 1', 'complete 1', 'unblock'])
  const unaligned = player(new BarrierGate(2), { isUnaligned: true })
  t.same(unaligned('endArrives 1'), [])
  t.same(unaligned('arrive 0 1'), ['trigger 1 recording 0,1', 'recorded 0'])
  t.same(unaligned('endArrives 1'), ['recorded 1', 'complete 1'])
  t.same(unaligned('arrive 0 2'), ['trigger 2 recording 0,1', 'recorded 0'], 'the channel is still open')
})

t.test(
  'barrier gate - unaligned: the first arrival triggers, the last completes, nothing blocks',
  async (t) => {
    const gate = new BarrierGate(3)
    const play = player(gate, { isUnaligned: true })
    t.same(play('arrive 1 1'), ['trigger 1 recording 0,1,2', 'recorded 1'])
    t.same(play('reach 1 1'), [])
    t.same(play('arrive 0 1'), ['recorded 0'])
    t.same(play('arrive 0 1'), [], 'once')
    t.same(play('end 2'), ['recorded 2', 'complete 1'])
    t.same(play('reach 0 1'), [])
    t.same(play('reach 0 2'), ['trigger 2 recording 0,1', 'recorded 0'], 'reached and never announced')
    t.same(play('arrive 1 3'), ['abort 2 subsumed', 'trigger 3 recording 0,1', 'recorded 1'])
    t.same(gate.blocked, [])
  },
)

t.test(
  'barrier gate - a late alignment turns unaligned; barriers that wait in a queue are enough',
  async (t) => {
    const gate = new BarrierGate(3)
    const play = player(gate, { alignmentTimeoutMs: 100 })
    t.same(play('arrive 0 1'), ['wake at 100'])
    t.same(play('arrive 1 1'), [])
    t.same(play('reach 0 1'), ['block 0'])
    t.same(play('time 99'), [])
    t.same(play('time 100'), ['trigger 1 recording 1,2', 'recorded 1'])
    t.same(gate.blocked, [0], 'what follows the barrier waits for the others all the same')
    t.same(play('time 200'), [], 'once')
    t.same(play('arrive 2 1'), ['recorded 2', 'complete 1', 'unblock'])
    t.same(play('reach 2 1'), [])
  },
)

t.test(
  'barrier gate - all barriers waiting in queues: an unaligned snapshot is complete at once',
  async (t) => {
    const play = player(new BarrierGate(2), { alignmentTimeoutMs: 100 })
    play('arrive 0 1')
    play('arrive 1 1')
    t.same(play('time 100'), ['trigger 1 recording 0,1', 'recorded 0', 'recorded 1', 'complete 1'])
  },
)

t.test('barrier gate - the clock of a newer checkpoint begins with its first arrival', async (t) => {
  const play = player(new BarrierGate(2), { alignmentTimeoutMs: 100 })
  play('reach 0 1')
  play('time 50')
  t.same(play('arrive 1 2'), ['abort 1 subsumed', 'unblock', 'wake at 150'])
  t.same(play('time 149'), [])
  t.same(play('time 150'), ['trigger 2 recording 0,1', 'recorded 1'])
})

t.test('barrier gate - savepoints stay aligned', async (t) => {
  const play = player(new BarrierGate(2), { alignmentTimeoutMs: 100, isSavepoint: true })
  t.same(play('arrive 0 1'), [])
  t.same(play('reach 0 1'), ['block 0'])
  t.same(play('time 1000'), [])
  t.same(play('reach 1 1'), ['trigger 1', 'complete 1', 'unblock'])
})

t.test('barrier gate - a checkpoint that began aligned may be overtaken by its own barrier', async (t) => {
  const gate = new BarrierGate(3)
  words(gate.onBarrier(0, barrierOf(1), 0))
  const unaligned = gate.onArrival(1, barrierOf(1, { isUnaligned: true }), 0)
  t.same(words(unaligned), ['trigger 1 recording 1,2', 'recorded 1'])
  t.match(unaligned[0], { barrier: { isUnaligned: true } })
  t.same(words(gate.onArrival(2, barrierOf(1, { isUnaligned: true }), 0)), [
    'recorded 2',
    'complete 1',
    'unblock',
  ])
})

const MODES = ['aligned', 'unaligned', 'aligned-with-timeout'] as const

/**
 * Of each complete checkpoint: what was processed before the trigger, and what was recorded, is what was sent before
 * the barriers, once each. And in the end nothing is left behind.
 */
function checkCut(mode: string, { sent, script }: Traffic): number {
  const config = { op: 'barrier-gate', mode, channels: CHANNELS, checkpointAfterEndOfInput: true }
  const task = new ModelTask(mode === 'aligned-with-timeout' ? { ...config, alignmentTimeout: 10 } : config)
  const outputs = script.flatMap((step) => task.step(step)) as JsonObject[]
  const { persisted, blocked } = task.facts()
  for (const checkpointId of task.completed) {
    const triggered = outputs.findIndex(({ trigger }) => trigger === checkpointId)
    for (let channel = 0; channel < CHANNELS; channel++) {
      const state =
        (persisted as unknown as Record<string, Record<string, Json[]>>)[checkpointId]?.[channel] ?? []
      const cut = [...processedOf(outputs.slice(0, triggered), channel), ...state]
      assert.deepEqual(cut, sentBefore(sent, channel, checkpointId), `${checkpointId} on channel ${channel}`)
    }
  }
  const triggers = outputs.flatMap(({ trigger }) => (typeof trigger === 'number' ? [trigger] : []))
  assert.deepEqual([...new Set(triggers)].sort(), triggers, 'triggered once, in ascending order')
  assert.deepEqual(blocked, [], 'no channel waits for ever')
  sent.forEach((steps, channel) => {
    assert.deepEqual(processedOf(outputs, channel), buffersOf(steps), `all of channel ${channel}`)
  })
  const hasLast = sent.some((steps) =>
    steps.some((step) => (step.barrier as JsonObject | undefined)?.id === LAST_ID),
  )
  assert.equal(task.completed.includes(LAST_ID), hasLast, 'the last one comes about')
  return task.completed.length
}

for (const mode of MODES) {
  t.test(`barrier gate - ${mode}: what completes is an exact cut`, async (t) => {
    let completed = 0
    fc.assert(
      fc.property(traffic, (each) => {
        completed += checkCut(mode, each)
      }),
      runs(200),
    )
    t.ok(completed > 200, `${completed} checkpoints`)
  })
}
