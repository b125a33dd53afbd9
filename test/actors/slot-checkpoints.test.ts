/** Whose blobs are in the shared folder of a job: when a slot deletes what it has stored, and when it leaves it. */
import t from 'tap'
import { SlotCheckpoints } from '../../actors/slot-checkpoints.ts'
import type { SlotEnvironment } from '../../actors/slot-environment.ts'
import { systemClock } from '../../lib/base/clock.ts'
import { silentLogger } from '../../lib/base/logger.ts'
import { SeededRandom } from '../../lib/base/prng.ts'
import { subjects as subjectsOf } from '../../lib/bus/subjects.ts'
import { newBarrier } from '../../lib/checkpoint/checkpoint-settings.ts'
import type { SubtaskPlan } from '../../lib/graph/execution-graph.ts'
import { jobMasterName } from '../../lib/protocol/dispatcher.ts'
import type { JobMasterProtocol } from '../../lib/protocol/job-master.ts'
import type { Deployment } from '../../lib/protocol/slot.ts'
import { LocalCopies } from '../../lib/storage/local-copies.ts'
import { MemoryBlobStore, type MemoryBlobs } from '../../lib/storage/memory-blob-store.ts'
import { FaultyBlobStore } from '../../lib/testing/faulty-blob-store.ts'
import { Probe } from '../../lib/testing/probe.ts'
import { virtualNetwork } from '../lib/actor/virtual-system.ts'
import { virtualCheckpoint } from './virtual-jobs.ts'

const SLOW_MS = 400
const SUBJECTS = subjectsOf('test')
const PLAN = { vertex: { id: 'sum', operators: [] }, index: 0 } as unknown as SubtaskPlan
const SNAPSHOT = { operators: [], watermark: 0, inputs: [] }
const TIMES = { isUnaligned: false, alignmentMs: 0, syncMs: 0, frozenMs: 0 }
const MANY = { entryCount: 100, changedCount: 1, entryCountOf: () => null }
const ALL = { entryCount: 100, changedCount: 100, entryCountOf: () => null }

/** A slot over slow storage, with one subtask that has a delta to store for each checkpoint, unless told otherwise. */
function newSlot(copies: LocalCopies | null = null) {
  const network = virtualNetwork()
  const { clock, logger } = network
  const blobs: MemoryBlobs = new Map()
  let openCount = 0
  const environment = {
    location: { node: 'n', slot: 0 },
    system: network.system,
    subjects: SUBJECTS,
    clock,
    log: logger,
    openStorage: async () => {
      openCount++
      const store = new MemoryBlobStore(clock, blobs)
      const close = store.close.bind(store)
      store.close = async () => {
        openCount--
        await close()
      }
      return new FaultyBlobStore(store, { clock, random: new SeededRandom(1), delayMsMax: SLOW_MS })
    },
  } as unknown as SlotEnvironment
  const placement = {
    sum: [environment.location, { node: 'm', slot: 0 }],
    other: [{ node: 'n', slot: 1 }, environment.location],
  }
  const deployment = { jobId: 'job', attempt: 3, restore: null, placement } as unknown as Deployment
  const checkpoints = new SlotCheckpoints(environment, deployment, virtualCheckpoint, copies)
  const open = (checkpointId: number, size = MANY) => {
    const barrier = newBarrier(virtualCheckpoint, { checkpointId, timestamp: 0, isSavepoint: false })
    checkpoints.open(PLAN, barrier, size, () => {})
  }
  return {
    clock,
    checkpoints,
    stored: () => [...blobs.keys()].map((path) => path.replace('job/shared/sum-0-3-', '')),
    openCount: () => openCount,
    store: (checkpointId: number, size = MANY) => {
      open(checkpointId, size)
      checkpoints.store(PLAN, checkpointId, SNAPSHOT, TIMES)
    },
    storeUnused: (checkpointId: number, size = MANY) => {
      open(checkpointId, size)
      checkpoints.storeUnused(PLAN, checkpointId, SNAPSHOT)
    },
    startJobMaster: () =>
      new Probe<JobMasterProtocol>(network.createSystem(), clock, SUBJECTS.control(jobMasterName('job'))),
  }
}

