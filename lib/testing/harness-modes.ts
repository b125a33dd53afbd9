/**
 * One test of an operator, run in several ways that must not make a difference. After Hazelcast Jet's TestSupport.
 *
 *     await verifyInModes((orders: DataStream<Order>) => orders.keyBy(customerOf).process(new Reminder()), {
 *       steps: [record({ customer: 'ann', amount: 3 }, 1000), watermark(5000)],
 *       expect: ['remind ann'],
 *     })
 *
 * A function that keeps a field which ought to be state, or counts on the order of arrival within a batch, or has a
 * type that its state does not survive, passes in one of them and fails in another.
 */
import { AssertionError } from 'node:assert'
import { inspect, isDeepStrictEqual } from 'node:util'
import type { Duration } from '../base/units.ts'
import type { OutputTag } from '../function/output-tag.ts'
import {
  type HarnessBuild,
  type HarnessInput,
  openHarness,
  type StreamHarness,
  type StreamHarnessOptions,
} from './stream-harness.ts'

/**
 * `one-at-a-time`: as it says. `all-at-once`: records between two other steps come in one batch. `restored`: after each
 * step the operators are closed, and new ones go on from a snapshot. `rescaled`: as `restored`, and each time there are
 * one, two or three subtasks. `pausing`: bursts of timers pause as often as they may.
 */
export type HarnessMode = (typeof HARNESS_MODES)[number]

export const HARNESS_MODES = ['one-at-a-time', 'all-at-once', 'restored', 'rescaled', 'pausing'] as const

export type HarnessStep =
  | {
      readonly kind: 'record'
      readonly value: unknown
      readonly timestamp: number | undefined
      readonly input: number
    }
  | { readonly kind: 'watermark'; readonly timestamp: number; readonly input: number | null }
  | { readonly kind: 'advance'; readonly duration: Duration }

/** A record arrives; `input` counts from 0. */
export function record(value: unknown, timestamp?: number, input = 0): HarnessStep {
  return { kind: 'record', value, timestamp, input }
}

/** Event time moves, at one input or at all. */
export function watermark(timestamp: number, input: number | null = null): HarnessStep {
  return { kind: 'watermark', timestamp, input }
}

/** The clock moves on. */
export function advance(duration: Duration): HarnessStep {
  return { kind: 'advance', duration }
}

/** What goes to a side output. */
export interface ExpectedSide {
  readonly tag: OutputTag<unknown>
  readonly values: readonly unknown[]
}

/** All values that go to a side output. */
export function side<S>(tag: OutputTag<S>, values: readonly S[]): ExpectedSide {
  return { tag: tag as OutputTag<unknown>, values }
}

export interface ModesTest<I extends readonly unknown[], O> {
  /** What happens, in order. The inputs end after the last step. */
  readonly steps: readonly HarnessStep[]
  /** All values that come out. */
  readonly expect: readonly O[]
  /** Default: side outputs are not looked at. */
  readonly sides?: readonly ExpectedSide[]
  /** Whether the order of values matters, which between keys nothing promises. Default false. */
  readonly isOrdered?: boolean
  /** Default: all of them. */
  readonly modes?: readonly HarnessMode[]
  readonly options?: Pick<StreamHarnessOptions<I>, 'types' | 'maxParallelism' | 'processingTime'>
}

/** Throws an AssertionError that names the mode, if what comes out is not what is expected in one of them. */
export async function verifyInModes<I extends readonly unknown[], O>(
  build: HarnessBuild<I, O>,
  test: ModesTest<I, O>,
): Promise<void> {
  for (const mode of test.modes ?? HARNESS_MODES) {
    const run = new ModeRun(build, test, mode)
    await run.play()
    check(mode, 'output', run.values, test.expect, test.isOrdered ?? false)
    for (const { tag, values } of test.sides ?? []) {
      check(mode, `side output "${tag.id}"`, run.sides.get(tag.id) ?? [], values, test.isOrdered ?? false)
    }
  }
}

class ModeRun<I extends readonly unknown[], O> {
  readonly values: O[] = []
  readonly sides = new Map<string, unknown[]>()
  readonly #build: HarnessBuild<I, O>
  readonly #test: ModesTest<I, O>
  readonly #mode: HarnessMode
  #subtasks: StreamHarness<I, O>[] = []
  /** Per input, how far event time has come: upstream tells restored operators, as it does in a job. */
  readonly #watermarks = new Map<number, number>()

