/**
 * Windows against a batch computation that has all records at hand: over streams whose watermarks never make a record
 * late, every window comes once, complete, when the watermark passes its end.
 */
import fc from 'fast-check'
import t from 'tap'
import { SessionWindowOperator } from '../../../lib/operator/session-window-operator.ts'
import { SliceWindowOperator } from '../../../lib/operator/slice-window-operator.ts'
import type { StreamOperator } from '../../../lib/operator/stream-operator.ts'
import type { WindowContents } from '../../../lib/operator/window-contents.ts'
import { bufferedContents, evictingContents, foldedContents } from '../../../lib/operator/window-contents.ts'
import { WindowOperator } from '../../../lib/operator/window-operator.ts'
import { t as types } from '../../../lib/types/t.ts'
import { countEvictor } from '../../../lib/window/evictor.ts'
import {
  type AlignedWindows,
  session,
  sliding,
  tumbling,
  type WindowAssigner,
} from '../../../lib/window/window-assigner.ts'
import { runs } from '../types/schema-arbitrary.ts'
import {
  type Event,
  type Outputs,
  type PlayOptions,
  play,
  type Reading,
  type Result,
  recordsOf,
  resultOf,
  resultsOf,
  sorted,
  streams,
  totallingFolding,
} from './window-streams.ts'

const reading = types.object({ key: types.string, value: types.int32 })

type Contents = WindowContents<Reading, never, Result>

const folded = () => foldedContents(totallingFolding(), null) as unknown as Contents

const process = {
  process: (
    key: unknown,
    { window }: { window: { start: number; end: number } },
    elements: Iterable<Reading>,
    out: { collect(result: Result): void },
  ) => out.collect(resultOf(String(key), window.start, window.end, [...elements])),
}

const buffered = () => bufferedContents<Reading, Result>(reading, process as never) as unknown as Contents
/** Keeps all records there can be. */
const evicting = () =>
  evictingContents<Reading, Result>(reading, countEvictor(1000), {
    kind: 'process',
    process: process as never,
  }) as unknown as Contents
const foldedAndProcessed = () =>
  foldedContents(totallingFolding(), {
    process: (key, { window }, [result], out) =>
      out.collect({ ...(result as Result), key: String(key), ...bounds(window) }),
  }) as unknown as Contents

const bounds = ({ start, end }: { start: number; end: number }) => ({ start, end })

function general(assigner: WindowAssigner<Reading>, newContents: () => Contents) {
  return (): StreamOperator<Result> =>
    new WindowOperator({
      assigner,
      trigger: assigner.defaultTrigger(),
      contents: newContents(),
      allowedLatenessMs: 0,
      lateTag: null,
    })
}

function sliced(assigner: AlignedWindows<Reading>) {
  return (): StreamOperator<Result> =>
    new SliceWindowOperator({ assigner, folding: totallingFolding(), allowedLatenessMs: 0, lateTag: null })
}

function sessioned(assigner: WindowAssigner<Reading>) {
  return (): StreamOperator<Result> =>
    new SessionWindowOperator({ assigner, folding: totallingFolding(), lateTag: null })
}

type Batch = (records: ReturnType<typeof recordsOf>) => Result[]

/** All windows of size and slide that hold a record, by trying every one near it. */
function grid(size: number, slide: number, offset = 0): Batch {
  return (records) => {
    const windows = new Map<string, { key: string; start: number; readings: Reading[] }>()
    for (const { reading, timestamp } of records) {
      for (let start = timestamp - size + 1; start <= timestamp; start++) {
        if ((start - offset) % slide !== 0) continue
        const id = `${reading.key} ${start}`
        const window = windows.get(id) ?? { key: reading.key, start, readings: [] }
        window.readings.push(reading)
        windows.set(id, window)
      }
    }
    return [...windows.values()].map(({ key, start, readings }) =>
      resultOf(key, start, start + size, readings),
    )
  }
}

/** Records of a key by time, cut where the next one comes later than the gap. */
function sessions(gap: number): Batch {
  return (records) => {
    const results: Result[] = []
    for (const key of new Set(records.map(({ reading }) => reading.key))) {
      const own = records
        .filter(({ reading }) => reading.key === key)
        .sort((a, b) => a.timestamp - b.timestamp)
      let first = 0
      own.forEach(({ timestamp }, i) => {
        if (own[i + 1] !== undefined && own[i + 1]!.timestamp <= timestamp + gap) return
        const members = own.slice(first, i + 1)
        const readings = members.map(({ reading }) => reading)
        results.push(resultOf(key, members[0]!.timestamp, timestamp + gap, readings))
        first = i + 1
      })
    }
    return results
  }
}

/** Whether the results are those of the batch, and each came with the first watermark at or after its last ms. */
function isComplete(events: readonly Event[], outputs: readonly Outputs[], batch: Batch): boolean {
  let before = Number.NEGATIVE_INFINITY
  for (const [i, event] of events.entries()) {
    const results = resultsOf(outputs[i]!)
    if (event.kind !== 'watermark') {
      if (results.length > 0) return false
      continue
    }
    const times = results.map(({ end }) => end - 1)
    if (times.some((time) => time <= before || time > event.timestamp)) return false
    if (times.join() !== [...times].sort((a, b) => a - b).join()) return false
    before = event.timestamp
  }
  return sorted(resultsOf(outputs.flat())).join() === sorted(batch(recordsOf(events))).join()
}

const DISORDER_MS = 20
/**
 * Watermarks say 1 ms less than they could. Sessions that touch are one, but the first has fired by the time the
 * watermark is 1 ms before the second, which is then a session of its own; that is how it is in Flink, too.
 */
const inOrder = { disorderMs: DISORDER_MS, delayMs: DISORDER_MS + 1 }

function checkAll(name: string, newOperator: () => StreamOperator<Result>, batch: Batch): void {
  const rows: [string, { isRestoring: boolean }, PlayOptions][] = [
    ['', { isRestoring: false }, {}],
    [', gone on with from snapshots', { isRestoring: true }, { isWatermarkRestored: false }],
    [', pausing all the time', { isRestoring: true }, { shouldPause: () => true }],
  ]
  for (const [what, options, playing] of rows) {
    t.test(`windows - ${name} are those of a batch computation${what}`, async (t) => {
      const property = fc.asyncProperty(streams({ ...inOrder, ...options }), async (events) =>
        isComplete(events, await play(newOperator, events, playing), batch),
      )
      await t.resolves(fc.assert(property, runs(60)))
    })
  }
}

checkAll('tumbling, aggregated', general(tumbling(10), folded), grid(10, 10))
checkAll('tumbling, sliced', sliced(tumbling(10, { offset: -3 })), grid(10, 10, -3))
checkAll(
  'sliding, aggregated and processed',
  general(sliding(12, 5, { offset: 2 }), foldedAndProcessed),
  grid(12, 5, 2),
)
checkAll('sliding, buffered', general(sliding(12, 4), buffered), grid(12, 4))
checkAll('sliding, sliced', sliced(sliding(12, 5, { offset: 2 })), grid(12, 5, 2))
checkAll('sliding, sliced into slides', sliced(sliding(12, 4)), grid(12, 4))
checkAll('sliding with gaps between', general(sliding(3, 10), folded), grid(3, 10))
checkAll('sessions, aggregated', general(session(7), folded), sessions(7))
checkAll('sessions, aggregated, by their own operator', sessioned(session(7)), sessions(7))
checkAll('sessions, buffered', general(session(7), buffered), sessions(7))
checkAll('sessions, evicting', general(session(7), evicting), sessions(7))
