import fc from 'fast-check'
import t from 'tap'
import { KeyContext } from '../../../lib/state/key-context.ts'
import { HeapTimerTable, type Timer } from '../../../lib/state/timer-table.ts'
import { TimerService } from '../../../lib/time/timer-service.ts'
import { MAX_TIMESTAMP, MIN_TIMESTAMP } from '../../../lib/time/timestamp.ts'
import { runs } from '../types/schema-arbitrary.ts'

/** A clock set by hand that calls what is due, in order. */
class Wall {
  nowMs = 0
  #calls: { readonly timestamp: number; readonly callback: () => void }[] = []

  now(): number {
    return this.nowMs
  }

  callAt(timestamp: number, callback: () => void): { cancel(): void } {
    const call = { timestamp, callback }
    this.#calls.push(call)
    return {
      cancel: () => {
        this.#calls = this.#calls.filter((other) => other !== call)
      },
    }
  }

  get callCount(): number {
    return this.#calls.length
  }

  set(nowMs: number): void {
    this.nowMs = nowMs
    for (;;) {
      const due = this.#calls
        .filter(({ timestamp }) => timestamp <= nowMs)
        .sort((a, b) => a.timestamp - b.timestamp)[0]
      if (due === undefined) return
      this.#calls = this.#calls.filter((other) => other !== due)
      due.callback()
    }
  }
}

interface Timers {
  readonly service: TimerService
  readonly wall: Wall
  readonly keys: KeyContext
  readonly eventTable: HeapTimerTable
  /** What has fired, as `key@timestamp` with the namespace if there is one. */
  readonly fired: string[]
  onTimer: (timer: Timer) => void
  shouldPause: () => boolean
}

function newTimers(): Timers {
  const keys = new KeyContext(128)
  const [eventTable, processingTable] = [new HeapTimerTable(keys), new HeapTimerTable(keys)]
  const wall = new Wall()
  const fired: string[] = []
  const note = (timer: Timer) => {
    const namespace = timer.sub === undefined ? '' : ` in ${String(timer.sub)}`
    fired.push(`${String(keys.key)}@${timer.timestamp}${namespace}`)
    timers.onTimer(timer)
  }
  const callbacks = { onEventTimer: note, onProcessingTimer: note }
  const service = new TimerService(eventTable, processingTable, wall, callbacks, () => timers.shouldPause())
  const timers: Timers = {
    service,
    wall,
    keys,
    eventTable,
    fired,
    onTimer: () => {},
    shouldPause: () => false,
  }
  return timers
}

t.test('timers - fire by time, however they were registered, and each key has its own', async (t) => {
  const { service, keys, fired } = newTimers()
  for (const [key, timestamp] of [
    ['a', 30],
    ['b', 10],
    ['a', 20],
    ['c', 5],
    ['b', 20],
  ] as const) {
    keys.set(key, -1)
    service.registerEventTimer(timestamp, undefined)
  }
  t.equal(service.eventTimerCount, 5)
  t.equal(service.advanceWatermark(20), true)
  t.same(fired, ['c@5', 'b@10', 'a@20', 'b@20'])
  t.equal(service.watermark, 20)
  t.equal(service.eventTimerCount, 1)
})

t.test('timers - registering twice is registering once, in each namespace', async (t) => {
  const { service, keys, fired } = newTimers()
  keys.set('a', -1)
  for (const namespace of [undefined, undefined, 1, 1, 'x', undefined])
    service.registerEventTimer(5, namespace)
  t.equal(service.eventTimerCount, 3)
  service.advanceWatermark(5)
  t.same(fired, ['a@5', 'a@5 in 1', 'a@5 in x'])
})

t.test('timers - deleting concerns the current key, time and namespace only', async (t) => {
  const { service, keys, fired } = newTimers()
  for (const key of ['a', 'b']) {
    keys.set(key, -1)
    for (const timestamp of [5, 6])
      for (const namespace of [undefined, 1]) service.registerEventTimer(timestamp, namespace)
  }
  keys.set('a', -1)
  service.deleteEventTimer(5, 1)
  service.deleteEventTimer(5, 1)
  service.deleteEventTimer(7, undefined)
  service.deleteProcessingTimer(6, undefined)
  service.advanceWatermark(9)
  t.same(fired, ['a@5', 'b@5', 'b@5 in 1', 'a@6', 'b@6', 'a@6 in 1', 'b@6 in 1'])
})

