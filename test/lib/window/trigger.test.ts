/** Triggers at work in the window operator. */
import t from 'tap'
import { MAX_TIMESTAMP } from '../../../lib/time/timestamp.ts'
import {
  continueForever,
  continuousEventTimeTrigger,
  continuousProcessingTimeTrigger,
  countTrigger,
  deltaTrigger,
  endOfStreamTrigger,
  eventTimeTrigger,
  FIRE,
  orEndOfStream,
  processingTimeTrigger,
  purging,
  type Trigger,
} from '../../../lib/window/trigger.ts'
import {
  endOfStreamWindow,
  globalWindow,
  session,
  sessionProcessingTime,
  sliding,
  tumbling,
  tumblingProcessingTime,
} from '../../../lib/window/window-assigner.ts'
import { type Item, WindowScript } from '../operator/window-script.ts'

const ALL = '-Infinity-Infinity'

t.test('count trigger - fires after every so many records, of each window and key', async (t) => {
  const script = await WindowScript.open({ assigner: sliding(20, 10), trigger: countTrigger(2) })
  t.same(script.records('a 1@5, b 9@5, a 2@12'), ['a 0-20: 1 2'])
  t.same(script.records('a 3@18'), ['a 10-30: 2 3'])
  t.same(script.watermark(MAX_TIMESTAMP), [], 'what is left over is dropped')
  t.equal(script.stateSize, 0)
})

t.test('count trigger - goes on counting after a snapshot', async (t) => {
  const script = await WindowScript.open({ assigner: globalWindow(), trigger: purging(countTrigger(3)) })
  script.records('a 1, a 2, b 1')
  await script.restore()
  await script.restore()
  t.same(script.records('b 2, a 3'), [`a ${ALL}: 1 2 3`])
  t.same(script.records('a 4, a 5, b 3'), [`b ${ALL}: 1 2 3`])
})

t.test('count trigger - counts of windows that merge add up', async (t) => {
  const script = await WindowScript.open({ assigner: session(10), trigger: countTrigger(4) })
  t.same(script.records('a 1@0, a 2@18, a 3@19'), [])
  await script.restore()
  t.same(script.records('a 4@9'), ['a 0-29: 1 2 3 4'])
  t.same(script.records('a 5@9, a 6@9, a 7@9'), [])
})

t.test('purging trigger - drops what was emitted, and nothing else', async (t) => {
  const script = await WindowScript.open({
    assigner: tumbling(10),
    trigger: purging(eventTimeTrigger()),
    allowedLatenessMs: 20,
  })
  script.records('a 1@1, a 2@2')
  t.same(script.watermark(9), ['a 0-10: 1 2'])
  t.same(script.records('a 3@3'), ['a 0-10: 3'])
  t.same(script.records('a 4@3'), ['a 0-10: 4'])
})

t.test(
  'continuous event-time trigger - fires at every multiple of the interval and at the end',
  async (t) => {
    const script = await WindowScript.open({
      assigner: tumbling(100),
      trigger: continuousEventTimeTrigger(30),
    })
    script.records('a 1@5')
    t.same(script.watermark(29), [])
    t.same(script.watermark(30), ['a 0-100: 1'])
    script.records('a 2@40')
    await script.restore()
    t.same(script.watermark(89), ['a 0-100: 1 2'])
    t.same(script.watermark(99), ['a 0-100: 1 2', 'a 0-100: 1 2'], 'at 90 and at 99')
    t.equal(script.stateSize, 0)
  },
)

t.test('continuous event-time trigger - what a jump of the watermark skips fires one by one', async (t) => {
  const script = await WindowScript.open({ assigner: tumbling(100), trigger: continuousEventTimeTrigger(30) })
  script.records('a 1@5')
  t.equal(script.watermark(MAX_TIMESTAMP).length, 4, 'at 30, 60, 90 and 99')
  const exact = await WindowScript.open({ assigner: tumbling(100), trigger: continuousEventTimeTrigger(30) })
  exact.records('a 1@5')
  t.equal(exact.watermark(99).length, 4)
})

t.test('continuous event-time trigger - fires at once for a late record', async (t) => {
  const script = await WindowScript.open({
    assigner: tumbling(100),
    trigger: continuousEventTimeTrigger(30),
    allowedLatenessMs: 50,
  })
  script.records('a 1@95')
  t.same(script.watermark(120), ['a 0-100: 1'], 'the multiple would be 120')
  t.same(script.records('a 2@96'), ['a 0-100: 1 2'])
  t.same(script.watermark(149), [])
  t.equal(script.stateSize, 0)
})

