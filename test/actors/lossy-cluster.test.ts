/** A cluster on a bus that loses messages: what is lost is made up for, nothing is counted twice. */
import t from 'tap'
import { startInlineSlots } from '../../actors/inline-slot-host.ts'
import { loadJob } from '../../actors/load-job-module.ts'
import { startCoordinator } from '../../actors/start-coordinator.ts'
import { taskManager } from '../../actors/task-manager.ts'
import { ActorSystem } from '../../lib/actor/actor-system.ts'
import { buildJob, type JobDefinition, job } from '../../lib/api/job.ts'
import { registerJob } from '../../lib/api/load-job.ts'
import { type Clock, sleep } from '../../lib/base/clock.ts'
import { SluiceError } from '../../lib/base/errors.ts'
import { silentLogger } from '../../lib/base/logger.ts'
import { type Random, SeededRandom } from '../../lib/base/prng.ts'
import type { Bus, BusMessage } from '../../lib/bus/bus.ts'
import { LocalBroker } from '../../lib/bus/local-bus.ts'
import { subjects as subjectsOf } from '../../lib/bus/subjects.ts'
import { ClusterClient } from '../../lib/client/cluster-client.ts'
import { taskSettings } from '../../lib/config/config-settings.ts'
import { defaultConfig } from '../../lib/config/resolve-config.ts'
import { generator } from '../../lib/connectors/generator.ts'
import { BusFramePort } from '../../lib/network/bus-frame-port.ts'
import type { JobDescription } from '../../lib/protocol/job-submission.ts'
import { MemoryBlobStore } from '../../lib/storage/memory-blob-store.ts'
import { ManualClock } from '../../lib/testing/manual-clock.ts'
import { MemoryKeyValueStore } from '../../lib/testing/memory-key-value-store.ts'
import { t as types } from '../../lib/types/t.ts'
import { SETTINGS } from '../support/build-graph.ts'
import { runVirtually } from '../support/virtual-time.ts'
import { listSink } from './virtual-jobs.ts'

const ALONE = { id: 'c', host: 'host', pid: 1, highAvailability: null }
const SUBJECTS = subjectsOf('lossy')
/** Frames, credits, splits; orders to slots and their reports. A grant that is lost only its job's timeout notices. */
const LOST = /\.(dat|crd|act)\.|\.ctl\.slot-.*\.(start|cancel)$|\.report$/

/** Loses a share of the messages whose subjects match. */
function lossyBus(inner: Bus, clock: Clock, random: Random, lost: number): Bus & { lostCount: number } {
  const isLost = (subject: string): boolean => LOST.test(subject) && random.nextFloat() < lost
  const bus = {
    lostCount: 0,
    publish(subject: string, payload: Uint8Array, replyTo?: string) {
      if (isLost(subject)) bus.lostCount++
      else inner.publish(subject, payload, replyTo)
    },
    async request(subject: string, payload: Uint8Array, timeoutMs: number): Promise<BusMessage> {
      if (!isLost(subject)) return inner.request(subject, payload, timeoutMs)
      bus.lostCount++
      await sleep(clock, timeoutMs)
      throw new SluiceError('TIMEOUT', `no answer on ${subject}`)
    },
    subscribe: inner.subscribe.bind(inner),
    flush: inner.flush.bind(inner),
    close: inner.close.bind(inner),
    onStatus: inner.onStatus.bind(inner),
    payloadBytesMax: inner.payloadBytesMax,
    stats: inner.stats,
  }
  return bus
}

async function runLossy(definition: JobDefinition, parallelism: number, lost: number, seed: number) {
  const clock = new ManualClock(1e12)
  const random = new SeededRandom(seed)
  const broker = new LocalBroker({ clock, logger: silentLogger })
  const bus = lossyBus(broker.connect(), clock, random, lost)
  const shared = { bus, clock, random, subjects: SUBJECTS, log: silentLogger }
  const openStorage = async () => new MemoryBlobStore(clock)
  const run = <T>(promise: Promise<T>) => runVirtually(clock, promise)
  const system = new ActorSystem({ ...shared, logger: silentLogger })
  const coordinator = await run(
    startCoordinator({ ...ALONE, ...shared, heartbeatTimeoutMs: 10_000, openStorage }),
  )
  const slots = startInlineSlots({
    connections: {},
    ...shared,
    nodeId: 'n',
    slotCount: parallelism,
    incarnation: '1',
    busPort: new BusFramePort(bus, SUBJECTS),
    openStorage,
    openState: async () => new MemoryKeyValueStore('soon'),
    openCopies: () => new MemoryBlobStore(clock),
    loadJob: (module) => loadJob(module, { cacheDir: '', blobs: null }),
    heartbeatIntervalMs: 500,
  })
  const node = {
    ...{ subjects: SUBJECTS, nodeId: 'n', incarnation: '1', host: 'h', pid: 1, version: '1', slots },
    ...{ heartbeatIntervalMs: 500, refusalPatienceMs: 0, onRefused() {}, onRegistered() {} },
  }
  system.spawn(SUBJECTS.control('node-n'), taskManager(node))
  const client = new ClusterClient({ system, subjects: SUBJECTS, clock })
  const graph = { ...SETTINGS, parallelism }
  const submission = {
    jobId: 'j',
    module: { kind: 'registered', key: registerJob(definition) } as const,
    graph: buildJob(definition, graph).graph,
    settings: {
      graph,
      task: { ...taskSettings(defaultConfig()), exchange: 'nats' as const, frameBytes: 500 },
      restart: { kind: 'none' as const },
      checkpoint: null,
      restore: null,
      slotRequestTimeoutMs: 60_000,
    },
  }
  await run(client.submit(submission))
  return {
    clock,
    run,
    client,
    bus,
    close: () => run(Promise.all([slots.close(), coordinator.close(), system.close()])),
  }
}

function sums(list: string[]): JobDefinition {
  return job('sums', (env) => {
    env
      .source(generator({ count: 3000, generate: (i) => i, type: types.int64 }))
      .keyBy((n) => n % 11)
      .map((n) => n, { type: types.int64 })
      .rebalance()
      .sinkTo(listSink(list))
  })
}

t.test('lossy cluster - every record arrives once though three of ten messages are lost', async (t) => {
  for (const seed of [1, 2, 3]) {
    const list: string[] = []
    const cluster = await runLossy(sums(list), 2, 0.3, seed)
    const description: JobDescription = await cluster.run(cluster.client.waitForEnd('j'))
    t.equal(description.error, undefined)
    t.equal(description.state, 'finished', `seed ${seed}`)
    t.same(
      list.map(Number).sort((a, b) => a - b),
      [...Array(3000).keys()],
    )
    t.ok(cluster.bus.lostCount > 10, `${cluster.bus.lostCount} messages were lost`)
    await cluster.close()
  }
})

t.test('lossy cluster - a job is cancelled though half of the orders are lost', async (t) => {
  for (const seed of [4, 5, 6]) {
    const endless = job('endless', (env) => {
      env
        .source(generator({ generate: (i) => i, ratePerSecond: 100 }))
        .rebalance()
        .sinkTo(listSink([]))
    })
    const cluster = await runLossy(endless, 2, 0.5, seed)
    await cluster.clock.advance(10_000)
    await cluster.run(cluster.client.cancel('j'))
    const { state } = await cluster.run(cluster.client.waitForEnd('j'))
    t.equal(state, 'cancelled')
    await cluster.close()
  }
})
