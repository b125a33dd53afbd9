/** A node dies that runs one of two regions only: the other does not notice, and both come to the right end. */
import t from 'tap'
import { buildJob, job } from '../../lib/api/job.ts'
import type { StreamEnvironment } from '../../lib/api/stream-environment.ts'
import { silentLogger } from '../../lib/base/logger.ts'
import { SeededRandom } from '../../lib/base/prng.ts'
import { generator } from '../../lib/connectors/generator.ts'
import { ManualClock } from '../../lib/testing/manual-clock.ts'
import { t as types } from '../../lib/types/t.ts'
import { type Plan, planOf } from './plan.ts'
import { NO_SINK_FAULTS, Results, resultSink } from './results.ts'
import { SimulatedClient } from './simulated-client.ts'
import { SimulatedCluster } from './simulated-cluster.ts'
import { SimulatedNetwork } from './simulated-network.ts'
import { SimulatedStorage } from './simulated-storage.ts'

const COUNT = 1000
const RATE = 100
const KILLED_AT = 400

/** Three nodes with a slot each, of which a job of two needs two; nothing goes wrong by itself. */
const PLAN: Plan = {
  ...planOf(1),
  ...{ coordinators: 1, nodes: [1, 1, 1], parallelism: 1, events: [], damages: [], throwsAt: [] },
  ...{ savepoint: null, sink: 'transactional', restartDelayMs: 100, heartbeatTimeoutMs: 1000 },
  network: { ...planOf(1).network, lossRate: 0, duplicateRate: 0, delayMsMax: 1 },
  storage: { failureRate: 0, lostAckRate: 0, delayMsMax: 1 },
}

interface Opened {
  readonly name: string
  readonly attempt: number
}

t.test('region failover - a node dies that runs one region only', async (t) => {
  const clock = new ManualClock(1e12)
  const results = new Results()
  const opened: Opened[] = []
  const seen = new Map<string, number[]>([
    ['a', []],
    ['b', []],
  ])
  const pipeline = (env: StreamEnvironment, name: string): void => {
    const slotSharingGroup = name
    env
      .source(generator({ count: COUNT, ratePerSecond: RATE, type: types.int64, generate: (n) => n }), {
        uid: name,
        slotSharingGroup,
      })
      .map(
        {
          open: ({ attempt }) => void opened.push({ name, attempt }),
          map: (n) => {
            seen.get(name)!.push(clock.monotonic())
            return `${name} ${n}=${n}`
          },
        },
        { uid: `${name}-map`, type: types.string },
      )
      .sinkTo(resultSink('transactional', results, NO_SINK_FAULTS), { uid: `${name}-out` })
  }
  const definition = job('two', (env) => {
    pipeline(env, 'a')
    pipeline(env, 'b')
  })
  const isFaulty = () => false
  const random = new SeededRandom(1)
  const network = new SimulatedNetwork({
    ...{ clock, random, isFaulty, log: silentLogger, faults: PLAN.network },
    onDelivery() {},
  })
  const storage = new SimulatedStorage({ ...PLAN.storage, random, isActive: isFaulty })
  const cluster = new SimulatedCluster({
    ...{ plan: PLAN, clock, network, storage, isFaulty },
    loggerOf: () => silentLogger,
    loadJob: () => definition,
  })
  const within = async <T>(promise: Promise<T>): Promise<T> => {
    let isSettled = false
    const settle = () => {
      isSettled = true
    }
    promise.then(settle, settle)
    t.ok(await clock.advanceUntil(() => isSettled, 120_000))
    return promise
  }
  await within(cluster.start())
  const client = new SimulatedClient({ cluster, plan: PLAN, clock })
  const ended = client.runJob((parallelism) => buildJob(definition, client.graphSettings(parallelism)).graph)
  await clock.advanceUntil(() => seen.get('b')!.length >= KILLED_AT, 60_000)
  const [ofA, ofB] = ['a', 'b'].map((name) => client.nodeOf(name))
  t.not(ofA, ofB)
  cluster.kill(ofB!, true)
  const { restarts } = await within(ended)
  t.equal(restarts, 1)
  t.same(
    opened.filter(({ name }) => name === 'a').map(({ attempt }) => attempt),
    [0],
  )
  t.same(
    opened.filter(({ name }) => name === 'b').map(({ attempt }) => attempt),
    [0, 1],
  )
  const gapsOf = (name: string) =>
    seen
      .get(name)!
      .slice(1)
      .map((atMs, i) => atMs - seen.get(name)![i]!)
  t.ok(Math.max(...gapsOf('a')) < 100, `nothing of a for ${Math.max(...gapsOf('a'))} ms`)
  t.ok(Math.max(...gapsOf('b')) > PLAN.heartbeatTimeoutMs, 'b was gone until its node was missed')
  t.equal(seen.get('a')!.length, COUNT, 'nothing of a is read twice')
  const expected = ['a', 'b'].flatMap((name) => Array.from({ length: COUNT }, (_, n) => `${name} ${n}=${n}`))
  t.same(results.rows, expected.sort())
  await within(cluster.close())
})
