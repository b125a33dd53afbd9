import t from 'tap'
import type { ActorRef } from '../../../lib/actor/actor-ref.ts'
import { handling, type Signal } from '../../../lib/actor/behavior.ts'
import { DeathWatch } from '../../../lib/actor/death-watch.ts'
import { type ErrorCode, SluiceError } from '../../../lib/base/errors.ts'
import { ManualClock } from '../../../lib/testing/manual-clock.ts'
import { virtualNetwork } from './virtual-system.ts'

type Mortal = { die: { request: object }; stop: { request: object } }

const mortal = () =>
  handling<Mortal>({
    die: () => {
      throw new Error('die')
    },
    stop: (_message, _sender, context) => context.stop(context.self),
  })

type Watcher = {
  watch: { request: { ref: ActorRef<unknown> } }
  unwatch: { request: { ref: ActorRef<unknown> } }
}

function watcher(heard: string[]) {
  const signal = (signal: Signal) => {
    if (signal.kind === 'Terminated') heard.push(`${signal.ref.subject} ${signal.reason}`)
  }
  return handling<Watcher>(
    {
      watch: ({ ref }, _, context) => context.watch(ref),
      unwatch: ({ ref }, _, context) => context.unwatch(ref),
    },
    { signal },
  )
}

t.test('watch - an actor of the same system that stops or fails is reported at once', async (t) => {
  const { system, clock } = virtualNetwork()
  const heard: string[] = []
  const w = system.spawn('watcher', watcher(heard))
  const [a, b] = [system.spawn('a', mortal()), system.spawn('b', mortal())]
  for (const ref of [a, b, a]) system.tell(w, { kind: 'watch', ref })
  await clock.settle()
  system.tell(a, { kind: 'stop' })
  system.tell(b, { kind: 'die' })
  await clock.settle()
  t.same(heard, ['a stopped', 'b failed'], 'once, though watched twice')
  t.equal(clock.monotonic(), 0)
})

t.test('watch - one who comes late is told as well', async (t) => {
  const { system, clock } = virtualNetwork()
  const heard: string[] = []
  const w = system.spawn('watcher', watcher(heard))
  const a = system.spawn('a', mortal())
  await clock.settle()
  system.stop(a)
  system.tell(w, { kind: 'watch', ref: a })
  await clock.settle()
  t.same(heard, ['a unreachable'])
  t.equal(clock.monotonic(), 0)
})

t.test('watch - after unwatch nothing is heard', async (t) => {
  const network = virtualNetwork()
  const { system, clock } = network
  const remote = network.createSystem()
  const heard: string[] = []
  const w = system.spawn('watcher', watcher(heard))
  const [near, far] = [system.spawn('near', mortal()), remote.spawn('far', mortal())]
  for (const ref of [near, far]) system.tell(w, { kind: 'watch', ref })
  await clock.settle()
  for (const ref of [near, far]) system.tell(w, { kind: 'unwatch', ref })
  await clock.settle()
  system.stop(near)
  remote.stop(far)
  await clock.advance(10_000)
  t.same(heard, [])
  t.equal(clock.timerCount, 0)
})

t.test('watch - an actor of another system that stops is reported within a heartbeat', async (t) => {
  const network = virtualNetwork()
  const { system, clock } = network
  const remote = network.createSystem()
  const heard: string[] = []
  const w = system.spawn('watcher', watcher(heard))
  const far = remote.spawn('far', mortal())
  system.tell(w, { kind: 'watch', ref: far })
  await clock.advance(10_000)
  t.same(heard, [])
  remote.stop(far)
  await clock.advance(1500)
  t.same(heard, ['far unreachable'])
})

t.test('watch - one who dies and is replaced between heartbeats is reported', async (t) => {
  const network = virtualNetwork()
  const { system, clock } = network
  const remote = network.createSystem()
  const heard: string[] = []
  const w = system.spawn('watcher', watcher(heard))
  const far = remote.spawn('far', mortal())
  system.tell(w, { kind: 'watch', ref: far })
  await clock.settle()
  remote.stop(far)
  remote.spawn('far', mortal())
  await clock.advance(1000)
  t.same(heard, ['far replaced'])
})

