/** Storage that does not work, or is not the same everywhere, is found out before a job runs on it. */
import t from 'tap'
import { answerProbe, StorageProbe } from '../../actors/storage-probe.ts'
import { SluiceError } from '../../lib/base/errors.ts'
import { silentLogger } from '../../lib/base/logger.ts'
import { SeededRandom } from '../../lib/base/prng.ts'
import { subjects } from '../../lib/bus/subjects.ts'
import { generator } from '../../lib/connectors/generator.ts'
import type { SlotProtocol } from '../../lib/protocol/slot.ts'
import type { BlobStore } from '../../lib/storage/blob-store.ts'
import { MemoryBlobStore, type MemoryBlobs } from '../../lib/storage/memory-blob-store.ts'
import { FaultyBlobStore } from '../../lib/testing/faulty-blob-store.ts'
import { ManualClock } from '../../lib/testing/manual-clock.ts'
import { runVirtually } from '../support/virtual-time.ts'
import { listSink, runJob, virtualCheckpoint } from './virtual-jobs.ts'

interface Hosts {
  /** What each sees at every URI. */
  readonly coordinator: MemoryBlobs
  readonly node: MemoryBlobs
  readonly restore?: { readonly storageUri: string; readonly folder: string }
  wrap?(store: BlobStore, clock: ManualClock): BlobStore
  answer?(): void
}

function probeOf(hosts: Hosts) {
  const clock = new ManualClock(1e12)
  const opener = (blobs: MemoryBlobs) => async () => {
    const store = new MemoryBlobStore(clock, blobs)
    return hosts.wrap?.(store, clock) ?? store
  }
  const ask = async (_ref: unknown, message: unknown) => {
    hosts.answer?.()
    await answerProbe(message as SlotProtocol['probeStorage']['request'], 'n2', opener(hosts.node))
    return {}
  }
  const probe = new StorageProbe(
    {
      ...{ jobId: 'job', storageUri: 'file:///data', restore: hosts.restore ?? null },
      ...{ subjects: subjects('test'), openStorage: opener(hosts.coordinator) },
    },
    { clock, random: new SeededRandom(1), log: silentLogger, ask: ask as never },
  )
  return { probe, run: <T>(promise: Promise<T>) => runVirtually(clock, promise) }
}

const slot = { node: 'n2', slot: 0 }

t.test('storage probe - shared storage passes, and nothing is left in it', async (t) => {
  const blobs: MemoryBlobs = new Map()
  const { probe, run } = probeOf({ coordinator: blobs, node: blobs })
  await run(probe.checkHere())
  t.equal(probe.hasPassed('n2'), false)
  await run(probe.checkNode(slot))
  t.equal(probe.hasPassed('n2'), true)
  t.same([...blobs.keys()], [])
})

t.test('storage probe - the disk of another host is found out, with what to do about it', async (t) => {
  const { probe, run } = probeOf({ coordinator: new Map(), node: new Map() })
  await t.rejects(run(probe.checkNode(slot)), {
    code: 'STORAGE_UNUSABLE',
    message: /coordinator and node "n2" do not share file:\/\/\/data: .*network file system/,
  })
  t.equal(probe.hasPassed('n2'), false)
})

t.test('storage probe - a node that reads what the coordinator writes, but writes elsewhere', async (t) => {
  const coordinator: MemoryBlobs = new Map()
  const node = new (class extends Map {
    override get(path: string) {
      return coordinator.get(path)
    }
  })() as MemoryBlobs
  const { probe, run } = probeOf({ coordinator, node })
  await t.rejects(run(probe.checkNode(slot)), { code: 'STORAGE_UNUSABLE', message: /do not share/ })
})

t.test('storage probe - what the job begins from must be readable on the node', async (t) => {
  const blobs: MemoryBlobs = new Map()
  const restore = { storageUri: 'file:///backup', folder: 'old/chk-3/' }
  const { probe, run } = probeOf({ coordinator: blobs, node: blobs, restore })
  await t.rejects(run(probe.checkNode(slot)), {
    code: 'STORAGE_UNUSABLE',
    message: /finds old\/chk-3\/meta in file:\/\/\/backup and node "n2" does not/,
  })
})

t.test('storage probe - a node that does not answer proves nothing', async (t) => {
  const blobs: MemoryBlobs = new Map()
  const answer = () => {
    throw new SluiceError('NO_RESPONDERS', 'nobody is there')
  }
  const { probe, run } = probeOf({ coordinator: blobs, node: blobs, answer })
  await run(probe.checkNode(slot))
  t.equal(probe.hasPassed('n2'), false)
})

t.test('storage probe - what may pass is tried again; what does not pass is told in the end', async (t) => {
  const blobs: MemoryBlobs = new Map()
  const faults = { failureRate: 0.1, lostAckRate: 0.05, delayMsMax: 20, random: new SeededRandom(5) }
  const flaky = (store: BlobStore, clock: ManualClock) =>
    new FaultyBlobStore(store, { ...faults, clock, isActive: () => true })
  const sometimes = probeOf({ coordinator: blobs, node: blobs, wrap: flaky })
  await sometimes.run(sometimes.probe.checkNode(slot))
  t.equal(sometimes.probe.hasPassed('n2'), true)
  const never = (store: BlobStore, clock: ManualClock) =>
    new FaultyBlobStore(store, { ...faults, failureRate: 1, delayMsMax: 0, clock, isActive: () => true })
  const broken = probeOf({ coordinator: blobs, node: blobs, wrap: never })
  await t.rejects(broken.run(broken.probe.checkNode(slot)), { code: 'STORAGE_FAILED' })
})

t.test('storage probe - storage that does not answer at all is given up', async (t) => {
  const blobs: MemoryBlobs = new Map()
  const wrap = (store: BlobStore) => Object.assign(store, { check: () => new Promise<void>(() => {}) })
  const { probe, run } = probeOf({ coordinator: blobs, node: blobs, wrap })
  await t.rejects(run(probe.checkHere()), {
    code: 'STORAGE_FAILED',
    message: 'file:///data did not answer within 15000 ms',
  })
})

t.test('storage probe - a job whose storage cannot be used is refused, and nothing runs', async (t) => {
  const list: string[] = []
  const checkpoint = { ...virtualCheckpoint, storageUri: 'file:///dev/null/checkpoints' }
  const { state, error } = await runJob(
    (env) => env.source(generator({ count: 1, generate: (n) => n })).sinkTo(listSink(list)),
    {
      checkpoint,
    },
  )
  t.equal(state, 'failed')
  t.match(error, { code: 'STORAGE_UNUSABLE', message: /file:\/\/\/dev\/null\/checkpoints/ })
  t.same(list, [])
})