t.test('slot checkpoints - what the job does not want is deleted, and nothing else', async (t) => {
  const slot = newSlot()
  const master = slot.startJobMaster()
  slot.store(1)
  const first = await master.expect('acknowledge')
  t.same(
    first.snapshot.blobs.map(({ name }) => name),
    ['sum-0-3-1-0'],
  )
  master.reply({ unwanted: [] })
  slot.store(2)
  t.equal((await master.expect('acknowledge')).snapshot.blobs.length, 2, 'a delta, and what it builds on')
  t.same(slot.stored(), ['1-0', '2-0'])
  master.reply({ unwanted: ['sum-0-3-2-0'] })
  await slot.clock.advance(SLOW_MS)
  t.same(slot.stored(), ['1-0'])
  await slot.checkpoints.close()
  await slot.clock.advance(10 * SLOW_MS)
  t.same(slot.stored(), ['1-0'], 'a checkpoint may need it')
  t.equal(slot.openCount(), 0)
})

t.test('slot checkpoints - what was being stored, or never told of, goes with the attempt', async (t) => {
  const slot = newSlot()
  slot.storeUnused(1)
  await slot.clock.advance(SLOW_MS)
  slot.store(2)
  await slot.clock.advance(1)
  t.same(slot.stored(), ['1-0'])
  await slot.checkpoints.close()
  await slot.clock.advance(10 * SLOW_MS)
  t.same(slot.stored(), [])
  t.equal(slot.openCount(), 0)
})

t.test('slot checkpoints - of what was never told of, what is built on stays', async (t) => {
  const slot = newSlot()
  const master = slot.startJobMaster()
  slot.storeUnused(1)
  await slot.clock.advance(SLOW_MS)
  slot.store(2)
  t.equal((await master.expect('acknowledge')).snapshot.blobs.length, 2)
  master.reply({ unwanted: [] })
  slot.storeUnused(3)
  await slot.clock.advance(SLOW_MS)
  t.same(slot.stored(), ['1-0', '2-0', '3-0'])
  slot.store(4, ALL)
  t.equal((await master.expect('acknowledge')).snapshot.blobs.length, 1, 'a base')
  master.reply({ unwanted: [] })
  await slot.clock.advance(SLOW_MS)
  t.same(slot.stored(), ['1-0', '2-0', '4-0'], 'those before it are the job master’s to delete')
})

t.test('slot checkpoints - who is told on after the end, when nobody answered', async (t) => {
  for (const unwanted of [['sum-0-3-1-0'], []]) {
    const slot = newSlot()
    slot.store(1)
    await slot.clock.advance(5000)
    slot.store(2)
    await slot.clock.advance(5000)
    await slot.checkpoints.close()
    await slot.clock.advance(20_000)
    t.same(slot.stored(), ['1-0', '2-0'], 'somebody may have heard of the first')
    const master = slot.startJobMaster()
    t.match(await master.expect('acknowledge'), { attempt: 3, checkpointId: 1 })
    master.reply({ unwanted })
    await slot.clock.advance(10 * SLOW_MS)
    t.same(slot.stored(), unwanted.length > 0 ? [] : ['1-0'], 'nobody can have heard of the second')
    t.equal(slot.openCount(), 0)
    t.equal(master.unread.length, 0)
  }
})

t.test('slot checkpoints - nobody is waited for for ever', async (t) => {
  const slot = newSlot()
  slot.store(1)
  await slot.clock.advance(5000)
  await slot.checkpoints.close()
  await slot.clock.advance(70_000)
  t.same(slot.stored(), ['1-0'], 'left for whoever looks through the folder')
  t.equal(slot.openCount(), 0)
  t.equal(slot.clock.timerCount, 0)
})

t.test('slot checkpoints - of subtasks that have moved away no copies are kept', async (t) => {
  const blobs: MemoryBlobs = new Map()
  const store = new MemoryBlobStore(systemClock, blobs)
  const copies = new LocalCopies({ store, bytesMax: 1000, log: silentLogger })
  const names = ['sum-0-2-7-0', 'sum-1-2-7-0', 'other-0-2-7-0', 'other-1-2-7-0', 'gone-0-2-7-0']
  for (const name of names) await copies.put(`job/shared/${name}`, [new Uint8Array(1)])
  const slot = newSlot(copies)
  t.same([...blobs.keys()], ['job/shared/sum-0-2-7-0', 'job/shared/other-1-2-7-0'])
  await slot.checkpoints.close()
  t.equal(blobs.size, 2, 'the next attempt may read them')
})
