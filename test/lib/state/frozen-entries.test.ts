import t from 'tap'
import { ChunkedList } from '../../../lib/base/chunked-list.ts'
import { FrozenEntries } from '../../../lib/state/frozen-entries.ts'

interface Numbered {
  readonly name: string
  epoch: number
}

function drainAll(entries: FrozenEntries<Numbered>, count: number): string[] {
  const written: string[] = []
  const write = (entry: Numbered) => {
    if (!entries.has(entry)) return
    written.push(entry.name)
    entry.epoch = 5
    entries.pending--
  }
  while (!entries.drain(count, write));
  return written
}

function listOf(...entries: Numbered[]): ChunkedList<Numbered> {
  const list = new ChunkedList<Numbered>()
  for (const entry of entries) list.push(entry)
  return list
}

t.test('frozen entries - what is listed comes first, the last before the others, each once', async (t) => {
  for (const count of [1, 2, 100]) {
    const [a, b, c] = ['a', 'b', 'c'].map((name) => ({ name, epoch: 4 })) as [Numbered, Numbered, Numbered]
    const later = { name: 'later', epoch: 6 }
    const dirty = listOf(a, b, later, a)
    const all = [c, b, later, a][Symbol.iterator]()
    const entries = new FrozenEntries({ afterEpoch: 2, epoch: 4, dirty, all, pending: 3 })
    t.same(drainAll(entries, count), ['a', 'b', 'c'])
    t.equal(entries.emptied(), dirty)
    t.equal(dirty.length, 0)
  }
})

t.test('frozen entries - where what is listed was all, nothing else is looked at', async (t) => {
  const [a, b] = [
    { name: 'a', epoch: 4 },
    { name: 'b', epoch: 4 },
  ]
  const all = {
    next(): never {
      throw new Error('somebody looked')
    },
  }
  const entries = new FrozenEntries({ afterEpoch: 2, epoch: 4, dirty: listOf(a, b), all, pending: 2 })
  t.same(drainAll(entries, 1), ['b', 'a'])
})

t.test('frozen entries - a savepoint has no list', async (t) => {
  const all = [{ name: 'a', epoch: 4 }][Symbol.iterator]()
  const entries = new FrozenEntries({ afterEpoch: 0, epoch: 4, dirty: null, all, pending: 1 })
  t.same(drainAll(entries, 10), ['a'])
  t.equal(entries.emptied(), null)
})
