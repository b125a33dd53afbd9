/** What a snapshot builds on, whatever has become of those before it. */
import assert from 'node:assert/strict'
import fc from 'fast-check'
import t from 'tap'
import type { BlobReference } from '../../../lib/checkpoint/checkpoint-files.ts'
import {
  type Link,
  SnapshotChain,
  type StateSize,
  type StoredSnapshot,
} from '../../../lib/checkpoint/snapshot-chain.ts'
import { runs } from '../types/schema-arbitrary.ts'

const LIMITS = { isIncremental: true, deltasMax: 3 }
const SIZE = sizeWith(1000, 10)

/** Of one state, "total" of "op". */
function sizeWith(entryCount: number, changedCount: number): StateSize {
  return { entryCount, changedCount, entryCountOf: () => entryCount }
}

const blob = (name: string, byteLength: number): BlobReference => ({ name, byteLength })
/** With rows of one byte. */
const stored = (name: string, rowCount = 10, more: Partial<StoredSnapshot> = {}): StoredSnapshot => ({
  blobs: [blob(name, rowCount)],
  keyed: { op: [{ name: 'total', kind: 'flat', schema: null, entryCount: rowCount, byteLength: rowCount }] },
  hasFolded: false,
  ...more,
})

/** Takes a snapshot and stores it; what it is, and the names of what it is made of. */
function take(
  chain: SnapshotChain,
  name: string,
  rowCount?: number,
  more?: Partial<StoredSnapshot>,
  size = SIZE,
) {
  const link = chain.begin(false, size)
  const blobs = chain.stored(link, stored(name, rowCount, more))?.blobs
  return `${link.isFolding ? 'fold' : link.kind}: ${blobs?.map((each) => each.name).join(' ')}`
}

t.test('snapshot chain - a base and deltas upon it', async (t) => {
  const chain = new SnapshotChain({ ...LIMITS, deltasMax: 50 })
  t.equal(take(chain, 'a', 1000), 'base: a')
  t.equal(take(chain, 'b'), 'delta: a b')
  t.equal(take(chain, 'c'), 'delta: a b c')
})

t.test('snapshot chain - a savepoint stands by itself', async (t) => {
  const chain = new SnapshotChain(LIMITS)
  take(chain, 'a', 1000)
  const savepoint = chain.begin(true, SIZE)
  t.equal(savepoint.kind, 'savepoint')
  t.same(chain.stored(savepoint, stored('s'))?.blobs, [blob('s', 10)])
  t.equal(take(chain, 'b'), 'delta: a b')
  chain.failed(chain.begin(true, SIZE))
  t.equal(take(chain, 'c'), 'delta: a b c')
})

t.test('snapshot chain - says which states are in it', async (t) => {
  const chain = new SnapshotChain({ ...LIMITS, deltasMax: 50 })
  const record = { name: 'total', kind: 'flat', schema: null, entryCount: 3, byteLength: 5 } as const
  chain.stored(chain.begin(false, SIZE), stored('a', 1000, { keyed: { op: [record] } }))
  const again = { ...record, entryCount: 1, byteLength: 2 }
  const other = { ...record, name: 'other' }
  const state = chain.stored(chain.begin(false, SIZE), stored('b', 10, { keyed: { op: [again, other] } }))
  t.same(state?.keyed, { op: [{ ...record, entryCount: 4, byteLength: 7 }, other] })
})

t.test('snapshot chain - everything anew where a delta would not do, or would not be less', async (t) => {
  const chain = new SnapshotChain(LIMITS)
  take(chain, 'a', 1000)
  t.equal(chain.begin(false, sizeWith(100, 50)).kind, 'base')
  t.equal(chain.begin(false, sizeWith(0, 0)).kind, 'base')
  t.equal(chain.begin(false, null).kind, 'base', 'no keyed state')
  const full = new SnapshotChain({ ...LIMITS, isIncremental: false })
  t.equal(take(full, 'a', 1000), 'base: a')
  t.equal(take(full, 'b', 1000), 'base: b')
})

t.test('snapshot chain - one that could not be stored breaks it', async (t) => {
  const chain = new SnapshotChain(LIMITS)
  take(chain, 'a', 1000)
  const lost = chain.begin(false, SIZE)
  const after = chain.begin(false, SIZE)
  chain.failed(lost)
  t.equal(chain.stored(after, stored('c')), null, 'it builds on what is not there')
  chain.failed(after)
  t.equal(take(chain, 'd', 1000), 'base: d')
  t.equal(take(chain, 'e'), 'delta: d e')
})

t.test('snapshot chain - what fails late does not break what has begun anew', async (t) => {
  const chain = new SnapshotChain(LIMITS)
  take(chain, 'a', 1000)
  const lost = chain.begin(false, SIZE)
  const late = chain.begin(false, SIZE)
  chain.failed(lost)
  take(chain, 'b', 1000)
  chain.failed(late)
  t.equal(take(chain, 'c'), 'delta: b c')
})

