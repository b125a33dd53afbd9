/** Rescaling: whatever the parallelism was and is, nothing is lost and nothing is doubled. */
import assert from 'node:assert/strict'
import fc from 'fast-check'
import t from 'tap'
import { assignState, neededSubtasks, type Share } from '../../../lib/checkpoint/assign-state.ts'
import type { OperatorRecord } from '../../../lib/checkpoint/checkpoint-files.ts'
import { MAX_PARALLELISM } from '../state/backends.ts'
import { runs } from '../types/schema-arbitrary.ts'
import { contentsOfAll, newSubtasks, recordOf, Subtask } from './subtasks.ts'

const shareOf = (parallelism: number, index: number): Share => ({
  parallelism,
  maxParallelism: MAX_PARALLELISM,
  index,
})

/** The subtasks of a new attempt; each has nothing but the snapshots it asked for. */
function rescale(record: OperatorRecord, subtasks: readonly Subtask[], parallelism: number): Subtask[] {
  const saved = subtasks.map((subtask) => subtask.save().operators[0])
  return Array.from({ length: parallelism }, (_, index) => {
    const share = shareOf(parallelism, index)
    const needed = new Map(neededSubtasks(record, share).map((old) => [old, saved[old]]))
    return new Subtask(assignState(record, share, needed), parallelism, index)
  })
}

const parallelism = fc.integer({ min: 1, max: 7 })
const values = fc.uniqueArray(fc.nat(1000), { maxLength: 30 })

t.test('assign state - all state finds its subtask', async () => {
  fc.assert(
    fc.property(parallelism, parallelism, values, (before, after, values) => {
      const old = newSubtasks(before, values)
      const expected = contentsOfAll(old)
      const found = contentsOfAll(rescale(recordOf(before), old, after))
      assert.deepEqual(found.keyed, expected.keyed)
      assert.deepEqual(found.splits, expected.splits)
      assert.deepEqual(found.unions, Array(after).fill(expected.unions.flat()))
      assert.deepEqual(found.rules, Array(after).fill(expected.rules[0]))
    }),
    runs(200),
  )
})

t.test('assign state - with the same parallelism and no union, each has what it had', async () => {
  fc.assert(
    fc.property(parallelism, values, (parallelism, values) => {
      const old = newSubtasks(parallelism, values)
      for (const { unions } of old) unions.update([])
      const record = recordOf(parallelism, { hasUnion: false })
      const found = rescale(record, old, parallelism)
      old.forEach((subtask, index) => {
        assert.deepEqual(neededSubtasks(record, shareOf(parallelism, index)), [index])
        assert.deepEqual(contentsOfAll([found[index]!]), contentsOfAll([subtask]))
      })
    }),
    runs(100),
  )
})

t.test('assign state - a subtask that had finished has nothing to give', async (t) => {
  const old = newSubtasks(2, [1, 2, 3, 4, 5, 6])
  const record = recordOf(2, { subtasks: [null, 'v-1-0'] })
  const share = shareOf(1, 0)
  t.same(neededSubtasks(record, share), [0, 1])
  const snapshots = new Map([
    [0, undefined],
    [1, old[1]!.save().operators[0]],
  ])
  const found = contentsOfAll([new Subtask(assignState(record, share, snapshots), 1, 0)])
  const rest = contentsOfAll([old[1]!])
  t.same(found, rest)
  t.ok(Object.keys(rest.keyed as object).length > 0)
})

t.test('assign state - the maximum parallelism is for ever', async (t) => {
  t.throws(() => neededSubtasks(recordOf(2, { maxParallelism: 256 }), shareOf(2, 0)), {
    code: 'STATE_INCOMPATIBLE',
    message: /saved with max parallelism 256 and has 128 now.*set maxParallelism to 256/,
  })
})