t.test('continuous event-time trigger - sessions that merge keep the earlier firing', async (t) => {
  const script = await WindowScript.open({
    assigner: session(3000),
    trigger: continuousEventTimeTrigger(2000),
  })
  script.records('a 1@1500, b 1@0, b 3@2500')
  t.same(script.watermark(2500), ['a 1500-4500: 1', 'b 0-5500: 1 3'])
  await script.restore()
  script.records('a 2@4000')
  t.same(script.watermark(3000), [])
  script.records('b 2@4000, a 4@3500')
  t.same(script.watermark(4000).sort(), ['a 1500-7000: 1 2 4', 'b 0-7000: 1 3 2'])
  t.same(script.watermark(5000), [], 'the old end of b')
  t.same(script.watermark(7000).sort(), [
    'a 1500-7000: 1 2 4',
    'a 1500-7000: 1 2 4',
    'b 0-7000: 1 3 2',
    'b 0-7000: 1 3 2',
  ])
  t.equal(script.stateSize, 0)
})

t.test(
  'continuous event-time trigger - a window without end fires a last time when the input ends',
  async (t) => {
    const script = await WindowScript.open({
      assigner: globalWindow(),
      trigger: continuousEventTimeTrigger(1000),
    })
    script.records('a 1@500')
    t.same(script.watermark(1000), [`a ${ALL}: 1`])
    script.records('a 2@1500')
    t.same(
      script.watermark(MAX_TIMESTAMP),
      [`a ${ALL}: 1 2`, `a ${ALL}: 1 2`],
      'at 2000 and at the end of time',
    )
  },
)

t.test('continuous processing-time trigger - fires at multiples of the clock and at the end', async (t) => {
  const trigger = continuousProcessingTimeTrigger<Item>(5)
  const script = await WindowScript.open({ assigner: tumblingProcessingTime(10), trigger })
  script.records('a 1')
  script.clock(2)
  script.records('a 2')
  t.same(script.clock(5), ['a 0-10: 1 2'])
  script.clock(7)
  await script.restore()
  script.records('a 3')
  t.same(script.clock(9), ['a 0-10: 1 2 3'])
  script.clock(10)
  script.records('a 4')
  t.same(script.clock(15), ['a 10-20: 4'])
  t.same(script.clock(100), ['a 10-20: 4'], 'the end was at 19')
  t.equal(script.stateSize, 0)
})

t.test('continuous processing-time trigger - sessions that merge keep the earlier firing', async (t) => {
  const trigger = continuousProcessingTimeTrigger<Item>(5)
  const script = await WindowScript.open({ assigner: sessionProcessingTime(10), trigger })
  script.records('a 1')
  script.clock(2)
  script.records('a 2')
  t.same(script.clock(5), ['a 0-12: 1 2'])
  t.same(script.clock(9), [])
  t.same(script.clock(10), ['a 0-12: 1 2'])
  t.same(script.clock(15), ['a 0-12: 1 2'], 'the end was at 11')
  t.same(script.clock(100), [])
  t.equal(script.stateSize, 0)
})

t.test(
  'continuous processing-time trigger - event-time windows fire by the clock, however old they are',
  async (t) => {
    const trigger = continuousProcessingTimeTrigger<Item>(30)
    const script = await WindowScript.open({ assigner: tumbling(100), trigger })
    script.clock(5000)
    script.records('a 1@10')
    t.same(script.clock(5010), ['a 0-100: 1'])
    t.same(script.clock(5069), ['a 0-100: 1'])
    script.watermark(99)
    t.same(script.clock(5100), [])
    t.equal(script.stateSize, 0)
  },
)

t.test(
  'continuous processing-time trigger - at the end of the clock it goes on for later records',
  async (t) => {
    const trigger = continuousProcessingTimeTrigger<Item>(30)
    const script = await WindowScript.open({ assigner: tumbling(100), trigger })
    script.clock(80)
    script.records('a 1@10')
    t.same(script.clock(99), ['a 0-100: 1', 'a 0-100: 1'], 'at 90, and at 99 in case that was the end')
    t.same(script.clock(150), [])
    script.records('a 2@20')
    t.same(script.clock(180), ['a 0-100: 1 2'])
  },
)

t.test(
  'delta trigger - fires when a record is further from the last that fired than the threshold',
  async (t) => {
    const trigger = deltaTrigger<Item>(5, (previous, { value }) => value - previous.value)
    const script = await WindowScript.open({ assigner: globalWindow(), trigger })
    t.same(script.records('a 10, a 12, a 15'), [], 'the first is where it begins')
    await script.restore()
    t.same(script.records('a 16'), [`a ${ALL}: 10 12 15 16`])
    t.same(script.records('a 21'), [])
    t.same(script.records('a 22').length, 1)
  },
)

