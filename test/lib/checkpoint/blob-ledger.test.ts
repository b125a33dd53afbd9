import assert from 'node:assert/strict'
import fc from 'fast-check'
import t from 'tap'
import { BlobLedger } from '../../../lib/checkpoint/blob-ledger.ts'
import { runs } from '../types/schema-arbitrary.ts'

t.test('blob ledger - a blob goes when nobody holds it any more, and not before', async (t) => {
  const ledger = new BlobLedger()
  t.same(ledger.subtaskHolds('v/0', 1, ['a']), [])
  ledger.checkpointHolds(1, ['a'])
  t.same(ledger.subtaskHolds('v/0', 2, ['a', 'b']), [])
  ledger.checkpointHolds(2, ['a', 'b'])
  t.same(ledger.subtaskHolds('v/0', 3, ['c']), [], 'two checkpoints hold what the subtask does not')
  t.same(ledger.releaseCheckpoint(1), [])
  t.same(ledger.checkpointsWith('a'), [2])
  t.same(ledger.releaseCheckpoint(2), ['a', 'b'])
  t.same(ledger.releaseCheckpoint(2), [], 'once')
  t.same(ledger.releaseSubtasks(), ['c'])
})

t.test(
  'blob ledger - what was stored for a checkpoint that is given up stays as long as it is built on',
  async (t) => {
    const ledger = new BlobLedger()
    ledger.checkpointHolds(1, ['a'])
    ledger.subtaskHolds('v/0', 1, ['a'])
    t.same(ledger.releaseCheckpoint(1), [])
    t.same(ledger.subtaskHolds('v/0', 2, ['a', 'b']), [])
    t.same(ledger.subtaskHolds('v/0', 3, ['d']), ['a', 'b'])
  },
)

t.test('blob ledger - what a subtask tells late does not count', async (t) => {
  const ledger = new BlobLedger()
  ledger.subtaskHolds('v/0', 2, ['a', 'b'])
  t.same(ledger.subtaskHolds('v/0', 1, ['a']), [])
  t.same(ledger.subtaskHolds('v/0', 2, ['a', 'b']), [])
  t.same(ledger.releaseSubtasks(), ['a', 'b'])
  t.same(ledger.subtaskHolds('v/0', 1, ['x']), [], 'another attempt')
  t.same(ledger.releaseSubtasks(), ['x'])
})

t.test('blob ledger - strays are of earlier attempts, and nobody’s', async (t) => {
  const ledger = new BlobLedger()
  ledger.checkpointHolds(4, ['v-0-1-4-0'])
  const names = ['v-0-1-4-0', 'v-0-1-5-0', 'v-0-2-6-0', 'notes.txt']
  t.same(
    ledger.strays(names, () => 2),
    ['v-0-1-5-0'],
  )
  t.same(
    ledger.strays(names, () => 1),
    [],
  )
  t.same(
    ledger.strays(names, () => 3),
    ['v-0-1-5-0', 'v-0-2-6-0'],
  )
  const ofTwo = [...names, 'w-1-2-5-0', 'w-0-2-5-0']
  const attemptOf = ({ vertexId, index }: { vertexId: string; index: number }) =>
    vertexId === 'w' && index === 1 ? 3 : 2
  t.same(ledger.strays(ofTwo, attemptOf), ['v-0-1-5-0', 'w-1-2-5-0'], 'regions have attempts of their own')
})

t.test('blob ledger - the end of the attempt of some subtasks', async (t) => {
  const ledger = new BlobLedger()
  ledger.subtaskHolds('v/0', 1, ['a', 'b'])
  ledger.subtaskHolds('w/0', 1, ['b', 'c'])
  t.same(ledger.releaseSubtasks(['v/0', 'v/1']), ['a'])
  t.same(ledger.subtaskHolds('w/0', 2, ['d']), ['b', 'c'])
  t.same(ledger.releaseSubtasks(), ['d'])
})

const name = fc.constantFrom('a', 'b', 'c', 'd', 'e')
const action = fc.oneof(
  fc.record({
    kind: fc.constant('tell' as const),
    task: fc.nat(2),
    names: fc.uniqueArray(name),
    isPending: fc.boolean(),
  }),
  fc.record({ kind: fc.constant('release' as const), at: fc.nat(20) }),
  fc.record({ kind: fc.constant('restart' as const) }),
)

t.test('blob ledger - it is a count of holders', async () => {
  fc.assert(
    fc.property(fc.array(action, { maxLength: 60 }), (actions) => {
      const ledger = new BlobLedger()
      const holders = new Map<string, Set<string>>()
      const held = () => new Set([...holders.values()].flatMap((names) => [...names]))
      let checkpointId = 0
      for (const each of actions) {
        const before = held()
        let given: string[]
        if (each.kind === 'tell') {
          checkpointId++
          if (each.isPending) {
            ledger.checkpointHolds(checkpointId, each.names)
            holders.set(`${checkpointId}`, new Set(each.names))
          }
          given = ledger.subtaskHolds(`t${each.task}`, checkpointId, each.names)
          holders.set(`t${each.task}`, new Set(each.names))
        } else if (each.kind === 'release') {
          given = ledger.releaseCheckpoint(each.at)
          holders.delete(`${each.at}`)
        } else {
          given = ledger.releaseSubtasks()
          for (const holder of [...holders.keys()]) if (holder.startsWith('t')) holders.delete(holder)
        }
        const after = held()
        assert.deepEqual(given.sort(), [...before].filter((one) => !after.has(one)).sort())
      }
    }),
    runs(500),
  )
})
