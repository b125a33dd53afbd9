/** Walks that fold old snapshots into newer ones, while the state goes on changing. */
import assert from 'node:assert/strict'
import fc from 'fast-check'
import { KeyedSnapshot } from '../../../lib/state/keyed-snapshot.ts'
import type { KeyedStateBackend } from '../../../lib/state/keyed-state-backend.ts'
import { KeyedWalk } from '../../../lib/state/keyed-walk.ts'
import { copyOfChunk, type StateChunk } from '../../../lib/state/state-chunk.ts'
import { mapState, valueState } from '../../../lib/state/state-descriptor.ts'
import { t as types } from '../../../lib/types/t.ts'
import { runs } from '../types/schema-arbitrary.ts'
import { contentsOf, load, newBackend, onEachBackend, rescale, save } from './backends.ts'

const value = valueState('value', types.object({ n: types.int64 }))
const map = mapState<number, number>('map', types.int64)
const late = valueState('late', types.int64)
const KEYS = 60

function declare(backend: KeyedStateBackend): void {
  backend.state(value)
  backend.state(map)
  backend.sliceTable('a/slices', types.int64)
  backend.timerTable('a/timers')
}

interface Change {
  readonly key: number
  readonly what: number
  readonly n: number
}

function change(backend: KeyedStateBackend, { key, what, n }: Change): void {
  backend.context.set(key, -1)
  const slices = backend.sliceTable('a/slices', types.int64)
  const changes = [
    () => backend.state(value).update({ n }),
    () => {
      const found = backend.state(value).value()
      if (found === undefined) return
      found.n = n
      backend.state(value).update(found)
    },
    () => backend.state(value).clear(),
    () => backend.state(map).set(n % 3, n),
    () => backend.state(map).delete(n % 3),
    () => backend.state(map).clear(),
    () => slices.put(n % 3, n),
    () => slices.removeSlice(n % 3),
    () => backend.timerTable('a/timers').register(n % 5, undefined),
    () => backend.timerTable('a/timers').delete(n % 5, undefined),
    () => backend.state(late).update(n),
  ]
  changes[what % changes.length]!()
}

const changeOf = fc.record({ key: fc.nat(KEYS), what: fc.nat(10), n: fc.nat(50) })
const round = fc.record({
  before: fc.array(changeOf, { maxLength: 12 }),
  /** While the snapshot is being drained. */
  during: fc.array(changeOf, { maxLength: 12 }),
  kind: fc.constantFrom<('base' | 'delta' | 'savepoint' | 'walk')[]>(
    'base',
    'delta',
    'savepoint',
    'walk',
    'walk',
  ),
})

onEachBackend('keyed walk - snapshots before it are not needed after it', async () => {
  let ended = 0
  fc.assert(
    fc.property(
      fc.array(changeOf, { maxLength: 200 }),
      fc.array(round, { maxLength: 40 }),
      (first, rounds) => {
        const backend = newBackend()
        declare(backend)
        for (const each of first) change(backend, each)
        let chain: StateChunk[][] = [save(backend, 'base')]
        let walk: KeyedWalk | null = null
        let walkFrom = 0
        for (const { before, during, kind } of rounds) {
          for (const each of before) change(backend, each)
          if (walk?.hasEnded === true) {
            // What the snapshot before could not do without, this one can.
            chain = chain.slice(walkFrom)
            walk = null
            ended++
          }
          if (kind === 'base') walk = null
          if (kind === 'walk' && walk === null) {
            walk = new KeyedWalk(backend)
            walkFrom = chain.length
          }
          const expected = contentsOf([backend])
          const chunks: StateChunk[] = []
          const step = kind === 'walk' ? walk : null
          const as = kind === 'walk' ? 'delta' : kind
          const snapshot = new KeyedSnapshot(backend, as, (chunk) => chunks.push(copyOfChunk(chunk)), step)
          const changes = [...during]
          while (!snapshot.drain(2)) {
            const next = changes.shift()
            if (next !== undefined) change(backend, next)
          }
          for (const each of changes) change(backend, each)
          const taken = as === 'delta' ? [...chain, chunks] : [chunks]
          if (as !== 'savepoint') chain = taken
          for (const parallelism of [1, 3]) {
            assert.deepEqual(contentsOf(rescale([taken.flat()], withLate, parallelism)), expected)
          }
        }
      },
    ),
    runs(100),
  )
  assert(ended > 20, `${ended} walks have ended`)
})

function withLate(backend: KeyedStateBackend): void {
  declare(backend)
  backend.state(late)
}

onEachBackend(
  'keyed walk - takes a bounded number of steps, with what nobody has declared in the first',
  async (t) => {
    const old = newBackend()
    for (let key = 0; key < 1000; key++) {
      change(old, { key, what: 0, n: key })
      change(old, { key, what: 10, n: key })
    }
    const backend = load(save(old), (each) => each.state(value))
    const base = save(backend)
    const walk = new KeyedWalk(backend)
    const steps: StateChunk[][] = []
    while (!walk.hasEnded) steps.push(save(backend, 'delta', 7, walk))
    t.ok(steps.length > 20 && steps.length < 40, `${steps.length} steps`)
    const rowsOf = (chunks: readonly StateChunk[], table: string) =>
      chunks.filter((chunk) => chunk.table === table).reduce((sum, { rowCount }) => sum + rowCount, 0)
    t.equal(rowsOf(steps[0]!, 'late'), 1000)
    t.equal(rowsOf(steps.flat(), 'value'), 1000)
    t.equal(rowsOf(base, 'value'), 1000)
    t.same(contentsOf([load(steps.flat(), withLate)]), contentsOf([load(base, withLate)]))
  },
)

onEachBackend('keyed snapshot - one that is abandoned leaves the table for the next base', async (t) => {
  for (const kind of ['base', 'delta'] as const) {
    const backend = newBackend()
    declare(backend)
    for (let key = 0; key < 20; key++) change(backend, { key, what: 0, n: key })
    save(backend)
    for (let key = 0; key < 10; key++) change(backend, { key, what: 0, n: 100 + key })
    const snapshot = new KeyedSnapshot(backend, kind, () => {})
    for (let i = 0; i < 4; i++) snapshot.drain(1)
    snapshot.abandon()
    t.ok(snapshot.drain(1))
    change(backend, { key: 3, what: 1, n: 7 })
    t.same(contentsOf([load(save(backend), declare)]), contentsOf([backend]))
  }
})

onEachBackend('keyed snapshot - one savepoint that is abandoned is as if it had not been', async (t) => {
  const backend = newBackend()
  declare(backend)
  for (let key = 0; key < 20; key++) change(backend, { key, what: 0, n: key })
  const base = save(backend)
  change(backend, { key: 3, what: 0, n: 7 })
  const snapshot = new KeyedSnapshot(backend, 'savepoint', () => {})
  for (let i = 0; i < 4; i++) snapshot.drain(1)
  snapshot.abandon()
  const delta = save(backend, 'delta')
  t.same(contentsOf([load([...base, ...delta], declare)]), contentsOf([backend]))
})
