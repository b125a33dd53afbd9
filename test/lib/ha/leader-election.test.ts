import fc from 'fast-check'
import t, { type Test } from 'tap'
import { type Clock, systemClock } from '../../../lib/base/clock.ts'
import { createLogger, type LogEntry, silentLogger } from '../../../lib/base/logger.ts'
import { SeededRandom } from '../../../lib/base/prng.ts'
import { connectNatsBus } from '../../../lib/bus/nats-bus.ts'
import { JetStreamKeyValueStore } from '../../../lib/ha/jetstream-key-value-store.ts'
import type { KeyValueStore } from '../../../lib/ha/key-value-store.ts'
import { LeaderElection, type LeaderElectionOptions } from '../../../lib/ha/leader-election.ts'
import { MemoryKeyValueStore, MemoryKeyValues } from '../../../lib/ha/memory-key-value-store.ts'
import { FaultyKeyValueStore } from '../../../lib/testing/faulty-key-value-store.ts'
import { ManualClock } from '../../../lib/testing/manual-clock.ts'
import { startTestServer } from '../../support/nats-server.ts'
import { runVirtually } from '../../support/virtual-time.ts'

const LEASE_MS = 9000

/** An election whose listeners are noted as lines. */
function elect(
  store: KeyValueStore,
  clock: Clock,
  leaderId: string,
  more: Partial<LeaderElectionOptions> = {},
) {
  const lines: string[] = []
  const election = new LeaderElection({
    store,
    clock,
    leaderId,
    logger: silentLogger,
    key: 'leader',
    leaseMs: LEASE_MS,
    onElected: (epoch) => lines.push(`elected ${epoch}`),
    onDeposed: (epoch, reason) => lines.push(`deposed ${epoch}: ${reason}`),
    ...more,
  })
  election.start()
  return { election, lines }
}

/** A store that can be cut off from its server: nothing is answered any more. */
function severable(inner: KeyValueStore) {
  let isCut = false
  const unless = <T>(call: () => Promise<T>): Promise<T> => (isCut ? new Promise(() => {}) : call())
  const store: KeyValueStore = {
    get: (key) => unless(() => inner.get(key)),
    create: (key, value) => unless(() => inner.create(key, value)),
    update: (key, value, revision) => unless(() => inner.update(key, value, revision)),
    delete: (key, revision) => unless(() => inner.delete(key, revision)),
    keys: (prefix) => unless(() => inner.keys(prefix)),
    watch: (prefix, onChange) => inner.watch(prefix, (key, entry) => isCut || onChange(key, entry)),
    close: () => inner.close(),
  }
  const cut = () => {
    isCut = true
  }
  return { store, cut }
}

t.test(
  'leader election - the first leads; when it is cut off it steps down, then the second leads',
  async (t) => {
    const clock = new ManualClock()
    const shared = new MemoryKeyValues()
    const { store, cut } = severable(new MemoryKeyValueStore(shared))
    const a = elect(store, clock, 'a')
    await clock.settle()
    const b = elect(new MemoryKeyValueStore(shared), clock, 'b')
    await clock.advance(10 * LEASE_MS)
    t.same([a.lines, b.lines], [['elected 1'], []])
    t.same(a.election.leadership(), { epoch: 1 })
    cut()
    await clock.advanceUntil(() => a.election.leadership() === undefined, 2 * LEASE_MS)
    t.equal(b.election.leadership(), undefined, 'there is a time without a leader')
    const sinceMs = clock.monotonic()
    await clock.advanceUntil(() => b.election.leadership() !== undefined, 2 * LEASE_MS)
    t.ok(clock.monotonic() - sinceMs >= LEASE_MS / 10, 'the margin')
    t.same(a.lines, ['elected 1', 'deposed 1: the lease could not be renewed in time'])
    t.same(b.lines, ['elected 2'])
  },
)

t.test('leader election - after a resignation nobody waits for the lease to end', async (t) => {
  const clock = new ManualClock()
  const shared = new MemoryKeyValues()
  const a = elect(new MemoryKeyValueStore(shared), clock, 'a')
  await clock.settle()
  const b = elect(new MemoryKeyValueStore(shared), clock, 'b')
  await clock.advance(LEASE_MS)
  const resigned = a.election.resign()
  t.equal(a.election.leadership(), undefined, 'at once')
  t.same(a.lines, ['elected 1', 'deposed 1: it resigned'])
  await resigned
  await a.election.resign()
  await clock.settle()
  t.same(b.lines, ['elected 2'], 'the watch tells')
  await runVirtually(clock, b.election.resign())
  t.equal(clock.timerCount, 0, 'nothing is left running')
  const c = elect(new MemoryKeyValueStore(shared), clock, 'c')
  await clock.settle()
  t.same(c.lines, ['elected 3'])
})

t.test('leader election - one may resign from within being elected', async (t) => {
  const clock = new ManualClock()
  const lines: string[] = []
  const { election } = elect(new MemoryKeyValueStore(), clock, 'a', {
    onElected: () => {
      lines.push('elected')
      void election.resign()
      lines.push('still in the listener')
    },
    onDeposed: () => lines.push('deposed'),
  })
  await clock.settle()
  t.same(lines, ['elected', 'still in the listener', 'deposed'])
  await election.resign()
  t.equal(clock.timerCount, 0)
})

