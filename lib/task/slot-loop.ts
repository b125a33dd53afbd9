/**
 * The event loop's share of a slot: gives its tasks turns, as long as any has work, and lets messages and I/O in
 * between. Everything sleeps when all tasks are idle or blocked; whatever ends that calls `wake`.
 */
import type { Clock, TimerHandle } from '../base/clock.ts'
import type { StepResult, StreamTask } from './stream-task.ts'

/** Work in one go before the event loop gets its turn. */
const SLICE_MS = 2
/** One task's turn within a slice. */
const TURN_MS = 1
/** How often channels are asked to resend, probe and measure. */
const TICK_MS = 200

/** How a task's time was spent, in ms since it was added; Flink's three. The sum is the time that has passed. */
export interface TaskTimes {
  readonly busyMs: number
  readonly backPressuredMs: number
  readonly idleMs: number
}

/** A task and the account of its time. A task that has work but waits for its turn is busy. */
class Member {
  readonly task: StreamTask
  readonly #times = { progress: 0, blocked: 0, idle: 0, ended: 0 }
  #result: StepResult = 'idle'
  #accountedMs: number

  constructor(task: StreamTask, nowMs: number) {
    this.task = task
    this.#accountedMs = nowMs
  }

  /** One turn; true if it got something done. */
  step(nowMs: number, endOf: () => number): boolean {
    this.#account(nowMs)
    this.#result = this.task.step(nowMs + TURN_MS)
    this.#account(endOf())
    return this.#result === 'progress'
  }

  read(nowMs: number): TaskTimes {
    this.#account(nowMs)
    const { progress, blocked, idle, ended } = this.#times
    return { busyMs: progress, backPressuredMs: blocked, idleMs: idle + ended }
  }

  #account(nowMs: number): void {
    this.#times[this.#result] += nowMs - this.#accountedMs
    this.#accountedMs = nowMs
  }
}

export class SlotLoop {
  readonly #clock: Clock
  readonly #nowMs: () => number
  readonly #members: Member[] = []
  #isScheduled = false
  #flushTimer: { readonly atMs: number; readonly handle: TimerHandle } | null = null
  #tickTimer: TimerHandle | null = null
  #isClosed = false

  constructor(clock: Clock) {
    this.#clock = clock
    this.#nowMs = () => clock.monotonic()
  }

  add(task: StreamTask): void {
    this.#members.push(new Member(task, this.#nowMs()))
    if (this.#tickTimer === null) this.#scheduleTick()
    this.wake()
  }

  remove(task: StreamTask): void {
    const index = this.#members.findIndex((member) => member.task === task)
    if (index >= 0) this.#members.splice(index, 1)
  }

  timesOf(task: StreamTask): TaskTimes {
    const member = this.#members.find((each) => each.task === task)
    return member?.read(this.#nowMs()) ?? { busyMs: 0, backPressuredMs: 0, idleMs: 0 }
  }

  /** Some task may have work. */
  wake(): void {
    if (this.#isScheduled || this.#isClosed) return
    this.#isScheduled = true
    this.#clock.defer(() => {
      this.#isScheduled = false
      this.#slice()
    })
  }

  close(): void {
    this.#isClosed = true
    this.#flushTimer?.handle.cancel()
    this.#tickTimer?.cancel()
    this.#members.length = 0
  }

  #slice(): void {
    const startedMs = this.#nowMs()
    let hasProgressed = true
    for (let nowMs = startedMs; hasProgressed && nowMs < startedMs + SLICE_MS; ) {
      hasProgressed = false
      for (const member of [...this.#members]) {
        if (member.step(nowMs, this.#nowMs)) hasProgressed = true
        nowMs = this.#nowMs()
        member.task.flush(nowMs)
      }
    }
    if (hasProgressed) this.wake()
    this.#scheduleFlush()
  }

  #scheduleFlush(): void {
    let atMs = Number.POSITIVE_INFINITY
    for (const { task } of this.#members) atMs = Math.min(atMs, task.nextFlushMs())
    if (this.#isClosed || atMs === Number.POSITIVE_INFINITY) return
    if (this.#flushTimer !== null && this.#flushTimer.atMs <= atMs) return
    this.#flushTimer?.handle.cancel()
    const handle = this.#clock.schedule(Math.max(0, atMs - this.#nowMs()), () => {
      this.#flushTimer = null
      const nowMs = this.#nowMs()
      for (const { task } of this.#members) task.flush(nowMs)
      this.#scheduleFlush()
    })
    this.#flushTimer = { atMs, handle }
  }

  #scheduleTick(): void {
    if (this.#isClosed) return
    this.#tickTimer = this.#clock.schedule(TICK_MS, () => {
      const nowMs = this.#nowMs()
      for (const { task } of this.#members) task.tick(nowMs)
      this.#scheduleTick()
    })
  }
}