t.test('snapshot chain - too many deltas are folded, from the next snapshot on', async (t) => {
  const chain = new SnapshotChain(LIMITS)
  take(chain, 'a', 1000)
  for (const name of ['b', 'c', 'd']) take(chain, name)
  t.equal(take(chain, 'e', 300), 'fold: a b c d e')
  t.equal(take(chain, 'f', 300, { hasFolded: true }), 'fold: a b c d e f')
  t.equal(take(chain, 'g'), 'delta: e f g')
  t.equal(take(chain, 'h'), 'delta: e f g h')
  t.equal(take(chain, 'i'), 'fold: e f g h i', 'more than three again')
})

t.test('snapshot chain - folded when most of it is out of date', async (t) => {
  const chain = new SnapshotChain({ ...LIMITS, deltasMax: 1000 })
  take(chain, 'a', 1000)
  t.equal(take(chain, 'b', 600), 'delta: a b')
  t.equal(take(chain, 'c', 600), 'delta: a b c')
  t.equal(take(chain, 'd', 1000, { hasFolded: true }), 'fold: a b c d')
  t.equal(take(chain, 'e', 501), 'delta: d e', 'what came before the walk does not count')
  t.equal(take(chain, 'f', 501), 'delta: d e f')
  t.match(take(chain, 'g'), /^fold/)
})

t.test('snapshot chain - a state that only grows is not folded, one of two that does not is', async (t) => {
  const chain = new SnapshotChain({ ...LIMITS, deltasMax: 1000 })
  take(chain, 'a', 100)
  let count = 100
  for (let i = 0; i < 20; i++) {
    count += 90
    t.match(take(chain, 'n', 90, {}, sizeWith(count, 90)), /^delta/)
  }
  const two = new SnapshotChain({ ...LIMITS, deltasMax: 1000 })
  const size = { ...SIZE, entryCountOf: (_: string, name: string) => (name === 'large' ? 10 : 1000) }
  const record = { kind: 'flat', schema: null } as const
  const small = { ...record, name: 'small', entryCount: 1000, byteLength: 1000 }
  const large = { ...record, name: 'large', entryCount: 10, byteLength: 4000 }
  take(two, 'a', 0, { keyed: { op: [small, large] } }, size)
  t.equal(take(two, 'b', 0, { keyed: { op: [large] } }, size), 'delta: a b')
  t.equal(take(two, 'c', 0, { keyed: { op: [large] } }, size), 'delta: a b c', '5 of 9')
  t.match(take(two, 'd', 0, { keyed: { op: [large] } }, size), /^fold/, '5 of 13')
})

t.test('snapshot chain - a base, or a break, ends the folding', async (t) => {
  for (const end of ['base', 'break']) {
    const chain = new SnapshotChain({ ...LIMITS, deltasMax: 1 })
    take(chain, 'a', 1000)
    take(chain, 'b')
    t.match(take(chain, 'c'), /^fold/)
    if (end === 'base') chain.stored(chain.begin(false, sizeWith(10, 10)), stored('d', 1000))
    else chain.failed(chain.begin(false, SIZE))
    const next = take(chain, 'e')
    t.equal(next, end === 'base' ? 'delta: d e' : 'base: e')
    t.equal(take(chain, 'f'), end === 'base' ? 'fold: d e f' : 'delta: e f', 'a walk begins anew')
  }
})

/** What happens between two snapshots, and to the one that is taken. */
const event = fc.record({
  what: fc.constantFrom('store', 'store', 'store', 'later', 'fail', 'savepoint'),
  changedCount: fc.nat(700),
  rowCount: fc.integer({ min: 1, max: 500 }),
  hasFolded: fc.boolean(),
})

t.test('snapshot chain - each stands for all state, with stored blobs only', async () => {
  fc.assert(
    fc.property(fc.array(event, { maxLength: 60 }), (events) => {
      const chain = new SnapshotChain(LIMITS)
      const later: [Link, string, StoredSnapshot][] = []
      /** By name: the snapshot it is of. */
      const links = new Map<string, Link>()
      const isThere = new Set<string>()
      const finish = ([link, name, snapshot]: [Link, string, StoredSnapshot]) => {
        const blobs = chain.stored(link, snapshot)?.blobs
        isThere.add(name)
        if (blobs === undefined) {
          chain.failed(link)
          return
        }
        const names = blobs.map((each) => each.name)
        assert.equal(names.at(-1), name)
        assert(names.every((each) => isThere.has(each)))
        const first = links.get(names[0]!)!
        assert(first.kind !== 'delta' || first.isFolding, 'it begins with all state')
        assert(names.slice(1).every((each) => links.get(each)!.kind === 'delta'))
      }
      events.forEach(({ what, changedCount, rowCount, hasFolded }, index) => {
        const name = `${index}`
        const link = chain.begin(what === 'savepoint', sizeWith(1000, changedCount))
        const isFolding = link.isFolding
        const snapshot = stored(name, rowCount, { hasFolded: isFolding && hasFolded })
        links.set(name, link)
        // In order, as subtasks tell of them.
        if (what !== 'later') while (later.length > 0) finish(later.shift()!)
        if (what === 'fail') chain.failed(link)
        else if (what === 'later') later.push([link, name, snapshot])
        else finish([link, name, snapshot])
      })
    }),
    runs(500),
  )
})
