import t from 'tap'
import { ActorTimers } from '../../../lib/actor/actor-timers.ts'
import type { ActorContext, Behavior } from '../../../lib/actor/behavior.ts'
import { ManualClock } from '../../../lib/testing/manual-clock.ts'
import { virtualNetwork } from './virtual-system.ts'

type Ticking = { tick: { request: { n: number } }; crash: { request: object } }

/** An actor whose context the test holds, and which notes when it ticked. */
async function ticking(supervised = false) {
  const network = virtualNetwork()
  const { system, clock } = network
  const ticks: string[] = []
  let context: ActorContext<Ticking> | undefined
  const source = (): Behavior<Ticking> => ({
    started: (mine) => {
      context = mine
    },
    receive: (message) => {
      if (message.kind === 'crash') throw new Error('crash')
      ticks.push(`${message.n} at ${clock.monotonic()}`)
    },
  })
  const backoff = { minMs: 1, maxMs: 1, jitter: 0 }
  const supervision = { kind: 'restart', backoff, restartsMax: 3, withinMs: 1000 } as const
  const ref = system.spawn<Ticking>('ticking', source, supervised ? { supervision } : {})
  await clock.settle()
  return { system, clock, ticks, ref, timers: context!.timers }
}

t.test('timers - a single one fires once', async (t) => {
  const { clock, ticks, timers } = await ticking()
  timers.start('a', 100, { kind: 'tick', n: 1 })
  t.ok(timers.isActive('a'))
  await clock.advance(1000)
  t.same(ticks, ['1 at 100'])
  t.notOk(timers.isActive('a'))
})

t.test('timers - a repeating one fires until it is cancelled', async (t) => {
  const { clock, ticks, timers } = await ticking()
  timers.every('a', 100, { kind: 'tick', n: 1 })
  await clock.advance(350)
  timers.cancel('a')
  await clock.advance(1000)
  t.same(ticks, ['1 at 100', '1 at 200', '1 at 300'])
  t.equal(clock.timerCount, 0)
})

t.test('timers - the same key replaces, other keys are independent', async (t) => {
  const { clock, ticks, timers } = await ticking()
  timers.start('a', 100, { kind: 'tick', n: 1 })
  timers.start('b', 150, { kind: 'tick', n: 2 })
  timers.start('a', 200, { kind: 'tick', n: 3 })
  await clock.advance(1000)
  t.same(ticks, ['2 at 150', '3 at 200'])
})

const tick = (n: number) => ({ kind: 'tick', n })

/** Timers whose messages wait in a list instead of a mailbox. */
function waitingTimers() {
  const clock = new ManualClock()
  const waiting: { n: unknown; claim: () => boolean }[] = []
  const timers = new ActorTimers(clock, (message, claim) =>
    waiting.push({ n: (message as { n?: number }).n, claim }),
  )
  return { clock, timers, waiting, claims: () => waiting.splice(0).map(({ n, claim }) => [n, claim()]) }
}

t.test('timers - a message that waits already is revoked with its timer', async (t) => {
  const { clock, timers, claims } = waitingTimers()
  timers.start('cancelled', 10, tick(1))
  timers.start('kept', 10, tick(2))
  timers.start('replaced', 10, tick(3))
  await clock.advance(10)
  timers.cancel('cancelled')
  timers.start('replaced', 0, tick(4))
  await clock.advance(0)
  t.same(claims(), [
    [1, false],
    [2, true],
    [3, false],
    [4, true],
  ])
})

t.test('timers - a repeating one adds nothing while its last message waits', async (t) => {
  const { clock, timers, waiting, claims } = waitingTimers()
  timers.every('a', 10, tick(1))
  await clock.advance(100)
  t.equal(waiting.length, 1)
  t.same(claims(), [[1, true]])
  await clock.advance(10)
  t.same(claims(), [[1, true]])
})

t.test('timers - all are cancelled when the actor stops or restarts', async (t) => {
  const stopped = await ticking()
  stopped.timers.every('a', 100, { kind: 'tick', n: 1 })
  stopped.system.stop(stopped.ref)
  t.equal(stopped.clock.timerCount, 0)
  const restarted = await ticking(true)
  restarted.timers.every('a', 100, { kind: 'tick', n: 1 })
  restarted.system.tell(restarted.ref, { kind: 'crash' })
  await restarted.clock.advance(1000)
  t.same(restarted.ticks, [])
})
