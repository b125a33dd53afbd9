import t from 'tap'
import { InputWatermarks } from '../../../lib/time/input-watermarks.ts'

type Output = number | 'idle' | 'active'

function newInputs(count: number): { inputs: InputWatermarks; take(): Output[] } {
  let outputs: Output[] = []
  const inputs = new InputWatermarks(count, {
    watermark: (timestamp) => outputs.push(timestamp),
    status: (isIdle) => outputs.push(isIdle ? 'idle' : 'active'),
  })
  return {
    inputs,
    take: () => {
      const taken = outputs
      outputs = []
      return taken
    },
  }
}

t.test('input watermarks - the operator is at the least of its inputs', async (t) => {
  const { inputs, take } = newInputs(2)
  inputs.onWatermark(0, 5)
  t.same(take(), [])
  inputs.onWatermark(1, 3)
  t.same(take(), [3])
  inputs.onWatermark(1, 9)
  t.same(take(), [5])
})

t.test(
  'input watermarks - an idle input holds nothing back, and holds back again when it returns',
  async (t) => {
    const { inputs, take } = newInputs(2)
    inputs.onWatermark(0, 1)
    inputs.onStatus(1, true)
    t.same(take(), [1])
    inputs.onWatermark(0, 3)
    t.same(take(), [3])
    inputs.onStatus(1, false)
    inputs.onWatermark(0, 4)
    t.same(take(), [], 'the second input has not said how far it is')
    inputs.onWatermark(1, 2)
    t.same(take(), [], 'it is behind')
    inputs.onWatermark(1, 6)
    t.same(take(), [4])
  },
)

t.test('input watermarks - idle when all inputs are, active with the first that is', async (t) => {
  const { inputs, take } = newInputs(2)
  inputs.onStatus(0, true)
  t.same(take(), [])
  inputs.onStatus(1, true)
  inputs.onStatus(1, true)
  t.same(take(), ['idle'])
  inputs.onStatus(0, false)
  inputs.onStatus(1, false)
  t.same(take(), ['active'])
})

t.test('input watermarks - one input passes everything on', async (t) => {
  const { inputs, take } = newInputs(1)
  inputs.onWatermark(0, 2)
  inputs.onWatermark(0, 2)
  inputs.onStatus(0, true)
  inputs.onStatus(0, false)
  inputs.onWatermark(0, 7)
  t.same(take(), [2, 'idle', 'active', 7])
})
