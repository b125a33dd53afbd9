import t from 'tap'
import { mapState, valueState } from '../../../lib/state/state-descriptor.ts'
import { MAX_TIMESTAMP } from '../../../lib/time/timestamp.ts'
import { t as types } from '../../../lib/types/t.ts'
import { countEvictor, timeEvictor } from '../../../lib/window/evictor.ts'
import { countTrigger, eventTimeTrigger, purging } from '../../../lib/window/trigger.ts'
import { Window } from '../../../lib/window/window.ts'
import {
  globalWindow,
  session,
  sessionProcessingTime,
  sliding,
  tumbling,
  tumblingProcessingTime,
  type WindowAssigner,
} from '../../../lib/window/window-assigner.ts'
import { type Context, type Item, WindowScript } from './window-script.ts'

t.test(
  'window operator - a window is late when its last ms and the lateness are behind the watermark',
  async (t) => {
    const script = await WindowScript.open({
      assigner: tumbling(10),
      allowedLatenessMs: 5,
      hasLateOutput: true,
    })
    script.records('a 1@3')
    t.same(script.watermark(9), ['a 0-10: 1'])
    t.same(script.records('a 2@4'), ['a 0-10: 1 2'], 'fires at once, with all there is')
    script.watermark(13)
    t.same(script.records('a 3@5'), ['a 0-10: 1 2 3'])
    t.equal(script.watermark(14).length, 0)
    t.same(script.records('a 4@6'), ['late a 4'])
  },
)

t.test('window operator - a record that some window still takes is not late', async (t) => {
  const script = await WindowScript.open({ assigner: sliding(20, 10), hasLateOutput: true })
  script.watermark(19)
  t.same(script.records('a 1@15'), [])
  t.same(script.records('a 2@5'), ['late a 2'])
  t.same(script.watermark(29), ['a 10-30: 1'])
})

t.test('window operator - a record without a window is dropped, not late', async (t) => {
  const script = await WindowScript.open({ assigner: sliding(4, 10), hasLateOutput: true })
  t.same(script.records('a 1@7'), [])
  t.equal(script.lateCount, 0)
  script.watermark(20)
  t.same(script.records('a 1@7'), ['late a 1'], 'unless it is behind the watermark')
})

t.test('window operator - without a late output late records are counted', async (t) => {
  const script = await WindowScript.open({ assigner: tumbling(10) })
  script.watermark(9)
  t.same(script.records('a 1@5, a 2@6, a 3@10'), [])
  t.equal(script.lateCount, 2)
})

t.test('window operator - nothing is left when all windows are through', async (t) => {
  const rows: [string, WindowAssigner<Item>][] = [
    ['tumbling', tumbling(10)],
    ['sliding', sliding(20, 5)],
    ['session', session(10)],
  ]
  for (const [name, assigner] of rows) {
    const script = await WindowScript.open({ assigner, allowedLatenessMs: 30 })
    script.records('a 1@0, a 2@25, a 3@12, b 4@7, a 5@8, a 6@40')
    t.ok(script.stateSize > 0)
    script.watermark(20)
    script.records('a 7@9, b 8@3')
    script.watermark(MAX_TIMESTAMP)
    t.equal(script.stateSize, 0, name)
  }
})

t.test('window operator - merging leaves one window, one list and its timers', async (t) => {
  const one = await WindowScript.open({ assigner: session(10), allowedLatenessMs: 5 })
  one.records('a 1@0')
  const sizeOfOne = one.stateSize
  const merged = await WindowScript.open({ assigner: session(10), allowedLatenessMs: 5 })
  merged.records('a 1@0, a 2@18, a 3@40, a 4@5, a 5@9, a 6@28, a 7@34')
  t.equal(merged.stateSize, sizeOfOne)
  t.same(merged.watermark(100), ['a 0-50: 1 4 2 5 6 3 7'])
})

t.test('window operator - a session that is purged keeps its extent', async (t) => {
  const script = await WindowScript.open({
    assigner: session(10),
    trigger: purging(eventTimeTrigger()),
    allowedLatenessMs: 100,
  })
  script.records('a 1@0')
  t.same(script.watermark(9), ['a 0-10: 1'])
  script.records('a 2@5')
  await script.restore()
  t.same(script.watermark(14), ['a 0-15: 2'])
})