t.test('watch - a restart by supervision is not a death', async (t) => {
  const network = virtualNetwork()
  const { system, clock } = network
  const remote = network.createSystem()
  const heard: string[] = []
  const w = system.spawn('watcher', watcher(heard))
  const backoff = { minMs: 2000, maxMs: 2000, jitter: 0 }
  const supervision = { kind: 'restart', backoff, restartsMax: 5, withinMs: 60_000 } as const
  const [near, far] = [
    system.spawn('near', mortal, { supervision }),
    remote.spawn('far', mortal, { supervision }),
  ]
  for (const ref of [near, far]) system.tell(w, { kind: 'watch', ref })
  await clock.settle()
  for (const ref of [near, far]) system.tell(ref, { kind: 'die' })
  await clock.advance(10_000)
  t.same(heard, [])
})

/** A death watch over pings whose outcome the test writes down: an incarnation, or the code of an error. */
function scripted(outcomes: (string | { code: ErrorCode })[], options = {}) {
  const clock = new ManualClock()
  const heard: string[] = []
  const pingedAtMs: number[] = []
  const ping = async () => {
    pingedAtMs.push(clock.monotonic())
    const outcome = outcomes.shift() ?? 'i1'
    if (typeof outcome === 'string') return outcome
    throw new SluiceError(outcome.code, '')
  }
  const watch = new DeathWatch(clock, ping, options)
  const me = {}
  watch.watch('far', me, (reason) => heard.push(`${reason} at ${clock.monotonic()}`))
  return { clock, watch, me, heard, pingedAtMs }
}

const gone = { code: 'NO_RESPONDERS' } as const
const late = { code: 'TIMEOUT' } as const
const down = { code: 'CANNOT_CONNECT' } as const

t.test('watch - nobody there and never seen is death at once', async (t) => {
  const { clock, heard } = scripted([gone])
  await clock.settle()
  t.same(heard, ['unreachable at 0'])
})

t.test('watch - one that was seen gets the time to reconnect', async (t) => {
  const dead = scripted(['i1', gone, gone])
  await dead.clock.advance(5000)
  t.same(dead.heard, ['unreachable at 1500'])
  const alive = scripted(['i1', gone, 'i1', gone, 'i1'])
  await alive.clock.advance(10_000)
  t.same(alive.heard, [])
})

t.test('watch - missesMax unanswered pings in a row are death, fewer are not', async (t) => {
  const dead = scripted(['i1', late, late, late])
  await dead.clock.advance(1000)
  t.same(dead.heard, ['unreachable at 1000'])
  const alive = scripted(['i1', late, late, 'i1', late, late, 'i1'])
  await alive.clock.advance(10_000)
  t.same(alive.heard, [])
  const strict = scripted(['i1', late], { missesMax: 1, intervalMs: 200 })
  await strict.clock.advance(200)
  t.same(strict.heard, ['unreachable at 200'])
})

t.test('watch - while our own connection is down nobody is declared dead', async (t) => {
  const { clock, heard } = scripted(['i1', ...Array.from({ length: 50 }, () => down)])
  await clock.advance(60_000)
  t.same(heard, [])
})

t.test('watch - one ping serves all who watch an address', async (t) => {
  const { clock, watch, pingedAtMs, heard } = scripted(['i1', 'i1', 'i2'])
  watch.watch('far', {}, (reason) => heard.push(`other ${reason}`))
  await clock.advance(2000)
  t.same(pingedAtMs, [0, 1000, 2000])
  t.same(heard, ['replaced at 2000', 'other replaced'])
})

t.test('watch - the number of watched addresses is bounded', async (t) => {
  const { watch } = scripted([], { watchedMax: 1 })
  t.throws(() => watch.watch('another', {}, () => {}), {
    code: 'BUS_OVERLOADED',
    message: /cannot watch another/,
  })
})