t.test('timers - one deleted while another fires does not fire', async (t) => {
  const timers = newTimers()
  const { service, keys, fired } = timers
  keys.set('a', -1)
  for (const timestamp of [1, 2, 3]) service.registerEventTimer(timestamp, undefined)
  keys.set('b', -1)
  service.registerEventTimer(1, undefined)
  timers.onTimer = ({ timestamp }) => {
    if (timestamp === 1) service.deleteEventTimer(2, undefined)
    keys.set('b', -1)
    service.deleteEventTimer(1, undefined)
  }
  service.advanceWatermark(9)
  t.same(fired, ['a@1', 'a@3'])
})

t.test('timers - what is registered while firing and due fires in the same pass, in its turn', async (t) => {
  const timers = newTimers()
  const { service, keys, fired } = timers
  keys.set('a', -1)
  service.registerEventTimer(10, undefined)
  keys.set('b', -1)
  for (const timestamp of [10, 20]) service.registerEventTimer(timestamp, undefined)
  timers.onTimer = () => {
    if (fired.length > 1) return
    for (const more of [5, 10, 15, 99]) service.registerEventTimer(more, undefined)
  }
  service.advanceWatermark(50)
  t.same(fired.slice(0, 2), ['a@10', 'a@5'], 'the earlier one comes at once')
  t.same([...fired].sort(), ['a@10', 'a@10', 'a@15', 'a@5', 'b@10', 'b@20'])
  t.equal(service.eventTimerCount, 1)
})

t.test('timers - an earlier one that is registered while firing comes before other namespaces', async (t) => {
  const timers = newTimers()
  const { service, keys, fired } = timers
  keys.set('a', -1)
  for (const namespace of [1, 2]) service.registerEventTimer(10, namespace)
  timers.onTimer = () => {
    if (fired.length === 1) service.registerEventTimer(5, 3)
  }
  service.advanceWatermark(50)
  t.same(fired, ['a@10 in 1', 'a@5 in 3', 'a@10 in 2'])
})

t.test('timers - the watermark has moved before the first of them fires', async (t) => {
  const timers = newTimers()
  const { service, keys } = timers
  t.equal(service.watermark, MIN_TIMESTAMP)
  keys.set('a', -1)
  service.registerEventTimer(5, undefined)
  let seen = 0
  timers.onTimer = () => {
    seen = service.watermark
  }
  service.advanceWatermark(50)
  t.equal(seen, 50)
  service.advanceWatermark(40)
  t.equal(service.watermark, 50, 'and it does not go back')
})

t.test('timers - one in the past waits for the next watermark', async (t) => {
  const { service, keys, fired } = newTimers()
  service.advanceWatermark(100)
  keys.set('a', -1)
  service.registerEventTimer(50, undefined)
  t.same(fired, [])
  service.advanceWatermark(101)
  t.same(fired, ['a@50'])
})

t.test('timers - the end of time is a time', async (t) => {
  const { service, keys, fired } = newTimers()
  keys.set('a', -1)
  service.registerEventTimer(MAX_TIMESTAMP, undefined)
  service.advanceWatermark(Number.MAX_SAFE_INTEGER)
  t.same(fired, [])
  service.advanceWatermark(MAX_TIMESTAMP)
  t.same(fired, ['a@Infinity'])
})

t.test('timers - times that are none are refused', async (t) => {
  const { service, keys } = newTimers()
  keys.set('a', -1)
  for (const timestamp of [Number.NaN, 1.5, MIN_TIMESTAMP]) {
    t.throws(() => service.registerEventTimer(timestamp, undefined), { code: 'TIMESTAMP_INVALID' })
    t.throws(() => service.registerProcessingTimer(timestamp, undefined), { code: 'TIMESTAMP_INVALID' })
  }
})

t.test('timers - a burst pauses when it is told to, and goes on where it stopped', async (t) => {
  const timers = newTimers()
  const { service, keys, fired } = timers
  const count = 500
  for (let key = 0; key < count; key++) {
    keys.set(key, -1)
    service.registerEventTimer(key % 3, undefined)
  }
  let pauses = 0
  timers.shouldPause = () => true
  while (!service.advanceWatermark(9)) {
    pauses++
    t.ok(fired.length <= pauses * 64, 'not much is done at once')
  }
  t.ok(pauses >= Math.floor(count / 64))
  const times = fired.map((each) => Number(each.split('@')[1]))
  t.equal(fired.length, count)
  t.equal(new Set(fired).size, count)
  t.same(times, [...times].sort(), 'in order')
})

