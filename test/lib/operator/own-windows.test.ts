/** The examples of assigners and triggers of one's own, as they stand where those are declared. */
import t from 'tap'
import { valueState } from '../../../lib/state/state-descriptor.ts'
import { t as types } from '../../../lib/types/t.ts'
import { CONTINUE, eventTimeTrigger, FIRE, type Trigger } from '../../../lib/window/trigger.ts'
import { Window } from '../../../lib/window/window.ts'
import { tumbling, type WindowAssigner } from '../../../lib/window/window-assigner.ts'
import { type Item, WindowScript } from './window-script.ts'

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS

const businessHours: WindowAssigner<Item> = {
  name: 'business hours',
  timeDomain: 'event',
  isMerging: false,
  fixedSizeMs: 10 * HOUR_MS,
  assign(_item, timestamp) {
    const start = Math.floor(timestamp / DAY_MS) * DAY_MS + 8 * HOUR_MS
    const isInside = timestamp >= start && timestamp < start + 10 * HOUR_MS
    return isInside ? [new Window(start, start + 10 * HOUR_MS)] : []
  },
  defaultTrigger: () => eventTimeTrigger(),
}

const FIRST = valueState<boolean>('has-fired', types.boolean)
const firstAndLast: Trigger<Item> = {
  ...eventTimeTrigger<Item>(),
  name: 'first and last',
  onElement(_item, _timestamp, window, context) {
    context.registerEventTimer(window.maxTimestamp)
    const hasFired = context.state(FIRST)
    if (hasFired.value() === true) return CONTINUE
    hasFired.update(true)
    return FIRE
  },
  clear(window, context) {
    context.deleteEventTimer(window.maxTimestamp)
    context.state(FIRST).clear()
  },
}

t.test('own windows - business hours: a window a day, and none for the night', async (t) => {
  const script = await WindowScript.open({ assigner: businessHours })
  script.records(`a 1@${7 * HOUR_MS}, a 2@${8 * HOUR_MS}, a 3@${17 * HOUR_MS}, a 4@${18 * HOUR_MS}`)
  await script.restore()
  script.records(`a 5@${DAY_MS + 9 * HOUR_MS}`)
  t.same(script.watermark(2 * DAY_MS), [
    `a ${8 * HOUR_MS}-${18 * HOUR_MS}: 2 3`,
    `a ${DAY_MS + 8 * HOUR_MS}-${DAY_MS + 18 * HOUR_MS}: 5`,
  ])
  t.equal(script.stateSize, 0)
  t.equal(script.lateCount, 0, 'what belongs to no window is not late')
})

t.test('own windows - a trigger for the first record and the end, which leaves nothing behind', async (t) => {
  const script = await WindowScript.open({ assigner: tumbling(10), trigger: firstAndLast })
  t.same(script.records('a 1@1, a 2@2, b 3@3'), ['a 0-10: 1', 'b 0-10: 3'])
  await script.restore()
  t.same(script.records('a 4@4'), [])
  t.same(script.watermark(9), ['a 0-10: 1 2 4', 'b 0-10: 3'])
  t.equal(script.stateSize, 0)
})