t.test('window operator - a record joins a live session however late it is by itself', async (t) => {
  const script = await WindowScript.open({ assigner: session(10), hasLateOutput: true })
  script.records('a 1@40')
  script.watermark(45)
  t.same(script.records('a 2@31'), [], 'its own session would have ended at 40')
  t.same(script.records('a 3@20'), ['late a 3'])
  t.same(script.watermark(60), ['a 31-50: 1 2'])
})

t.test('window operator - a late session fires once when it merges with one that has fired', async (t) => {
  const script = await WindowScript.open({ assigner: session(10), allowedLatenessMs: 50 })
  script.records('a 1@0, a 2@15')
  t.same(script.watermark(30), ['a 0-10: 1', 'a 15-25: 2'])
  t.same(script.records('a 3@8'), ['a 0-25: 1 2 3'])
  t.same(script.watermark(40), [])
})

t.test('window operator - processing-time sessions go by the clock', async (t) => {
  const script = await WindowScript.open({ assigner: sessionProcessingTime(10) })
  script.clock(5)
  script.records('a 1')
  script.clock(12)
  script.records('a 2, b 3@999')
  await script.restore()
  t.same(script.clock(20), [])
  t.same(script.clock(21), ['a 5-22: 1 2', 'b 12-22: 3'])
  t.equal(script.stateSize, 0)
})

t.test('window operator - in processing time nothing is late, and watermarks do nothing', async (t) => {
  const script = await WindowScript.open({ assigner: tumblingProcessingTime(10), hasLateOutput: true })
  t.same(script.watermark(1_000_000), [])
  t.same(script.records('a 1@5, a 2'), [])
  t.same(script.clock(9), ['a 0-10: 1 2'])
})

t.test(
  'window operator - triggers and evictors see the time of the record, not that of the clock',
  async (t) => {
    const times: number[] = []
    const trigger = countTrigger<Item>(3)
    const script = await WindowScript.open({
      assigner: tumblingProcessingTime(100),
      trigger: {
        ...trigger,
        onElement(value, timestamp, window, context) {
          times.push(timestamp)
          return trigger.onElement(value, timestamp, window, context)
        },
      },
      evictor: timeEvictor(10),
    })
    script.clock(50)
    t.same(script.records('a 1@1000, a 2@990, a 3@995'), ['a 0-100: 1 3'])
    t.same(times, [1000, 990, 995])
  },
)

t.test('window operator - records without a timestamp are refused where windows need one', async (t) => {
  for (const assigner of [tumbling<Item>(10), sliding<Item>(10, 5), session<Item>(10)]) {
    const script = await WindowScript.open({ assigner })
    t.throws(() => script.records('a 1'), { code: 'TIMESTAMP_MISSING', message: /watermark strategy/ })
  }
  const script = await WindowScript.open({ assigner: globalWindow(), trigger: countTrigger(2) })
  t.same(script.records('a 1, a 2'), ['a -Infinity-Infinity: 1 2'])
})

t.test('window operator - the global window goes on after the end of time', async (t) => {
  const script = await WindowScript.open({
    assigner: globalWindow(),
    trigger: countTrigger(2),
    hasLateOutput: true,
  })
  script.records('a 1@1')
  t.same(script.watermark(MAX_TIMESTAMP), [])
  t.same(script.records('a 2@2'), ['a -Infinity-Infinity: 1 2'])
})

t.test("window operator - a user's own merging assigner may have windows without length", async (t) => {
  const points: WindowAssigner<Item> = {
    name: 'points',
    timeDomain: 'event',
    isMerging: true,
    fixedSizeMs: null,
    assign: ({ value }, timestamp) => [new Window(timestamp, value === 33 ? timestamp : timestamp + 3000)],
    defaultTrigger: eventTimeTrigger,
  }
  const script = await WindowScript.open({ assigner: points })
  script.records('a 1@0, a 33@1000')
  await script.restore()
  script.records('a 33@2500, b 1@10, b 2@1000, b 33@2500, c 33@70')
  t.same(script.watermark(12000), ['c 70-70: 33', 'a 0-3000: 1 33 33', 'b 10-4000: 1 2 33'])
  t.equal(script.stateSize, 0)
})

t.test('window operator - what an evictor leaves is what the next firing begins with', async (t) => {
  const before = await WindowScript.open({
    assigner: globalWindow(),
    trigger: countTrigger(2),
    evictor: countEvictor(3),
  })
  t.same(before.records('a 1, a 2, a 3, a 4, a 5, a 6'), [
    'a -Infinity-Infinity: 1 2',
    'a -Infinity-Infinity: 2 3 4',
    'a -Infinity-Infinity: 4 5 6',
  ])
  const after = await WindowScript.open({
    assigner: globalWindow(),
    trigger: countTrigger(2),
    evictor: countEvictor(1, { after: true }),
  })
  after.records('a 1, a 2')
  await after.restore()
  t.same(after.records('a 3, a 4'), ['a -Infinity-Infinity: 2 3 4'])
})

