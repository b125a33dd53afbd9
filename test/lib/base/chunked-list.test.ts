import t from 'tap'
import { ChunkedList } from '../../../lib/base/chunked-list.ts'

t.test('chunked list - every element in its place, whatever the length', async (t) => {
  for (const length of [0, 10, 32_768, 32_769, 150_000]) {
    const list = new ChunkedList<number>()
    for (const round of [1, 2, 3]) {
      for (let i = 0; i < length; i++) list.push(i * round + length)
      t.equal(list.length, length)
      const found = Array.from({ length }, (_, i) => list.take(i))
      t.ok(
        found.every((value, i) => value === i * round + length),
        `${length} elements, round ${round}`,
      )
      list.clear()
      t.equal(list.length, 0)
    }
  }
})
