/** What the history tells, and what it forgets. */
import t from 'tap'
import { CheckpointHistory } from '../../../lib/checkpoint/checkpoint-history.ts'

const stats = { alignmentMs: 1, syncMs: 2, asyncMs: 3, totalBytes: 100, channelBytes: 0, isUnaligned: false }

function history(recordsMax = 3) {
  const all = new CheckpointHistory(recordsMax)
  const trigger = (checkpointId: number, nowMs: number, type: 'checkpoint' | 'savepoint' = 'checkpoint') =>
    all.triggered(
      { checkpointId, type, triggeredMs: 1000 + nowMs, subtaskCount: 2, uri: `u${checkpointId}` },
      nowMs,
    )
  return { all, trigger }
}

t.test('checkpoint history - sizes add up, durations are those of the slowest', async (t) => {
  const { all, trigger } = history()
  trigger(1, 0)
  all.acknowledged(1, 'v/0', stats, 10)
  all.acknowledged(1, 'v/0', { ...stats, totalBytes: 999 }, 15)
  all.acknowledged(
    1,
    'v/1',
    { ...stats, alignmentMs: 9, syncMs: 1, asyncMs: 5, totalBytes: 50, channelBytes: 7, isUnaligned: true },
    20,
  )
  all.completed(1, 25)
  t.same(all.records, [
    {
      ...{ checkpointId: 1, type: 'checkpoint', status: 'completed', failure: null, triggeredMs: 1000 },
      ...{
        durationMs: 25,
        totalBytes: 150,
        channelBytes: 7,
        isUnaligned: true,
        acknowledged: 2,
        subtaskCount: 2,
        uri: 'u1',
        isDiscarded: false,
      },
      ...{ alignmentMs: 9, syncMs: 2, asyncMs: 5 },
    },
  ])
  t.same(
    all.detail(1)?.subtasks.map(({ task, endToEndMs }) => [task, endToEndMs]),
    [
      ['v/0', 10],
      ['v/1', 20],
    ],
  )
})

t.test('checkpoint history - a failure says why, with what a subtask said', async (t) => {
  const { all, trigger } = history()
  trigger(1, 0)
  trigger(2, 0)
  all.declined(1, 'v/1: no space left on device')
  all.declined(1, 'v/0: later')
  all.failed(1, 'io-exception', 7)
  all.failed(2, 'expired', 8)
  all.failed(2, 'subsumed', 9)
  t.same(
    all.records.map(({ failure }) => failure),
    ['expired', 'io-exception: v/1: no space left on device'],
  )
  t.same(all.summary.counts, { pending: 0, completed: 0, failed: 2 })
  t.equal(all.summary.lastFailed?.checkpointId, 2)
})

t.test('checkpoint history - what has ended changes no more', async (t) => {
  const { all, trigger } = history()
  trigger(1, 0)
  all.completed(1, 5)
  all.failed(1, 'expired', 9)
  all.acknowledged(1, 'v/0', stats, 9)
  all.declined(7, 'nobody knows it')
  t.match(all.records, [{ status: 'completed', acknowledged: 0, durationMs: 5 }])
  t.same(all.summary.counts, { pending: 0, completed: 1, failed: 0 })
})

t.test(
  'checkpoint history - is bounded; the last completed is known for ever, pending ones too',
  async (t) => {
    const { all, trigger } = history(3)
    trigger(1, 0)
    all.completed(1, 1)
    trigger(2, 2)
    for (let id = 3; id < 20; id++) {
      trigger(id, id)
      all.failed(id, 'expired', id + 1)
    }
    t.same(
      all.records.map(({ checkpointId }) => checkpointId),
      [19, 18, 2],
    )
    t.equal(all.summary.lastCompleted?.checkpointId, 1)
    t.equal(all.detail(1)?.uri, 'u1')
    t.equal(all.detail(4), undefined)
    all.discarded(1)
    t.equal(all.summary.lastCompleted?.isDiscarded, true)
    t.same(all.summary.counts, { pending: 1, completed: 1, failed: 17 })
  },
)

t.test('checkpoint history - what a leader before has kept counts', async (t) => {
  const { all, trigger } = history()
  for (const checkpointId of [4, 5]) all.adopted({ checkpointId, subtaskCount: 2, uri: `u${checkpointId}` })
  trigger(7, 10)
  t.same(all.summary.counts, { pending: 1, completed: 2, failed: 0 })
  t.match(all.summary.lastCompleted, {
    ...{ checkpointId: 5, status: 'completed', triggeredMs: null, durationMs: null, uri: 'u5' },
  })
})

t.test('checkpoint history - savepoints are told apart', async (t) => {
  const { all, trigger } = history()
  trigger(1, 0)
  all.completed(1, 5)
  trigger(2, 6, 'savepoint')
  all.completed(2, 9)
  t.equal(all.summary.lastCompleted?.checkpointId, 1)
  t.equal(all.summary.lastSavepoint?.checkpointId, 2)
})