t.test('window operator - a window that an evictor has emptied holds nothing', async (t) => {
  const script = await WindowScript.open({
    assigner: globalWindow(),
    trigger: countTrigger(2),
    evictor: countEvictor(0, { after: true }),
  })
  t.same(script.records('a 1, a 2'), ['a -Infinity-Infinity: 1 2'])
  t.equal(script.stateSize, 0)
  await script.restore()
  t.same(script.records('a 3, a 4'), ['a -Infinity-Infinity: 3 4'])
})

t.test(
  'window operator - the function is opened, told the time and of windows that go, and closed',
  async (t) => {
    const calls: string[] = []
    const script = await WindowScript.open({
      assigner: tumbling(10),
      allowedLatenessMs: 5,
      process: {
        open: async ({ operatorName }) => void calls.push(`open ${operatorName}`),
        close: () => void calls.push('close'),
        process: (key, context) =>
          void calls.push(`${key} at ${context.currentWatermark()}, clock ${context.processingTime()}`),
        clear: ({ window }) => void calls.push(`clear ${window.key} ${window.start}`),
      },
    })
    script.clock(77)
    script.records('a 1@3')
    script.watermark(12)
    script.records('a 1@4')
    script.watermark(14)
    await script.restore()
    t.same(calls, [
      'open operator',
      'a at 12, clock 77',
      'a at 12, clock 77',
      'clear a 0',
      'close',
      'open operator',
    ])
  },
)

const COUNT = valueState<number>('count', types.int32)
const SEEN = mapState<string, number>('seen', types.int32)
const TOTAL = valueState<number>('total', types.int32)

/** `window count, distinct seen so far in this window, total over all windows of the key`. */
function counting(context: Context, elements: Iterable<Item>): string {
  const values = [...elements].map(({ value }) => value)
  const count = context.windowState(COUNT)
  count.update((count.value() ?? 0) + 1)
  const seen = context.windowState(SEEN)
  for (const value of values) seen.set(`${value}`, (seen.get(`${value}`) ?? 0) + 1)
  const total = context.globalState(TOTAL)
  total.update((total.value() ?? 0) + values.length)
  return `${context.window.start}: fired ${count.value()}, seen ${[...seen.keys()].join(' ')}, total ${total.value()}`
}

t.test('window operator - functions keep state of a window and of a key, over snapshots too', async (t) => {
  const script = await WindowScript.open({
    assigner: tumbling(10),
    allowedLatenessMs: 20,
    process: {
      process: (_key, context, elements, out) => out.collect(counting(context, elements)),
      clear: (context) => {
        context.windowState(COUNT).clear()
        context.windowState(SEEN).clear()
      },
    },
  })
  script.records('a 1@3')
  t.same(script.watermark(9), ['0: fired 1, seen 1, total 1'])
  await script.restore()
  script.watermark(9)
  t.same(script.records('a 2@4'), ['0: fired 2, seen 1 2, total 3'])
  await script.restore()
  script.records('a 3@15, b 9@16')
  t.same(script.watermark(19), ['10: fired 1, seen 3, total 4', '10: fired 1, seen 9, total 1'])
  script.watermark(MAX_TIMESTAMP)
  t.equal(script.stateSize, 2, 'the totals of both keys')
})

t.test(
  'window operator - the states of a function and of the trigger are apart, whatever their names',
  async (t) => {
    const same = valueState<string>('trigger-count', types.string)
    const script = await WindowScript.open({
      assigner: globalWindow(),
      trigger: countTrigger(2),
      process: {
        process: (_key, context, elements, out) => {
          const text = (context.windowState(same).value() ?? '') + [...elements].length
          context.windowState(same).update(text)
          out.collect(text)
        },
      },
    })
    t.same(script.records('a 1, a 2, a 3, a 4'), ['2', '24'])
  },
)

t.test('window operator - windows that merge cannot have state of their own', async (t) => {
  const script = await WindowScript.open({
    assigner: session(10),
    process: { process: (_key, context, elements, out) => out.collect(counting(context, elements)) },
  })
  script.records('a 1@3')
  t.throws(() => script.watermark(12), { code: 'UNSUPPORTED', message: /globalState/ })
})
