import t from 'tap'
import { type SourceCoordinatorOptions, sourceCoordinator } from '../../actors/source-coordinator.ts'
import { silentLogger } from '../../lib/base/logger.ts'
import type { Source } from '../../lib/function/source.ts'
import type { SourceCoordinatorProtocol } from '../../lib/protocol/slot.ts'
import { BehaviorKit } from '../../lib/testing/behavior-kit.ts'
import { ManualClock } from '../../lib/testing/manual-clock.ts'
import { pieces } from '../simulation/pieces-source.ts'

const ATTEMPT = 2
/** The checkpoint that everything begins with. */
const BEGUN = 7

/** The coordinator of a source with two readers and ten pieces; readers take everything. */
function coordinated() {
  const clock = new ManualClock()
  const taken: string[] = []
  const errors: unknown[] = []
  const ask = async (_ref: object, message: object): Promise<object> => {
    const { attempt, sequence, splits } = message as { attempt: number; sequence: number; splits: unknown[] }
    taken.push(`#${attempt} ${sequence} ${splits === null ? 'none' : splits.length}`)
    return {}
  }
  const options: SourceCoordinatorOptions = {
    environment: {
      ...{ clock, log: silentLogger, connections: {} },
      system: { ask: ask as SourceCoordinatorOptions['environment']['system']['ask'] },
    },
    source: pieces({ count: 100, pieceCount: 10, recordsPerBurst: 1 }) as Source<unknown> as never,
    ...{ parallelism: 2, attempt: ATTEMPT, restored: undefined, restoredId: BEGUN },
    subtaskRef: (index) => ({ subject: `${index}` }),
    onError: (error) => void errors.push(error),
  }
  const kit = new BehaviorKit<SourceCoordinatorProtocol>(sourceCoordinator(options), { clock })
  const answers = async () => {
    await kit.settle()
    return kit.effects().map(({ effect }) => effect)
  }
  const request = (subtaskIndex: number, reader: number, sequence: number, more: object = {}) => {
    const message = { attempt: ATTEMPT, reader, restoredId: BEGUN, subtaskIndex, sequence, ...more }
    kit.run({ kind: 'requestSplit', ...message })
    return answers()
  }
  const snapshot = (readers: number[], checkpointId: number, attempt = ATTEMPT) => {
    kit.run({ kind: 'snapshot', attempt, checkpointId, completedId: BEGUN, readers })
    return answers()
  }
  return { request, snapshot, taken, errors }
}

t.test('source coordinator - a request is served once, and only for the attempts that are', async (t) => {
  const { request, taken, errors } = coordinated()
  t.same(await request(0, 3, 0), ['replied'])
  t.same(await request(0, 3, 0), ['replied'], 'heard already')
  t.same(taken, ['#3 0 1'])
  t.same(await request(0, 3, 1), ['replied'])
  t.same(await request(0, 2, 2), [], 'a reader that is gone')
  t.same(await request(1, 3, 0, { attempt: ATTEMPT - 1 }), [], 'for an enumerator that is gone')
  t.same(await request(0, 4, 0), ['replied'])
  t.same(taken.slice(1), ['#3 1 1', '#4 0 1'])
  t.same(errors, [])
})

t.test('source coordinator - no snapshot before every reader has been heard of', async (t) => {
  const { request, snapshot } = coordinated()
  await request(0, 0, 0)
  t.same(await snapshot([0, 0], 8), ['refused'])
  await request(1, 0, 0)
  t.same(await snapshot([0, 0], 8, ATTEMPT - 1), [])
  t.same(await snapshot([0, 0], 8), ['replied'])
  t.same(await snapshot([0, 1], 9), ['refused'], 'it may have something to give back')
  await request(1, 1, 0)
  t.same(await snapshot([0, 1], 9), ['replied'])
})

t.test('source coordinator - a reader that goes back too far is an error of the enumerator', async (t) => {
  const { request, errors } = coordinated()
  await request(0, 0, 0)
  await request(0, 1, 0, { restoredId: BEGUN - 1 })
  t.match(errors, [{ code: 'CONNECTOR_FAILED' }])
})
