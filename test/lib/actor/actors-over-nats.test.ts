/** The same actors over a real NATS server, in two systems with a connection each. */
import t, { type Test } from 'tap'
import { ActorSystem } from '../../../lib/actor/actor-system.ts'
import { type Behavior, handling } from '../../../lib/actor/behavior.ts'
import { systemClock } from '../../../lib/base/clock.ts'
import { silentLogger } from '../../../lib/base/logger.ts'
import { SeededRandom } from '../../../lib/base/prng.ts'
import { connectNatsBus } from '../../../lib/bus/nats-bus.ts'
import { Probe } from '../../../lib/testing/probe.ts'
import { startTestServer } from '../../support/nats-server.ts'

const { url } = await startTestServer(t)

/** Fast heartbeats: these tests wait for real. */
const deathWatch = { intervalMs: 50, confirmMs: 10 }

async function createSystem(t: Test) {
  const bus = await connectNatsBus({ servers: url }, { clock: systemClock, logger: silentLogger })
  const options = {
    bus,
    clock: systemClock,
    random: new SeededRandom(Number(bus.connection.info?.client_id)),
  }
  const system = new ActorSystem({ ...options, logger: silentLogger, deathWatch })
  t.teardown(async () => {
    await system.close()
    await bus.close()
  })
  return { bus, system }
}

type Adder = { add: { request: { n: number } }; sum: { request: object; reply: number } }

function adder(): Behavior<Adder> {
  let sum = 0
  return handling<Adder>({
    add: ({ n }) => {
      if (n < 0) throw new RangeError('negative')
      sum += n
    },
    sum: (_, sender) => sender.reply(sum),
  })
}

t.test('actors over nats - told and asked across connections', async (t) => {
  const [here, there] = [await createSystem(t), await createSystem(t)]
  const ref = there.system.spawn('nats.adder', adder())
  await there.bus.flush()
  for (let n = 1; n <= 1000; n++) here.system.tell(ref, { kind: 'add', n })
  t.equal(await here.system.ask(ref, { kind: 'sum' }, 5000), 500_500)
  const nobody = here.system.ref<Adder>('nats.nobody')
  await t.rejects(here.system.ask(nobody, { kind: 'sum' }, 60_000), { code: 'NO_RESPONDERS' })
})

t.test('actors over nats - an actor that fails is reported to who watches it from elsewhere', async (t) => {
  const [here, there] = [await createSystem(t), await createSystem(t)]
  const ref = there.system.spawn('nats.mortal', adder())
  await there.bus.flush()
  const probe = new Probe(here.system, systemClock, 'nats.probe')
  probe.watch(ref)
  t.equal(await here.system.ask(ref, { kind: 'sum' }, 5000), 0)
  here.system.tell(ref, { kind: 'add', n: -1 })
  t.match(await probe.expectTerminated(ref, 10_000), { reason: 'unreachable' })
})

t.test('actors over nats - a connection that is gone is a death, too', async (t) => {
  const [here, there] = [await createSystem(t), await createSystem(t)]
  const ref = there.system.spawn('nats.gone', adder())
  await there.bus.flush()
  const probe = new Probe(here.system, systemClock, 'nats.probe2')
  probe.watch(ref)
  t.equal(await here.system.ask(ref, { kind: 'sum' }, 5000), 0)
  await there.bus.close()
  await probe.expectTerminated(ref, 10_000)
  t.pass()
})
