/** What the tracker orders; that it never holds anything up, and never triggers too early. */
import assert from 'node:assert/strict'
import fc from 'fast-check'
import t from 'tap'
import type { GateOrder } from '../../../lib/checkpoint/barrier-gate.ts'
import { BarrierTracker } from '../../../lib/checkpoint/barrier-tracker.ts'
import { ModelTask } from '../../conformance/barrier-cases.ts'
import type { JsonObject } from '../../conformance/case.ts'
import { runs } from '../types/schema-arbitrary.ts'
import { barrierOf, CHANNELS, processedOf, sentBefore, traffic } from './barriers.ts'

function words(orders: readonly GateOrder[]): string[] {
  return orders.flatMap((order) => {
    if (order.kind === 'trigger') return [`trigger ${order.barrier.checkpointId}`]
    if (order.kind === 'abort') return [`abort ${order.checkpointId} ${order.reason}`]
    return order.kind === 'complete' ? [] : [order.kind]
  })
}

t.test('barrier tracker - triggers with the last barrier and blocks nothing', async (t) => {
  const tracker = new BarrierTracker(2)
  t.same(tracker.onArrival(), [])
  t.same(words(tracker.onBarrier(0, barrierOf(1))), [])
  t.same(words(tracker.onBarrier(0, barrierOf(2))), [], 'several may be pending')
  t.same(words(tracker.onBarrier(1, barrierOf(1))), ['trigger 1'])
  t.same(words(tracker.onBarrier(1, barrierOf(1))), [], 'over')
  t.same(words(tracker.onBarrier(1, barrierOf(2))), ['trigger 2'])
  t.same(tracker.blocked, [])
  t.same(tracker.onTime(), [])
})

t.test('barrier tracker - the newest complete checkpoint wins, older ones are over', async (t) => {
  const tracker = new BarrierTracker(2)
  tracker.onBarrier(0, barrierOf(1))
  tracker.onBarrier(0, barrierOf(2))
  tracker.onBarrier(0, barrierOf(3))
  t.same(words(tracker.onBarrier(1, barrierOf(2))), ['trigger 2'])
  t.same(words(tracker.onBarrier(1, barrierOf(1))), [])
  t.same(words(tracker.onEnd(1)), ['trigger 3'])
})

t.test('barrier tracker - cancellations abort what is pending up to them, once', async (t) => {
  const tracker = new BarrierTracker(2)
  tracker.onBarrier(0, barrierOf(1))
  tracker.onBarrier(0, barrierOf(2))
  t.same(words(tracker.onCancel(2, 1)), ['abort 1 cancelled', 'abort 2 cancelled'])
  t.same(words(tracker.onCancel(2, 0)), [])
  t.same(words(tracker.onBarrier(1, barrierOf(1))), [])
  t.same(words(tracker.onCancel(3, 0)), ['abort 3 cancelled'])
  t.same(words(tracker.onBarrier(1, barrierOf(3))), [], 'a cancelled one is not triggered')
  t.same(words(tracker.onBarrier(0, barrierOf(4))), [])
  t.same(words(tracker.onBarrier(1, barrierOf(4))), ['trigger 4'])
})

t.test('barrier tracker - the end of a channel, where checkpoints do not go on after it', async (t) => {
  const tracker = new BarrierTracker(3, false)
  tracker.onBarrier(0, barrierOf(1))
  tracker.onBarrier(0, barrierOf(2))
  tracker.onCancel(1, 0)
  tracker.onBarrier(1, barrierOf(2))
  t.same(words(tracker.onEnd(2)), ['abort 2 end-of-input'])
  t.same(words(tracker.onBarrier(1, barrierOf(2))), [])
})

t.test('barrier tracker - remembers a bounded number of pending checkpoints', async (t) => {
  const tracker = new BarrierTracker(2)
  for (let id = 1; id <= 51; id++) tracker.onBarrier(0, barrierOf(id))
  t.same(words(tracker.onBarrier(1, barrierOf(1))), [], 'the oldest is forgotten')
  t.same(words(tracker.onBarrier(1, barrierOf(2))), ['trigger 2'])
})

t.test('barrier tracker - what is triggered has everything from before the barriers', async (t) => {
  const config = {
    op: 'barrier-gate',
    mode: 'at-least-once',
    channels: CHANNELS,
    checkpointAfterEndOfInput: true,
  }
  let completed = 0
  fc.assert(
    fc.property(traffic, ({ sent, script }) => {
      const task = new ModelTask(config)
      const outputs = script.flatMap((step) => {
        const found = task.step(step)
        assert.deepEqual(task.facts().blocked, [])
        return found
      }) as JsonObject[]
      assert.deepEqual([...task.completed].sort(), task.completed, 'in ascending order')
      for (const checkpointId of task.completed) {
        const triggered = outputs.findIndex(({ trigger }) => trigger === checkpointId)
        for (let channel = 0; channel < CHANNELS; channel++) {
          const before = sentBefore(sent, channel, checkpointId)
          const processed = processedOf(outputs.slice(0, triggered), channel)
          assert.deepEqual(processed.slice(0, before.length), before)
        }
        completed++
      }
    }),
    runs(200),
  )
  t.ok(completed > 300, `${completed} checkpoints`)
})
