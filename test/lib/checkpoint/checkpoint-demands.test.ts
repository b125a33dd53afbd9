/** What people ask for is begun once, however often they ask. */
import t from 'tap'
import { CheckpointDemands } from '../../../lib/checkpoint/checkpoint-demands.ts'

const demand = { requestId: 'r', type: 'savepoint', uri: 'memory:here', stop: 'none' } as const

t.test('checkpoint demands - from the request to its end', async (t) => {
  const demands = new CheckpointDemands()
  t.equal(demands.status('r'), undefined)
  demands.add(demand)
  t.same(demands.status('r'), { isDone: false, checkpointId: null, uri: 'memory:here' })
  demands.triggered('r', 4, 'memory:there')
  t.same(demands.status('r'), { isDone: false, checkpointId: 4, uri: 'memory:there' })
  t.equal(demands.find('r')?.uri, 'memory:there')
  demands.done('r')
  demands.failAll('the job is over')
  t.same(demands.status('r'), { isDone: true, checkpointId: 4, uri: 'memory:there' })
})

t.test('checkpoint demands - the first failure is what is told', async (t) => {
  const demands = new CheckpointDemands()
  demands.add({ ...demand, type: 'checkpoint' })
  demands.failed('r', 'expired')
  demands.failAll('stopped')
  const failure = { code: 'CHECKPOINT_FAILED', message: 'the checkpoint was not taken: expired' }
  t.throws(() => demands.status('r'), failure)
})

t.test('checkpoint demands - the oldest are forgotten', async (t) => {
  const demands = new CheckpointDemands()
  for (let i = 0; i < 101; i++) demands.add({ ...demand, requestId: `r${i}` })
  t.equal(demands.status('r0'), undefined)
  t.ok(demands.status('r1'))
  demands.triggered('r0', 1, 'x')
  demands.done('r0')
  demands.failed('r0', 'x')
  t.equal(demands.status('r0'), undefined)
})