  constructor(build: HarnessBuild<I, O>, test: ModesTest<I, O>, mode: HarnessMode) {
    this.#build = build
    this.#test = test
    this.#mode = mode
  }

  async play(): Promise<void> {
    this.#subtasks = [await openHarness(this.#build, this.#options())]
    let restores = 0
    for (const steps of this.#grouped()) {
      for (const subtask of this.#subtasks) await this.#carryOut(steps, subtask)
      if (this.#mode === 'restored') await this.#restore(1)
      if (this.#mode === 'rescaled') await this.#restore((++restores % 3) + 1)
    }
    for (const subtask of this.#subtasks) {
      await subtask.end()
      this.#collect(subtask)
      await subtask.close()
    }
  }

  #options(): StreamHarnessOptions<I> {
    // Every other time: who pauses has to get on in between.
    let asked = 0
    const shouldPause = () => ++asked % 2 === 0
    return { ...this.#test.options, ...(this.#mode === 'pausing' ? { shouldPause } : {}) }
  }

  /** What comes together: single steps, or all records up to the next step of another kind or input. */
  #grouped(): HarnessStep[][] {
    const groups: HarnessStep[][] = []
    for (const step of this.#test.steps) {
      const last = groups.at(-1)
      const before = last?.[0]
      const isTogether =
        this.#mode === 'all-at-once' &&
        before?.kind === 'record' &&
        step.kind === 'record' &&
        before.input === step.input
      if (isTogether) last!.push(step)
      else groups.push([step])
    }
    return groups
  }

  async #carryOut(steps: readonly HarnessStep[], subtask: StreamHarness<I, O>): Promise<void> {
    const inputs = subtask.inputs as readonly HarnessInput<unknown>[]
    const [step] = steps
    if (step?.kind === 'record') {
      const records = steps.flatMap((each) =>
        each.kind === 'record' ? [[each.value, each.timestamp] as [unknown, number?]] : [],
      )
      inputs[step.input]!.pushAll(records)
    } else if (step?.kind === 'advance') subtask.advance(step.duration)
    else if (step?.kind === 'watermark') {
      const at = step.input === null ? inputs.keys() : [step.input]
      for (const input of at) {
        this.#watermarks.set(input, step.timestamp)
        inputs[input]!.watermark(step.timestamp)
      }
    }
    await subtask.settle()
    this.#collect(subtask)
  }

  async #restore(parallelism: number): Promise<void> {
    const snapshots = []
    const { processingTime } = this.#subtasks[0]!
    for (const subtask of this.#subtasks) {
      snapshots.push(await subtask.snapshot())
      await subtask.close()
    }
    this.#subtasks = []
    for (let subtaskIndex = 0; subtaskIndex < parallelism; subtaskIndex++) {
      const options = { ...this.#options(), restore: snapshots, processingTime, parallelism, subtaskIndex }
      const subtask = await openHarness(this.#build, options)
      const inputs = subtask.inputs as readonly HarnessInput<unknown>[]
      for (const [input, timestamp] of this.#watermarks) inputs[input]!.watermark(timestamp)
      this.#subtasks.push(subtask)
    }
  }

  #collect(subtask: StreamHarness<I, O>): void {
    this.values.push(...subtask.values())
    for (const { tag } of this.#test.sides ?? []) {
      this.sides.set(tag.id, [...(this.sides.get(tag.id) ?? []), ...subtask.side(tag)])
    }
  }
}

function check(
  mode: HarnessMode,
  what: string,
  actual: readonly unknown[],
  expected: readonly unknown[],
  isOrdered: boolean,
): void {
  if (isOrdered ? isDeepStrictEqual(actual, expected) : isSameInAnyOrder(actual, expected)) return
  const message = `mode ${mode}: ${what} is ${inspect(actual)}, expected ${inspect(expected)}`
  throw new AssertionError({ message, actual, expected, operator: 'deepStrictEqual' })
}

function isSameInAnyOrder(actual: readonly unknown[], expected: readonly unknown[]): boolean {
  const left = [...expected]
  for (const value of actual) {
    const index = left.findIndex((other) => isDeepStrictEqual(other, value))
    if (index < 0) return false
    left.splice(index, 1)
  }
  return left.length === 0
}
