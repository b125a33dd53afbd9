import fc from 'fast-check'
import t from 'tap'
import { MinHeap } from '../../../lib/base/min-heap.ts'

t.test('min heap - gives back numbers in order, whatever is pushed in between', async (t) => {
  const value = fc.oneof(fc.integer({ min: -5, max: 5 }), fc.double({ noNaN: true }))
  const property = fc.property(fc.array(fc.option(value, { freq: 3 }), { maxLength: 300 }), (steps) => {
    const heap = new MinHeap()
    const model: number[] = []
    for (const step of steps) {
      if (step === null) {
        const expected = model.shift() ?? Number.POSITIVE_INFINITY
        if (heap.peek() !== expected || heap.pop() !== expected) return false
      } else {
        heap.push(step)
        model.push(step)
        model.sort((a, b) => a - b)
      }
      if (heap.size !== model.length) return false
    }
    return true
  })
  t.doesNotThrow(() => fc.assert(property, { numRuns: 300, seed: 1 }))
})

t.test('min heap - empty, the next number is infinitely far away', async (t) => {
  const heap = new MinHeap()
  t.equal(heap.peek(), Number.POSITIVE_INFINITY)
  t.equal(heap.pop(), Number.POSITIVE_INFINITY)
  heap.push(Number.POSITIVE_INFINITY)
  t.equal(heap.size, 1)
})
