/** Coordinators on one bus in virtual time: who leads, who stands by, who is refused, and how clients get along. */
import t from 'tap'
import { type RunningCoordinator, startCoordinator } from '../../actors/start-coordinator.ts'
import { ActorSystem } from '../../lib/actor/actor-system.ts'
import { silentLogger } from '../../lib/base/logger.ts'
import { SeededRandom } from '../../lib/base/prng.ts'
import { LocalBroker } from '../../lib/bus/local-bus.ts'
import { subjects as subjectsOf } from '../../lib/bus/subjects.ts'
import { ClusterClient } from '../../lib/client/cluster-client.ts'
import { MemoryBlobStore, type MemoryBlobs } from '../../lib/storage/memory-blob-store.ts'
import { ManualClock } from '../../lib/testing/manual-clock.ts'
import { MemoryKeyValue } from '../../lib/testing/memory-key-value.ts'
import { runVirtually } from '../support/virtual-time.ts'

const LEASE_MS = 3000

class World {
  readonly clock = new ManualClock(1_700_000_000_000)
  readonly keyValue = new MemoryKeyValue()
  readonly told: string[] = []
  readonly #blobs: MemoryBlobs = new Map()
  readonly #broker = new LocalBroker({ clock: this.clock, logger: silentLogger })
  readonly #subjects = subjectsOf('c')
  #count = 0
  readonly client: ClusterClient

  constructor() {
    const system = new ActorSystem({ ...this.#environment(), bus: this.#broker.connect() })
    this.client = new ClusterClient({ system, subjects: this.#subjects, clock: this.clock })
  }

  run<T>(promise: Promise<T>): Promise<T> {
    return runVirtually(this.clock, promise)
  }

  async start(id: string, isAlone = false): Promise<RunningCoordinator & { vanish(): Promise<void> }> {
    const bus = this.#broker.connect()
    const running = await this.run(
      startCoordinator({
        ...{ id, host: 'host', pid: 1, bus, subjects: this.#subjects },
        ...this.#environment(),
        log: silentLogger,
        heartbeatTimeoutMs: 10_000,
        highAvailability: isAlone
          ? null
          : { keyValue: this.keyValue, leaseMs: LEASE_MS, storageUri: 'memory:' },
        openStorage: async () => new MemoryBlobStore(this.clock, this.#blobs),
        onLeading: (epoch) => void this.told.push(`${id} leads ${epoch - 1_700_000_000}`),
        onStandby: (leader) => void this.told.push(`${id} stands by for ${leader?.id ?? 'nobody'}`),
      }),
    )
    return { isLeading: () => running.isLeading(), close: () => running.close(), vanish: () => bus.close() }
  }

  #environment() {
    const random = new SeededRandom(++this.#count)
    return { clock: this.clock, random, logger: silentLogger }
  }
}

t.test('coordinators - the first leads, the others stand by, and say for whom', async (t) => {
  const world = new World()
  const c1 = await world.start('c1')
  await world.clock.advance(100)
  const c2 = await world.start('c2')
  await world.clock.advance(3000)
  t.same(world.told, ['c1 leads 0', 'c2 stands by for c1'])
  t.same([c1.isLeading(), c2.isLeading()], [true, false])
  const leader = await world.run(world.client.leader())
  t.match(leader, { id: 'c1', host: 'host', pid: 1, epoch: 1_700_000_000 })
  t.same(
    leader.standbys.map(({ id }) => id),
    ['c2'],
  )
  await world.run(c1.close())
  await world.clock.advance(1000)
  t.same(world.told.slice(2), ['c2 stands by for nobody', 'c2 leads 1'], 'one that stops lays its lease down')
  t.same((await world.run(world.client.leader())).standbys, [])
  await world.run(c2.close())
})

t.test('coordinators - one that is gone without a word is waited for as long as its lease', async (t) => {
  const world = new World()
  const c1 = await world.start('c1')
  await world.clock.advance(100)
  const c2 = await world.start('c2')
  await world.clock.advance(1000)
  // Cut off from the store too, which memory is not: it goes on renewing, in vain.
  await c1.vanish()
  const original = world.keyValue.update.bind(world.keyValue)
  let isCut = true
  world.keyValue.update = async (key, value, revision) =>
    isCut && new TextDecoder().decode(value).includes('"id":"c1"')
      ? null
      : await original(key, value, revision)
  const jobs = world.client.jobs()
  const startedMs = world.clock.monotonic()
  t.same(await world.run(jobs), [], 'who asks meanwhile waits, and is answered')
  const waitedMs = world.clock.monotonic() - startedMs
  t.ok(waitedMs > LEASE_MS && waitedMs < 2 * LEASE_MS, `${waitedMs} ms`)
  t.same([c1.isLeading(), c2.isLeading()], [false, true])
  isCut = false
  await world.run(c2.close())
  await world.run(c1.close())
})

t.test('coordinators - an id that is taken is refused, whoever leads', async (t) => {
  const world = new World()
  const c1 = await world.start('c1')
  const c2 = await world.start('c2')
  for (const id of ['c1', 'c2']) {
    await t.rejects(world.start(id), {
      code: 'ID_TAKEN',
      message: `another process is coordinator "${id}" of this cluster; give this one another id (--id), or stop the other`,
    })
  }
  await world.run(c2.close())
  const again = await world.start('c2')
  await world.run(again.close())
  await world.run(c1.close())
})

t.test('coordinators - where nothing outlives them there is only one', async (t) => {
  const world = new World()
  const c1 = await world.start('c1', true)
  await t.rejects(world.start('c2', true), {
    code: 'ID_TAKEN',
    message: /without JetStream there can be only one/,
  })
  t.same(world.told, ['c1 leads 0'])
  await world.run(c1.close())
  await t.rejects(world.run(world.client.jobs()), {
    code: 'NO_RESPONDERS',
    message: /start one with `sluice coordinator`/,
  })
})
