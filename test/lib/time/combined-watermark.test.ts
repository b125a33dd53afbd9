import fc from 'fast-check'
import t from 'tap'
import { CombinedWatermark, type PartialWatermark } from '../../../lib/time/combined-watermark.ts'
import { MIN_TIMESTAMP } from '../../../lib/time/timestamp.ts'
import { runs } from '../types/schema-arbitrary.ts'

t.test('combined watermark - without parts nothing moves', async (t) => {
  const combined = new CombinedWatermark()
  t.equal(combined.update(), false)
  t.equal(combined.watermark, MIN_TIMESTAMP)
  t.equal(combined.isIdle, false)
})

t.test('combined watermark - a part holds back until it has a watermark or is idle', async (t) => {
  const combined = new CombinedWatermark()
  const [a, b] = [combined.add(), combined.add()]
  t.equal(a.advance(5), true)
  t.equal(combined.update(), false)
  b.isIdle = true
  t.equal(combined.update(), true)
  t.equal(combined.watermark, 5)
})

t.test('combined watermark - a watermark makes a part active even if it moves nothing', async (t) => {
  const combined = new CombinedWatermark()
  const part = combined.add()
  part.advance(5)
  part.isIdle = true
  combined.update()
  t.equal(combined.isIdle, true)
  t.equal(part.advance(4), false)
  combined.update()
  t.equal(combined.isIdle, false)
  t.equal(part.watermark, 5)
})

type Step =
  | { readonly kind: 'add' }
  | { readonly kind: 'remove'; readonly part: number }
  | { readonly kind: 'watermark'; readonly part: number; readonly timestamp: number }
  | { readonly kind: 'idle'; readonly part: number; readonly isIdle: boolean }

const part = fc.nat(5)
const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    fc.record({ kind: fc.constant('add' as const) }),
    fc.record({ kind: fc.constant('remove' as const), part }),
    fc.record({ kind: fc.constant('watermark' as const), part, timestamp: fc.integer({ min: -9, max: 9 }) }),
    fc.record({ kind: fc.constant('idle' as const), part, isIdle: fc.boolean() }),
  ),
  { maxLength: 50, size: 'max' },
)

t.test(
  'combined watermark - is the greatest of the minimums over active parts there have been',
  async (t) => {
    const property = fc.property(steps, (sequence) => {
      const combined = new CombinedWatermark()
      const parts: PartialWatermark[] = []
      let expected = MIN_TIMESTAMP
      return sequence.every((step) => {
        apply(combined, parts, step)
        const active = parts.filter(({ isIdle }) => !isIdle).map(({ watermark }) => watermark)
        const minimum = active.length === 0 ? MIN_TIMESTAMP : Math.min(...active)
        const isMoving = minimum > expected
        expected = Math.max(expected, minimum)
        const hasMoved = combined.update()
        const isIdleRight = parts.length === 0 || combined.isIdle === (active.length === 0)
        return hasMoved === isMoving && combined.watermark === expected && isIdleRight
      })
    })
    t.doesNotThrow(() => fc.assert(property, runs(200)))
  },
)

function apply(combined: CombinedWatermark, parts: PartialWatermark[], step: Step): void {
  if (step.kind === 'add') {
    parts.push(combined.add())
    return
  }
  const part = parts[step.part]
  if (part === undefined) return
  if (step.kind === 'watermark') part.advance(step.timestamp)
  else if (step.kind === 'idle') part.isIdle = step.isIdle
  else {
    combined.remove(part)
    parts.splice(step.part, 1)
  }
}
