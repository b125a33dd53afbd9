/**
 * Random streams for window operators, and what is needed to play them: keyed records in disorder, watermarks that
 * trail them, snapshots to go on from.
 */
import fc from 'fast-check'
import type { AggregateFunction } from '../../../lib/function/functions.ts'
import type { StreamOperator } from '../../../lib/operator/stream-operator.ts'
import { aggregateFolding, type Folding } from '../../../lib/operator/window-contents.ts'
import { type HarnessOutput, OperatorHarness } from '../../../lib/testing/operator-harness.ts'
import { MAX_TIMESTAMP, MIN_TIMESTAMP } from '../../../lib/time/timestamp.ts'
import { t } from '../../../lib/types/t.ts'
import type { Infer } from '../../../lib/types/type.ts'

export interface Reading {
  readonly key: string
  readonly value: number
}

export type Event =
  | { readonly kind: 'record'; readonly reading: Reading; readonly timestamp: number }
  | { readonly kind: 'watermark'; readonly timestamp: number }
  | { readonly kind: 'restore' }

/** What windows of readings come to: enough to tell whether each was counted once. */
export interface Result {
  readonly key: string
  readonly start: number
  readonly end: number
  readonly count: number
  readonly sum: number
  readonly least: number
}

const totals = t.object({ count: t.int32, sum: t.int32, least: t.float64 })
type Totals = Infer<typeof totals>

/** Changes its accumulators in place, as users may. */
export const totalling: AggregateFunction<Reading, Totals, Result> = {
  accumulatorType: totals,
  createAccumulator: () => ({ count: 0, sum: 0, least: Number.POSITIVE_INFINITY }),
  add: ({ value }, accumulator) => merged(accumulator, { count: 1, sum: value, least: value }),
  getResult: ({ count, sum, least }, { key, start, end }) => ({
    key: String(key),
    start,
    end,
    count,
    sum,
    least,
  }),
  merge: merged,
}

function merged(a: Totals, b: Totals): Totals {
  a.count += b.count
  a.sum += b.sum
  a.least = Math.min(a.least, b.least)
  return a
}

export const totallingFolding = (): Folding<Reading, Totals, Result> => aggregateFolding(totalling, totals)

export function resultOf(key: string, start: number, end: number, readings: readonly Reading[]): Result {
  const values = readings.map(({ value }) => value)
  const sum = values.reduce((a, b) => a + b, 0)
  return { key, start, end, count: values.length, sum, least: Math.min(...values) }
}

export interface StreamOptions {
  /** How far records may be behind the newest one. */
  readonly disorderMs: number
  /** How far watermarks are behind the newest record; less than the disorder makes some records late. */
  readonly delayMs: number
  readonly isRestoring?: boolean
}

/** Streams that end with the last watermark of all. */
export function streams({ disorderMs, delayMs, isRestoring = false }: StreamOptions): fc.Arbitrary<Event[]> {
  const draw = fc.record({
    key: fc.constantFrom('a', 'b', 'c'),
    value: fc.nat(9),
    step: fc.nat(12),
    behind: fc.oneof(fc.constant(0), fc.nat(disorderMs)),
    isWatermark: fc.boolean(),
    isRestore: isRestoring ? fc.nat(9).map((n) => n === 0) : fc.constant(false),
  })
  return fc.array(draw, { maxLength: 60, size: 'max' }).map((draws) => {
    const events: Event[] = []
    let newest = -50
    let watermark = MIN_TIMESTAMP
    for (const { key, value, step, behind, isWatermark, isRestore } of draws) {
      newest += step
      events.push({ kind: 'record', reading: { key, value }, timestamp: newest - behind })
      if (isWatermark && newest - delayMs - 1 > watermark) {
        watermark = newest - delayMs - 1
        events.push({ kind: 'watermark', timestamp: watermark })
      }
      if (isRestore) events.push({ kind: 'restore' })
    }
    return [...events, { kind: 'watermark', timestamp: MAX_TIMESTAMP }]
  })
}

export type Outputs = readonly HarnessOutput<Result>[]

export interface PlayOptions {
  readonly shouldPause?: () => boolean
  /** Whether a restored operator is told the watermark there was, as a task tells it. */
  readonly isWatermarkRestored?: boolean
}

/** What an operator puts out, event by event. */
export async function play(
  newOperator: () => StreamOperator<Result>,
  events: readonly Event[],
  { shouldPause = () => false, isWatermarkRestored = true }: PlayOptions = {},
): Promise<Outputs[]> {
  const options = { operator: newOperator, keySelectors: [({ key }: Reading) => key] as never, shouldPause }
  let harness = await OperatorHarness.open<Result>(options)
  let watermark = MIN_TIMESTAMP
  const outputs: Outputs[] = []
  for (const event of events) {
    if (event.kind === 'record') harness.element(event.reading, event.timestamp)
    else if (event.kind === 'watermark') {
      watermark = event.timestamp
      harness.watermark(watermark)
    } else {
      const restore = await harness.snapshot()
      await harness.close()
      harness = await OperatorHarness.open<Result>({ ...options, restore })
      if (isWatermarkRestored) harness.watermark(watermark)
      const repeated = harness.takeOutput().filter(({ kind }) => kind !== 'watermark')
      outputs.push(repeated)
      continue
    }
    outputs.push(harness.takeOutput())
  }
  await harness.close()
  return outputs
}

/** The results among outputs, each with the timestamp it must have. */
export function resultsOf(outputs: Outputs): Result[] {
  return outputs.flatMap((output) => {
    if (output.kind !== 'record') return []
    if (output.timestamp !== output.value.end - 1)
      throw new Error(`result with timestamp ${output.timestamp}`)
    return [output.value]
  })
}

export const recordsOf = (events: readonly Event[]) =>
  events.flatMap((event) => (event.kind === 'record' ? [event] : []))

/** In an order of its own, to compare what came in different ones. */
export function sorted(results: readonly unknown[]): string[] {
  return results.map((result) => JSON.stringify(result)).sort()
}
