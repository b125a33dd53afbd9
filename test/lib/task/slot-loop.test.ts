import t from 'tap'
import { LocalChannel } from '../../../lib/network/local-channel.ts'
import { SlotLoop } from '../../../lib/task/slot-loop.ts'
import type { StepResult, StreamTask } from '../../../lib/task/stream-task.ts'
import { ManualClock } from '../../../lib/testing/manual-clock.ts'
import { TIME } from './chains.ts'
import { HandTask } from './tasks.ts'

/** A clock that also moves while tasks work. */
class WorkClock extends ManualClock {
  #workMs = 0

  override monotonic(): number {
    return super.monotonic() + (this.#workMs ?? 0)
  }

  work(ms: number): void {
    this.#workMs += ms
  }
}

/** A task that has so much to do, and takes so long for each piece. */
class BusyTask {
  readonly #clock: WorkClock
  readonly #msEach: number
  pieces: number
  result: StepResult = 'idle'
  done = 0
  ticks = 0
  dueMs = Number.POSITIVE_INFINITY
  flushedAtMs: number[] = []
  /** Between two turns of the event loop, at most. */
  turns: number[] = []

  constructor(clock: WorkClock, pieces: number, msEach: number) {
    this.#clock = clock
    this.pieces = pieces
    this.#msEach = msEach
  }

  step(deadlineMs: number): StepResult {
    let isFirst = true
    while (this.pieces > 0 && (isFirst || this.#clock.monotonic() < deadlineMs)) {
      isFirst = false
      this.pieces--
      this.done++
      this.#clock.work(this.#msEach)
    }
    return isFirst ? this.result : 'progress'
  }

  flush(nowMs: number): void {
    if (nowMs < this.dueMs) return
    this.dueMs = Number.POSITIVE_INFINITY
    this.flushedAtMs.push(nowMs)
  }

  nextFlushMs(): number {
    return this.dueMs
  }

  tick(): void {
    this.ticks++
  }

  get task(): StreamTask {
    return this as unknown as StreamTask
  }
}

t.test('slot loop - a task with much to do leaves turns to the others', async (t) => {
  const clock = new WorkClock()
  const loop = new SlotLoop(clock)
  const [heavy, light] = [new BusyTask(clock, 10_000, 0.5), new BusyTask(clock, 10, 0.5)]
  loop.add(heavy.task)
  loop.add(light.task)
  let slices = 0
  const watch = () => {
    slices++
    if (light.pieces > 0) clock.defer(watch)
  }
  clock.defer(watch)
  // Slices are deferred, so that mail and I/O get in between.
  await clock.settle()
  t.equal(heavy.pieces, 0)
  t.ok(slices >= 2 && slices <= 20, `the light one was done after ${slices} slices`)
  loop.close()
})

t.test('slot loop - sleeps when there is nothing to do, and is woken', async (t) => {
  const clock = new WorkClock()
  const loop = new SlotLoop(clock)
  const task = new BusyTask(clock, 3, 1)
  loop.add(task.task)
  await clock.settle()
  t.equal(task.done, 3)
  task.pieces = 2
  await clock.settle()
  t.equal(task.done, 3, 'nobody has told it')
  loop.wake()
  loop.wake()
  await clock.settle()
  t.equal(task.done, 5)
  loop.close()
  task.pieces = 1
  loop.wake()
  await clock.settle()
  t.equal(task.done, 5)
})

t.test('slot loop - flushes when the linger is over, in time though the timers come and go', async (t) => {
  const clock = new WorkClock()
  const loop = new SlotLoop(clock)
  const task = new BusyTask(clock, 0, 0)
  loop.add(task.task)
  task.dueMs = 5.1
  loop.wake()
  await clock.advance(5)
  t.same(task.flushedAtMs, [])
  await clock.advance(1)
  t.same(task.flushedAtMs, [5.1])
  task.dueMs = 30
  loop.wake()
  await clock.settle()
  task.dueMs = 10
  loop.wake()
  await clock.advance(20)
  t.same(task.flushedAtMs, [5.1, 10])
  loop.close()
})

t.test('slot loop - a real task is flushed at the end of its linger, whatever the fractions', async (t) => {
  for (const startMs of [0.1, 0.3, 7.7, 1e9 + 0.1]) {
    const clock = new ManualClock()
    const output = new LocalChannel(0, TIME, () => clock.monotonic())
    const { task, operators } = new HandTask({ output, lingerMs: 5 })
    const loop = new SlotLoop(clock)
    await task.open()
    task.start()
    await clock.advance(startMs)
    loop.add(task)
    await clock.settle()
    operators[0]!.emit('x')
    loop.wake()
    await clock.settle()
    await clock.advance(6)
    t.ok(output.hasData, `${startMs}`)
    loop.close()
  }
})

t.test('slot loop - channels are ticked a few times a second', async (t) => {
  const clock = new WorkClock()
  const loop = new SlotLoop(clock)
  const task = new BusyTask(clock, 0, 0)
  loop.add(task.task)
  await clock.advance(1000)
  t.equal(task.ticks, 5)
  loop.remove(task.task)
  await clock.advance(1000)
  t.equal(task.ticks, 5)
  loop.close()
  t.equal(clock.timerCount, 0)
})

t.test('slot loop - the times of a task add up to the time that has passed', async (t) => {
  const clock = new WorkClock()
  const loop = new SlotLoop(clock)
  const task = new BusyTask(clock, 20, 5)
  const other = new BusyTask(clock, 20, 5)
  loop.add(task.task)
  loop.add(other.task)
  await clock.settle()
  t.same(
    loop.timesOf(task.task),
    { busyMs: 200, backPressuredMs: 0, idleMs: 0 },
    'waiting for the turn counts as busy',
  )
  await clock.advance(300)
  task.result = 'blocked'
  loop.wake()
  await clock.settle()
  await clock.advance(100)
  const { busyMs, backPressuredMs, idleMs } = loop.timesOf(task.task)
  t.equal(busyMs + backPressuredMs + idleMs, 600)
  t.same([busyMs, backPressuredMs, idleMs], [200, 100, 300])
  t.same(loop.timesOf(new BusyTask(clock, 0, 0).task), { busyMs: 0, backPressuredMs: 0, idleMs: 0 })
  loop.close()
})
