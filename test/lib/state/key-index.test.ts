import t from 'tap'
import { KeyContext } from '../../../lib/state/key-context.ts'
import { KeyIndex } from '../../../lib/state/key-index.ts'

/** More than what is dealt out, and more than it takes to deal it out. */
const COUNT = 180_000

t.test('key index - numbers are found while keys are dealt out, and after', async (t) => {
  const context = new KeyContext(128)
  const index = new KeyIndex(context)
  const at = (key: string) => {
    context.set(key, -1)
    return index
  }
  let wrong = 0
  const check = (i: number, expected: number | undefined) => {
    if (at(`key ${i}`).get() !== expected) wrong++
  }
  for (let i = 0; i < COUNT; i++) {
    check(i, undefined)
    at(`key ${i}`).set(i)
    check(i, i)
    if (i % 97 === 0) check(Math.floor(i / 2), Math.floor(i / 2))
  }
  for (let i = 0; i < COUNT; i++) check(i, i)
  check(COUNT, undefined)
  t.equal(wrong, 0)
})

t.test('key index - what is set or removed while keys are dealt out stays so', async (t) => {
  const context = new KeyContext(128)
  const index = new KeyIndex(context, new Map([['first', 7]]))
  const expected = new Map<string, number>([['first', 7]])
  for (let i = 0; i < COUNT; i++) {
    context.set(`key ${i}`, -1)
    index.set(i)
    expected.set(`key ${i}`, i)
    // Old and new ones, in the last third while they are on their way.
    const other = `key ${(i * 7919) % (i + 1)}`
    context.set(other, -1)
    if (i % 5 === 0) {
      index.set(-i)
      expected.set(other, -i)
    } else if (i % 5 === 1) {
      index.remove()
      expected.delete(other)
    }
  }
  let wrong = 0
  for (const key of ['first', 'absent', ...Array.from({ length: COUNT }, (_, i) => `key ${i}`)]) {
    context.set(key, -1)
    if (index.get() !== expected.get(key)) wrong++
  }
  t.equal(wrong, 0)
})
