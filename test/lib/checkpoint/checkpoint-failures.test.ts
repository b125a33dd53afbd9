/** How many failures are too many. */
import t from 'tap'
import { CheckpointFailures } from '../../../lib/checkpoint/checkpoint-failures.ts'

t.test(
  'checkpoint failures - one more than tolerable fails the job, then counting begins anew',
  async (t) => {
    const failures = new CheckpointFailures(1)
    t.equal(failures.onFailure(1, 'expired'), false)
    t.equal(failures.onFailure(2, 'declined'), true)
    t.equal(failures.count, 0)
    t.equal(failures.onFailure(3, 'io-exception'), false)
  },
)

t.test('checkpoint failures - what follows from something else does not count', async (t) => {
  const failures = new CheckpointFailures(0)
  t.equal(failures.onFailure(1, 'subsumed'), false)
  t.equal(failures.onFailure(2, 'job-failover-region'), false)
  t.equal(failures.onFailure(3, 'declined-input-end-of-stream'), false)
  t.equal(failures.onFailure(null, 'min-pause'), false)
  t.equal(failures.onFailure(4, 'finalize-failure'), true)
})

t.test(
  'checkpoint failures - a checkpoint counts once, and not after a newer one has succeeded',
  async (t) => {
    const failures = new CheckpointFailures(5)
    failures.onFailure(1, 'declined')
    failures.onFailure(1, 'expired')
    t.equal(failures.count, 1)
    failures.onSuccess(3)
    t.equal(failures.count, 0)
    failures.onFailure(2, 'expired')
    t.equal(failures.count, 0)
    failures.onSuccess(1)
    failures.onFailure(3, 'expired')
    t.equal(failures.count, 0, 'an older success changes nothing')
    failures.onFailure(null, 'io-exception')
    failures.onFailure(null, 'io-exception')
    t.equal(failures.count, 2, 'those that were never begun count each time')
  },
)
