import fc from 'fast-check'
import t from 'tap'
import { MIN_TIMESTAMP } from '../../../lib/time/timestamp.ts'
import { WatermarkMultiplexer } from '../../../lib/time/watermark-multiplexer.ts'
import { runs } from '../types/schema-arbitrary.ts'

type Output = number | 'idle' | 'active'

function newMultiplexer(): { multiplexer: WatermarkMultiplexer; take(): Output[] } {
  let outputs: Output[] = []
  const multiplexer = new WatermarkMultiplexer({
    emitWatermark: (timestamp) => outputs.push(timestamp),
    markIdle: () => outputs.push('idle'),
    markActive: () => outputs.push('active'),
  })
  return {
    multiplexer,
    take: () => {
      const taken = outputs
      outputs = []
      return taken
    },
  }
}

t.test('multiplexer - deferred watermarks count at the next update, whoever causes it', async (t) => {
  const { multiplexer, take } = newMultiplexer()
  multiplexer.register('a')
  multiplexer.register('b')
  multiplexer.deferred('a').emitWatermark(5)
  t.same(take(), [])
  multiplexer.immediate('b').emitWatermark(2)
  t.same(take(), [2])
  multiplexer.deferred('b').emitWatermark(9)
  t.same(take(), [])
  multiplexer.onPeriodicEmit()
  t.same(take(), [5])
})

t.test('multiplexer - an output does not go back, by either way', async (t) => {
  const { multiplexer, take } = newMultiplexer()
  multiplexer.register('a')
  multiplexer.deferred('a').emitWatermark(5)
  multiplexer.immediate('a').emitWatermark(2)
  t.same(take(), [], 'the immediate one is lower than the deferred one')
  multiplexer.onPeriodicEmit()
  multiplexer.immediate('a').emitWatermark(4)
  multiplexer.onPeriodicEmit()
  t.same(take(), [5])
})

t.test('multiplexer - without outputs it says nothing', async (t) => {
  const { multiplexer, take } = newMultiplexer()
  multiplexer.onPeriodicEmit()
  multiplexer.register('a')
  multiplexer.immediate('a').emitWatermark(1)
  multiplexer.unregister('a')
  multiplexer.unregister('a')
  multiplexer.onPeriodicEmit()
  t.same(take(), [1])
})

t.test('multiplexer - a new output does not take back what was sent', async (t) => {
  const { multiplexer, take } = newMultiplexer()
  multiplexer.register('a')
  multiplexer.immediate('a').emitWatermark(5)
  multiplexer.unregister('a')
  multiplexer.register('b')
  multiplexer.immediate('b').emitWatermark(3)
  t.same(take(), [5])
  multiplexer.immediate('b').emitWatermark(6)
  t.same(take(), [6])
})

t.test(
  'multiplexer - idle if all outputs are; active ones that have no watermark yet hold back',
  async (t) => {
    const { multiplexer, take } = newMultiplexer()
    multiplexer.register('a')
    multiplexer.register('b')
    multiplexer.immediate('a').markIdle()
    t.same(take(), [])
    multiplexer.deferred('b').markIdle()
    t.same(take(), [])
    multiplexer.onPeriodicEmit()
    t.same(take(), ['idle'])
    multiplexer.immediate('a').markActive()
    multiplexer.immediate('b').emitWatermark(3)
    t.same(take(), [])
    multiplexer.immediate('a').emitWatermark(2)
    t.same(take(), [2])
  },
)

t.test('multiplexer - outputs must be new, and must be there', async (t) => {
  const { multiplexer } = newMultiplexer()
  multiplexer.register('a')
  t.throws(() => multiplexer.register('a'), { message: /output a is new/ })
  t.throws(() => multiplexer.immediate('b'), { message: /output b/ })
  t.throws(() => multiplexer.deferred('b'), { message: /output b/ })
})

const IDS = ['a', 'b', 'c']

const calls = fc.array(
  fc.record({
    id: fc.constantFrom(...IDS),
    isDeferred: fc.boolean(),
    call: fc.oneof(
      { weight: 4, arbitrary: fc.integer({ min: -9, max: 9 }) },
      { weight: 2, arbitrary: fc.constantFrom('idle', 'active') },
      { weight: 1, arbitrary: fc.constantFrom('unregister', 'periodic') },
    ),
  }),
  { maxLength: 60, size: 'max' },
)

t.test(
  'multiplexer - never goes back, and after a periodic emission is where its slowest output is',
  async () => {
    fc.assert(
      fc.property(calls, (sequence) => {
        const { multiplexer, take } = newMultiplexer()
        const model = new Map<string, { watermark: number; isIdle: boolean }>()
        let sent = MIN_TIMESTAMP
        for (const { id, isDeferred, call } of sequence) {
          play(multiplexer, model, id, isDeferred, call)
          for (const output of take()) {
            if (output === 'active') return false
            if (output === 'idle') continue
            if (output <= sent) return false
            sent = output
          }
          const active = [...model.values()].filter(({ isIdle }) => !isIdle)
          if (call === 'periodic' && active.length > 0) {
            const slowest = Math.min(...active.map(({ watermark }) => watermark))
            if (slowest > sent) return false
          }
        }
        return true
      }),
      runs(300),
    )
  },
)

function play(
  multiplexer: WatermarkMultiplexer,
  model: Map<string, { watermark: number; isIdle: boolean }>,
  id: string,
  isDeferred: boolean,
  call: number | string,
): void {
  if (call === 'periodic') {
    multiplexer.onPeriodicEmit()
    return
  }
  if (call === 'unregister') {
    model.delete(id)
    multiplexer.unregister(id)
    return
  }
  let state = model.get(id)
  if (state === undefined) {
    multiplexer.register(id)
    state = { watermark: MIN_TIMESTAMP, isIdle: false }
    model.set(id, state)
  }
  const output = isDeferred ? multiplexer.deferred(id) : multiplexer.immediate(id)
  if (typeof call === 'number') {
    state.watermark = Math.max(state.watermark, call)
    state.isIdle = false
    output.emitWatermark(call)
  } else if (call === 'idle') {
    state.isIdle = true
    output.markIdle()
  } else {
    state.isIdle = false
    output.markActive()
  }
}
