/** The operator of sessions against the general one; what they come to is tested in window-operator-batch.test.ts. */
import fc from 'fast-check'
import t from 'tap'
import { outputTag } from '../../../lib/function/output-tag.ts'
import { SessionWindowOperator } from '../../../lib/operator/session-window-operator.ts'
import type { StreamOperator } from '../../../lib/operator/stream-operator.ts'
import { foldedContents } from '../../../lib/operator/window-contents.ts'
import { WindowOperator } from '../../../lib/operator/window-operator.ts'
import { OperatorHarness } from '../../../lib/testing/operator-harness.ts'
import { session, type WindowAssigner } from '../../../lib/window/window-assigner.ts'
import { runs } from '../types/schema-arbitrary.ts'
import { brief } from './brief.ts'
import {
  type Outputs,
  play,
  type Reading,
  type Result,
  sorted,
  streams,
  totallingFolding,
} from './window-streams.ts'

const late = outputTag<Reading>('late')

const fast =
  (assigner: WindowAssigner<Reading>, lateTag: typeof late | null = late) =>
  () =>
    new SessionWindowOperator({ assigner, folding: totallingFolding(), lateTag })

const general = (assigner: WindowAssigner<Reading>) => (): StreamOperator<Result> =>
  new WindowOperator({
    assigner,
    trigger: assigner.defaultTrigger(),
    contents: foldedContents(totallingFolding(), null),
    allowedLatenessMs: 0,
    lateTag: late,
  })

/** Within one step what several keys put out may come in any order. */
const steps = (outputs: readonly Outputs[]) => outputs.map((step) => sorted(step).join())

const GAPS: [string, () => WindowAssigner<Reading>][] = [
  ['a fixed gap', () => session<Reading>(7)],
  ['a gap per record', () => session<Reading>(({ value }) => 1 + value)],
]

for (const [name, newAssigner] of GAPS) {
  t.test(`session windows with ${name} - what the window operator gives, late records too`, async (t) => {
    const disorder = { disorderMs: 30, delayMs: 8 }
    for (const isRestoring of [false, true]) {
      const property = fc.asyncProperty(streams({ ...disorder, isRestoring }), async (events) => {
        const [found, expected] = [
          await play(fast(newAssigner()), events),
          await play(general(newAssigner()), events),
        ]
        return steps(found).join('\n') === steps(expected).join('\n')
      })
      await t.resolves(fc.assert(property, runs(80)))
    }
  })
}

const open = (lateTag: typeof late | null = late) =>
  OperatorHarness.open<Result>({
    operator: fast(session<Reading>(10), lateTag),
    keySelectors: [({ key }: Reading) => key] as never,
  })

t.test('session windows - nothing is left when all are through, and late records are counted', async (t) => {
  const harness = await open(null)
  for (const [key, timestamp] of [
    ['a', 0],
    ['b', 3],
    ['a', 9],
    ['a', 40],
    ['a', 25],
    ['a', 33],
  ] as const)
    harness.element({ key, value: 1 }, timestamp)
  t.equal(harness.keyed!.size, 2 + 4, 'two keys with sessions, and their timers')
  harness.watermark(18)
  t.same(
    brief(harness.takeOutput()).map((result) => (result as Result).end ?? result),
    [13, 19, 18],
  )
  harness.element({ key: 'a', value: 1 }, 5)
  t.equal(harness.metrics.read().late_records_dropped_total, 1)
  harness.watermark(100)
  t.equal(brief(harness.takeOutput()).length, 2)
  t.equal(harness.keyed!.size, 0)
})

t.test('session windows - a record needs a timestamp', async (t) => {
  const harness = await open()
  t.throws(() => harness.element({ key: 'a', value: 1 }), { code: 'TIMESTAMP_MISSING' })
  t.throws(() => harness.element({ key: 'a', value: 1 }, 1.5), { code: 'TIMESTAMP_INVALID' })
})