t.test('end of stream trigger - fires when the input ends', async (t) => {
  const script = await WindowScript.open({ assigner: endOfStreamWindow() })
  script.records('a 1, b 2, a 3')
  await script.restore()
  t.same(script.watermark(1_000_000), [])
  t.same(script.watermark(MAX_TIMESTAMP).sort(), [`a ${ALL}: 1 3`, `b ${ALL}: 2`])
})

t.test('or end of stream - what the clock has not fired yet fires when the input ends, once', async (t) => {
  const script = await WindowScript.open({
    assigner: tumblingProcessingTime(10),
    trigger: orEndOfStream(processingTimeTrigger()),
  })
  script.clock(2)
  script.records('a 1')
  t.same(script.clock(10), ['a 0-10: 1'], 'as before')
  script.records('a 2, b 3')
  t.same(script.watermark(1_000_000), [])
  await script.restore()
  t.same(script.watermark(MAX_TIMESTAMP).sort(), ['a 10-20: 2', 'b 10-20: 3'])
  t.same(script.clock(20), [])
})

t.test(
  'processing time trigger - a window fires with all its records, and again with those after it was purged',
  async (t) => {
    const trigger = orEndOfStream(processingTimeTrigger<Item>())
    const script = await WindowScript.open({ assigner: tumblingProcessingTime(10), trigger })
    script.records('a 1, a 2, a 3')
    await script.restore()
    script.records('a 4')
    t.same(script.watermark(MAX_TIMESTAMP), ['a 0-10: 1 2 3 4'])
    script.records('a 5, a 6')
    t.same(script.clock(10), ['a 0-10: 5 6'])
    t.equal(script.stateSize, 0)
  },
)

t.test('processing time trigger - one made from it is told of each record', async (t) => {
  const trigger: Trigger<Item> = { ...processingTimeTrigger<Item>(), name: 'each', onElement: () => FIRE }
  for (const each of [trigger, orEndOfStream(trigger)]) {
    const script = await WindowScript.open({ assigner: tumblingProcessingTime(10), trigger: each })
    t.same(script.records('a 1, a 2'), ['a 0-10: 1', 'a 0-10: 1 2'])
  }
})

t.test('or end of stream - sessions that merge fire as one', async (t) => {
  const script = await WindowScript.open({
    assigner: sessionProcessingTime(10),
    trigger: orEndOfStream(processingTimeTrigger()),
  })
  script.records('a 1')
  script.clock(5)
  script.records('a 2')
  t.same(script.watermark(MAX_TIMESTAMP), ['a 0-15: 1 2'])
})

t.test('never trigger - never fires', async (t) => {
  const script = await WindowScript.open({ assigner: tumbling(10), trigger: continueForever() })
  script.records('a 1@5')
  script.clock(100)
  t.same(script.watermark(MAX_TIMESTAMP), [])
})

t.test('triggers - those of one time do nothing in the other', async (t) => {
  const rows: [Trigger<Item>, boolean][] = [
    [eventTimeTrigger(), false],
    [processingTimeTrigger(), true],
  ]
  for (const [trigger, isByClock] of rows) {
    const script = await WindowScript.open({ assigner: globalWindow(), trigger })
    script.records('a 1@5')
    t.same(script.clock(1_000_000), [])
    t.equal(script.watermark(MAX_TIMESTAMP).length, isByClock ? 0 : 1, trigger.name)
  }
})

t.test('triggers - say what they are, for the fingerprint of a job', async (t) => {
  const triggers = [
    eventTimeTrigger(),
    processingTimeTrigger(),
    countTrigger(1),
    countTrigger(2),
    purging(countTrigger(2)),
    continuousEventTimeTrigger(2),
    continuousProcessingTimeTrigger(2),
    deltaTrigger(2, () => 0),
    endOfStreamTrigger(),
    orEndOfStream(processingTimeTrigger()),
    continueForever(),
  ]
  t.equal(new Set(triggers.map(({ name }) => name)).size, triggers.length)
})

t.test('triggers - those that cannot merge say so, purging or not', async (t) => {
  t.equal(deltaTrigger(1, () => 0).onMerge, undefined)
  t.equal(purging(deltaTrigger(1, () => 0)).onMerge, undefined)
  t.type(purging(countTrigger(1)).onMerge, 'function')
  t.equal(orEndOfStream(deltaTrigger(1, () => 0)).onMerge, undefined)
})

t.test('triggers - counts and intervals that make no sense are refused', async (t) => {
  for (const count of [0, -1, 1.5]) t.throws(() => countTrigger(count), { code: 'GRAPH_INVALID' })
  t.throws(() => continuousEventTimeTrigger(0), { code: 'GRAPH_INVALID' })
  t.throws(() => continuousProcessingTimeTrigger('-1s'), { code: 'GRAPH_INVALID' })
})
