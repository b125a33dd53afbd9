/** Jobs from one leader to the next: what is saved, and who may save. */
import t from 'tap'
import { SluiceError } from '../../../lib/base/errors.ts'
import { silentLogger } from '../../../lib/base/logger.ts'
import { JobStore } from '../../../lib/ha/job-store.ts'
import type { KeyValue } from '../../../lib/ha/key-value.ts'
import type { JobRecord } from '../../../lib/protocol/job-record.ts'
import type { JobSubmission } from '../../../lib/protocol/job-submission.ts'
import { MemoryBlobStore, type MemoryBlobs } from '../../../lib/storage/memory-blob-store.ts'
import { ManualClock } from '../../../lib/testing/manual-clock.ts'
import { MemoryKeyValue } from '../../../lib/testing/memory-key-value.ts'
import { runVirtually } from '../../support/virtual-time.ts'

const clock = new ManualClock(1e12)
const submissionOf = (jobId: string) =>
  ({ jobId, settings: { attempts: Number.POSITIVE_INFINITY } }) as unknown as JobSubmission

function recordOf(jobId: string, restarts = -1, submittedMs = 1): JobRecord {
  const job = { state: 'running', restarts, regions: [], places: [{ node: 'n', slot: 0 }] } as const
  return { jobId, name: jobId, submittedMs, endedMs: null, job, checkpoints: null }
}

class World {
  readonly keyValue: KeyValue
  readonly blobs: MemoryBlobs = new Map()
  leadingEpoch = 1

  constructor(keyValue: KeyValue = new MemoryKeyValue()) {
    this.keyValue = keyValue
  }

  store(epoch: number): JobStore {
    return new JobStore({
      keyValue: this.keyValue,
      openBlobs: async () => new MemoryBlobStore(clock, this.blobs),
      ...{ clock, log: silentLogger, epoch },
      isLeading: () => epoch >= this.leadingEpoch,
    })
  }
}

t.test('job store - the next leader finds what was saved last, in the order of submission', async (t) => {
  const world = new World()
  const store = world.store(1)
  const later = await store.add(submissionOf('a'), recordOf('a', -1, 2))
  await store.add(submissionOf('b'), recordOf('b', -1, 1))
  await later.save(() => recordOf('a', 3, 2))
  const jobs = await world.store(2).takeOver()
  t.same(
    jobs.map(({ record, submission }) => [record.jobId, record.job.restarts, submission]),
    [
      ['b', -1, submissionOf('b')],
      ['a', 3, submissionOf('a')],
    ],
  )
  t.same(await new World().store(2).takeOver(), [])
})

t.test('job store - once a job is taken over, the leader before saves nothing any more', async (t) => {
  const world = new World()
  const old = await world.store(1).add(submissionOf('a'), recordOf('a'))
  const [taken] = await world.store(2).takeOver()
  await t.rejects(
    old.save(() => recordOf('a', 9)),
    {
      code: 'NOT_LEADER',
      message: /leader of epoch 1, and that of epoch 2 has taken over/,
    },
  )
  await taken!.entry.save(() => recordOf('a', 4))
  t.equal((await world.store(3).takeOver())[0]!.record.job.restarts, 4)
  await t.rejects(world.store(2).takeOver(), { code: 'NOT_LEADER' }, 'nor does it take one over')
})

t.test('job store - of saves that wait the last is written, for all of them', async (t) => {
  const world = new World()
  const entry = await world.store(1).add(submissionOf('a'), recordOf('a'))
  let asked = 0
  const save = (attempt: number) =>
    entry.save(() => {
      asked++
      return recordOf('a', attempt)
    })
  await Promise.all([save(1), save(2), save(3)])
  t.ok(asked < 3)
  await save(4)
  t.equal((await world.store(2).takeOver())[0]!.record.job.restarts, 4)
})

/** Fails the next writes: before they happen, or after. */
class FailingKeyValue extends MemoryKeyValue {
  failures: ('before' | 'after')[] = []

  override async update(key: string, value: Uint8Array, revision: number): Promise<number | null> {
    const failure = this.failures.shift()
    if (failure === undefined) return await super.update(key, value, revision)
    if (failure === 'after') await super.update(key, value, revision)
    throw new SluiceError('STORAGE_FAILED', 'as planned')
  }
}

t.test('job store - a save that fails is tried again, as long as its leader leads', async (t) => {
  const keyValue = new FailingKeyValue()
  const world = new World(keyValue)
  const entry = await world.store(1).add(submissionOf('a'), recordOf('a'))
  keyValue.failures = ['before', 'after', 'before']
  await runVirtually(
    clock,
    entry.save(() => recordOf('a', 5)),
  )
  t.same(keyValue.failures, [])
  await entry.save(() => recordOf('a', 6))
  keyValue.failures = Array.from({ length: 100 }, () => 'before')
  const saving = t.rejects(
    entry.save(() => recordOf('a', 7)),
    { code: 'NOT_LEADER' },
  )
  await clock.advance(500)
  world.leadingEpoch = 2
  await runVirtually(clock, saving)
  keyValue.failures = []
  t.equal((await world.store(2).takeOver())[0]!.record.job.restarts, 6)
})

t.test('job store - a job that is forgotten leaves nothing; one that is not whole is left out', async (t) => {
  const world = new World()
  const store = world.store(1)
  const gone = await store.add(submissionOf('gone'), recordOf('gone'))
  await store.add(submissionOf('half'), recordOf('half'))
  await store.add(submissionOf('whole'), recordOf('whole'))
  await gone.remove()
  world.blobs.delete('submissions/half')
  t.same([...world.blobs.keys()], ['submissions/whole'])
  const jobs = await world.store(2).takeOver()
  t.same(
    jobs.map(({ record }) => record.jobId),
    ['whole'],
  )
})

t.test('job store - a record of another version is not touched', async (t) => {
  const world = new World()
  await world.store(1).add(submissionOf('a'), recordOf('a'))
  const { value, revision } = (await world.keyValue.get('jobs.a'))!
  const text = new TextDecoder().decode(value).replace('"formatVersion":1', '"formatVersion":2')
  await world.keyValue.update('jobs.a', new TextEncoder().encode(text), revision)
  await t.rejects(world.store(2).takeOver(), {
    code: 'STATE_INCOMPATIBLE',
    message: 'the record jobs.a has format 2, this version of Sluice reads format 1',
  })
})