t.test('timers - processing time: one call is booked, for the earliest', async (t) => {
  const { service, keys, wall, fired } = newTimers()
  keys.set('a', -1)
  for (const timestamp of [30, 10, 20]) service.registerProcessingTimer(timestamp, undefined)
  t.equal(wall.callCount, 1)
  wall.set(9)
  t.same(fired, [])
  wall.set(25)
  t.same(fired, ['a@10', 'a@20'])
  t.equal(wall.callCount, 1)
  wall.set(30)
  t.same(fired, ['a@10', 'a@20', 'a@30'])
  t.equal(wall.callCount, 0)
})

t.test('timers - processing time: what is registered while firing is not forgotten', async (t) => {
  const timers = newTimers()
  const { service, keys, wall, fired } = timers
  keys.set('a', -1)
  service.registerProcessingTimer(10, undefined)
  timers.onTimer = ({ timestamp }) => {
    if (timestamp < 40) service.registerProcessingTimer(timestamp + 10, undefined)
  }
  wall.set(25)
  t.same(fired, ['a@10', 'a@20'])
  wall.set(100)
  t.same(fired, ['a@10', 'a@20', 'a@30', 'a@40'])
  t.equal(wall.callCount, 0)
})

t.test('timers - processing time: a paused burst is gone on with, a deleted timer is not', async (t) => {
  const timers = newTimers()
  const { service, keys, wall, fired } = timers
  for (let key = 0; key < 200; key++) {
    keys.set(key, -1)
    service.registerProcessingTimer(1, undefined)
  }
  keys.set(7, -1)
  service.deleteProcessingTimer(1, undefined)
  timers.shouldPause = () => true
  wall.set(1)
  t.equal(fired.length, 199)
  t.notOk(fired.includes('7@1'))
})

t.test('timers - after close nothing fires', async (t) => {
  const { service, keys, wall, fired } = newTimers()
  keys.set('a', -1)
  service.registerProcessingTimer(10, undefined)
  service.close()
  t.equal(wall.callCount, 0)
  wall.set(10)
  t.same(fired, [])
})

type Step =
  | {
      readonly kind: 'register' | 'delete'
      readonly key: string
      readonly timestamp: number
      readonly namespace: number
    }
  | { readonly kind: 'advance'; readonly timestamp: number }

const timestamp = fc.integer({ min: 0, max: 15 })
const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    {
      weight: 4,
      arbitrary: fc.record({
        kind: fc.constantFrom('register' as const, 'delete' as const),
        key: fc.constantFrom('a', 'b', 'c'),
        timestamp,
        namespace: fc.nat(1),
      }),
    },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('advance' as const), timestamp }) },
  ),
  { maxLength: 80, size: 'max' },
)

t.test('timers - are a set that watermarks take the due part of, pausing or not', async (t) => {
  const property = fc.property(steps, fc.boolean(), (sequence, isPausing) => {
    const timers = newTimers()
    const { service, keys, fired, eventTable } = timers
    timers.shouldPause = () => isPausing
    const model = new Map<string, number>()
    for (const step of sequence) {
      if (step.kind === 'advance') {
        fired.length = 0
        while (!service.advanceWatermark(step.timestamp));
        const due = [...model].filter(([, at]) => at <= step.timestamp)
        for (const [id] of due) model.delete(id)
        const times = fired.map((each) => Number(/@(\d+)/.exec(each)![1]))
        if (times.join() !== [...times].sort((a, b) => a - b).join()) return false
        if (
          [...fired].sort().join() !==
          due
            .map(([id]) => id)
            .sort()
            .join()
        )
          return false
        continue
      }
      const id = `${step.key}@${step.timestamp} in ${step.namespace}`
      keys.set(step.key, -1)
      if (step.kind === 'register') service.registerEventTimer(step.timestamp, step.namespace)
      else service.deleteEventTimer(step.timestamp, step.namespace)
      if (step.kind === 'register') model.set(id, step.timestamp)
      else model.delete(id)
      const next = model.size === 0 ? MAX_TIMESTAMP : Math.min(...model.values())
      if (eventTable.nextTimestamp() !== next || eventTable.size !== model.size) return false
    }
    return true
  })
  t.doesNotThrow(() => fc.assert(property, runs(300)))
})
