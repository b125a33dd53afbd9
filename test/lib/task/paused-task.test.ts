/** A stream task in the middle of a burst of timers, which is to make room for a barrier. */
import t from 'tap'
import { collection } from '../../../lib/connectors/generator.ts'
import { SourceOperator } from '../../../lib/operator/source-operator.ts'
import { t as types } from '../../../lib/types/t.ts'
import { barrierOf } from '../checkpoint/barriers.ts'
import { HandTask } from './tasks.ts'

const settled = () => new Promise((resolve) => setImmediate(resolve))

/** A task whose operator pauses three times in the watermark at the end of its source, and is in the second pause. */
async function pausedTask() {
  const operator = new SourceOperator(collection(['x'], types.string), null)
  const hand = new HandTask({ source: operator as unknown as SourceOperator<unknown, never> })
  operator.connect({ requestSplit: () => {} })
  await hand.run()
  operator.addSplits([{ id: '0', next: 0, step: 1 }])
  operator.noMoreSplits()
  hand.operators[0]!.pauses = 3
  while (hand.operators[0]!.pauses > 1) hand.task.step(-1)
  hand.taken()
  return hand
}

t.test('stream task - a barrier passes in the middle of what a watermark releases', async (t) => {
  const hand = await pausedTask()
  hand.task.checkpoints.trigger(barrierOf(1))
  for (let i = 0; i < 3; i++) {
    hand.stepAll()
    await settled()
  }
  t.same(hand.taken(), [
    'out barrier',
    'a pauses in Infinity',
    'a watermark Infinity',
    'out watermark Infinity',
    'out end',
  ])
  t.same(
    hand.snapshots.map(([id]) => id),
    [1],
  )
})

t.test('stream task - but not the last barrier, after which nothing would be released', async (t) => {
  for (const isDrain of [false, true]) {
    const hand = await pausedTask()
    hand.task.checkpoints.haltAt(1, isDrain)
    hand.task.checkpoints.trigger(barrierOf(1))
    for (let i = 0; i < 3; i++) {
      hand.stepAll()
      await settled()
    }
    t.same(hand.taken(), [
      'a pauses in Infinity',
      'a watermark Infinity',
      'out watermark Infinity',
      'out barrier',
    ])
  }
})
