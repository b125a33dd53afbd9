import t from 'tap'
import { ChunkedList } from '../../../lib/base/chunked-list.ts'

t.test('chunked list - every element in its place, whatever the length', async (t) => {
  for (const length of [0, 10, 32_768, 32_769, 150_000]) {
    const list = new ChunkedList<number>()
    for (let i = 0; i < length; i++) list.push(i * 3 + length)
    t.equal(list.length, length)
    const found = Array.from({ length }, (_, i) => list.at(i))
    t.ok(
      found.every((value, i) => value === i * 3 + length),
      `${length} elements`,
    )
  }
})