t.test('leader election - a listener that throws does not stop the renewals', async (t) => {
  const clock = new ManualClock()
  const entries: LogEntry[] = []
  const { election } = elect(new MemoryKeyValueStore(), clock, 'a', {
    logger: createLogger(clock, 'error', (entry) => entries.push(entry)),
    onElected: () => {
      throw new Error('listener')
    },
  })
  await clock.advance(5 * LEASE_MS)
  t.same(election.leadership(), { epoch: 1 })
  t.match(entries, [{ event: 'listener of an election threw' }])
})

t.test('leader election - a record that is none is an error in the log, and nobody leads', async (t) => {
  for (const text of ['', 'leader: me', '{"leaderId":"x"}', '{"leaderId":1,"epoch":1}', 'null']) {
    const clock = new ManualClock()
    const store = new MemoryKeyValueStore()
    await store.create('leader', new TextEncoder().encode(text))
    const entries: LogEntry[] = []
    const { lines } = elect(store, clock, 'a', {
      logger: createLogger(clock, 'warn', (entry) => entries.push(entry)),
    })
    await clock.advance(3 * LEASE_MS)
    t.same(lines, [])
    t.match(entries[0], {
      event: 'leader election cannot use its store',
      fields: { error: { code: 'DECODE_FAILED' } },
    })
    t.equal(entries.length, 1, 'said once')
  }
})

/** A host's clock: its speed and its zero are its own. */
function driftingClock(clock: Clock, rate: number, offsetMs: number): Clock {
  return {
    now: () => Math.floor(offsetMs + clock.now() * rate),
    monotonic: () => offsetMs + clock.monotonic() * rate,
    schedule: (delayMs, callback) => clock.schedule(delayMs / rate, callback),
    defer: (callback) => clock.defer(callback),
  }
}

t.test(
  'leader election - over faulty stores and with clocks of different speed never two lead',
  async (t) => {
    const property = fc.asyncProperty(fc.integer(), fc.integer({ min: 2, max: 4 }), async (seed, count) => {
      const random = new SeededRandom(seed)
      const clock = new ManualClock()
      const shared = new MemoryKeyValues()
      const faults = { clock, random, lossRate: 0.2, duplicateRate: 0.2, delayMsMax: 300, timeoutMs: 1000 }
      const epochs: number[] = []
      const candidates = Array.from({ length: count }, (_, i) => {
        const store = new FaultyKeyValueStore(new MemoryKeyValueStore(shared), faults)
        const own = driftingClock(clock, 0.95 + 0.1 * random.nextFloat(), random.nextFloat() * 1e6)
        return { store, ...elect(store, own, `c${i}`, { onElected: (epoch) => epochs.push(epoch) }) }
      })
      const leaders = () => candidates.filter(({ election }) => election.leadership() !== undefined).length
      let most = 0
      const watch = () => {
        most = Math.max(most, leaders())
        return false
      }
      await clock.advanceUntil(watch, 15 * LEASE_MS)
      for (const { store } of candidates) store.isFaulty = false
      await clock.advanceUntil(watch, 4 * LEASE_MS)
      return most === 1 && leaders() === 1 && epochs.every((epoch, i) => i === 0 || epoch > epochs[i - 1]!)
    })
    await fc.assert(property, { numRuns: 12 })
    t.pass('for all seeds')
  },
)

t.test(
  'leader election - over JetStream: the second follows when the first resigns, and when it dies',
  async (t: Test) => {
    const server = await startTestServer(t, { jetstream: true })
    const environment = { clock: systemClock, logger: silentLogger }
    const candidate = async (leaderId: string) => {
      const bus = await connectNatsBus({ servers: server.url }, environment)
      t.teardown(() => bus.close())
      const store = new JetStreamKeyValueStore({ ...environment, bus, bucket: 'ha', timeoutMs: 200 })
      let wake = (_epoch: number) => {}
      const elected = new Promise<number>((resolve) => {
        wake = resolve
      })
      const { election } = elect(store, systemClock, leaderId, {
        leaseMs: 1200,
        onElected: (epoch) => wake(epoch),
      })
      return { bus, election, elected }
    }
    const a = await candidate('a')
    t.equal(await a.elected, 1)
    const [b, c] = [await candidate('b'), await candidate('c')]
    await a.election.resign()
    const first = await Promise.race([b.elected.then(() => b), c.elected.then(() => c)])
    t.same(first.election.leadership(), { epoch: 2 })
    const second = first === b ? c : b
    const diedMs = systemClock.monotonic()
    await first.bus.close()
    t.equal(await second.elected, 3)
    t.equal(first.election.leadership(), undefined)
    const withoutMs = systemClock.monotonic() - diedMs
    t.ok(withoutMs > 1200 / 2 && withoutMs < 8000, `${Math.round(withoutMs)} ms without a leader`)
    await Promise.all([first.election.resign(), second.election.resign()])
  },
)
