import fc from 'fast-check'
import t from 'tap'
import { ReduceOperator } from '../../../lib/operator/reduce-operator.ts'
import { OperatorHarness } from '../../../lib/testing/operator-harness.ts'
import { t as types } from '../../../lib/types/t.ts'
import { runs } from '../types/schema-arbitrary.ts'
import { stamped } from './brief.ts'

const keySelectors = [(value: string) => value[0]!] as never
const join = {
  operator: () => new ReduceOperator<string>((a, b) => a + b.slice(1), types.string),
  keySelectors,
}

t.test('reduce - the value so far of each key, once per record', async (t) => {
  const harness = await OperatorHarness.open<string>(join)
  harness.element('a1', 1)
  harness.element('b2', 2)
  harness.element('a3', 3)
  harness.watermark(5)
  t.same(stamped(harness.takeOutput()), ['a1@1', 'b2@2', 'a13@3', 5])
})

t.test('reduce - goes on from snapshots, wherever they are taken', async (t) => {
  const records = fc.array(fc.tuple(fc.constantFrom('a', 'b', 'c'), fc.nat(9), fc.nat(5)), {
    maxLength: 40,
    size: 'max',
  })
  const property = fc.asyncProperty(records, async (list) => {
    const sofar = new Map<string, string>()
    let harness = await OperatorHarness.open<string>(join)
    for (const [key, digit, dice] of list) {
      harness.element(`${key}${digit}`)
      const expected = (sofar.get(key) ?? key) + digit
      sofar.set(key, expected)
      if (stamped(harness.takeOutput()).join() !== expected) return false
      if (dice === 0)
        harness = await OperatorHarness.open<string>({ ...join, restore: await harness.snapshot() })
    }
    return true
  })
  await t.resolves(fc.assert(property, runs(50)))
})

t.test('reduce - the function may be an object, opened and closed', async (t) => {
  const calls: string[] = []
  const fn = {
    open: () => void calls.push('open'),
    reduce: (a: string, b: string) => a + b,
    close: () => void calls.push('close'),
  }
  const harness = await OperatorHarness.open<string>({
    operator: () => new ReduceOperator(fn, types.string),
    keySelectors,
  })
  harness.element('ab')
  harness.element('ac')
  t.same(stamped(harness.takeOutput()), ['ab', 'abac'])
  await harness.close()
  t.same(calls, ['open', 'close'])
})
