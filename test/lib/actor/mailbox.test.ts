import t from 'tap'
import { type Behavior, handling } from '../../../lib/actor/behavior.ts'
import { Mailbox } from '../../../lib/actor/mailbox.ts'
import { virtualNetwork } from './virtual-system.ts'

type Recorder = { note: { request: { n: number } }; probe: { request: object; reply: readonly number[] } }

function recorder(): Behavior<Recorder> {
  const seen: number[] = []
  return handling<Recorder>({
    note: ({ n }) => {
      seen.push(n)
    },
    probe: (_, sender) => sender.reply(seen),
  })
}

t.test('mailbox - messages are received one at a time in order of arrival', async (t) => {
  const { system, run } = virtualNetwork()
  const ref = system.spawn('recorder', recorder())
  const numbers = Array.from({ length: 500 }, (_, n) => n)
  for (const n of numbers) system.tell(ref, { kind: 'note', n })
  t.same(await run(system.ask(ref, { kind: 'probe' }, 1000)), numbers)
})

/** Blocks in back-off for a second, so that its mailbox fills. */
const blocked = {
  mailboxMax: 3,
  supervision: {
    kind: 'restart',
    backoff: { minMs: 1000, maxMs: 1000, jitter: 0 },
    restartsMax: 1,
    withinMs: 10_000,
  },
} as const

type Fragile = { breakDown: { request: object }; note: { request: { n: number }; reply: number } }

const fragile = (): Behavior<Fragile> =>
  handling<Fragile>({
    breakDown: () => {
      throw new Error('broken')
    },
    note: ({ n }, sender) => sender.reply(n),
  })

t.test('mailbox - when full an ask fails at once and a tell is a dead letter', async (t) => {
  const { system, run, clock } = virtualNetwork()
  const ref = system.spawn('fragile', fragile, blocked)
  system.tell(ref, { kind: 'breakDown' })
  await clock.settle()
  const waiting = [1, 2, 3].map((n) => system.ask(ref, { kind: 'note', n }, 5000))
  await clock.settle()
  await t.rejects(run(system.ask(ref, { kind: 'note', n: 4 }, 5000)), {
    code: 'MAILBOX_FULL',
    message: /3 messages wait for fragile/,
  })
  system.tell(ref, { kind: 'note', n: 5 })
  await clock.settle()
  t.equal(clock.monotonic(), 0, 'at once')
  t.equal(system.deadLetters.counts['mailbox-full'], 2)
  t.same(await run(Promise.all(waiting)), [1, 2, 3], 'those that had room are answered')
})

t.test('mailbox - an actor that can work refuses nothing, however much comes at once', async (t) => {
  const { system, run } = virtualNetwork()
  const ref = system.spawn('fragile', fragile, { mailboxMax: 10 })
  const numbers = Array.from({ length: 5000 }, (_, n) => n)
  t.same(await run(Promise.all(numbers.map((n) => system.ask(ref, { kind: 'note', n }, 5000)))), numbers)
  t.equal(system.deadLetters.total, 0)
})

t.test('mailbox - a flood yields to the event loop in batches', async (t) => {
  const { system, clock } = virtualNetwork()
  let received = 0
  type Sink = { drop: { request: object } }
  const ref = system.spawn<Sink>('sink', handling<Sink>({ drop: () => void received++ }))
  await clock.settle()
  for (let i = 0; i < 200; i++) system.tell(ref, { kind: 'drop' })
  const receivedPerTurn: number[] = []
  const sample = () => {
    receivedPerTurn.push(received)
    if (received < 200) clock.defer(sample)
  }
  clock.defer(sample)
  await clock.settle()
  const steps = receivedPerTurn.map((count, i) => count - (receivedPerTurn[i - 1] ?? 0))
  t.ok(Math.max(...steps) <= 32, `at most 32 per turn, found ${steps}`)
  t.equal(received, 200)
})

t.test('mailbox - signals come before messages that have waited longer', async (t) => {
  const { system, clock } = virtualNetwork()
  const seen: string[] = []
  type Child = { die: { request: object } }
  type Parent = { note: { request: object } }
  const child = system.spawn<Child>(
    'child',
    handling<Child>({ die: (_m, _s, context) => context.stop(context.self) }),
  )
  const parent = system.spawn<Parent>('parent', {
    started: (context) => context.watch(child),
    receive: () => {
      seen.push('message')
      if (seen.length === 1) system.stop(child)
    },
    signal: (signal) => seen.push(signal.kind),
  })
  await clock.settle()
  for (let i = 0; i < 40; i++) system.tell(parent, { kind: 'note' })
  await clock.settle()
  t.equal(seen.indexOf('Terminated'), 1)
  t.equal(seen.length, 41)
})

t.test('mailbox - an actor that tells itself is not entered again while it runs', async (t) => {
  const { system, clock } = virtualNetwork()
  type Loop = { go: { request: { depth: number } } }
  let isRunning = false
  const depths: number[] = []
  const ref = system.spawn<Loop>(
    'loop',
    handling<Loop>({
      go: ({ depth }, _, context) => {
        t.notOk(isRunning)
        isRunning = true
        depths.push(depth)
        if (depth < 3) context.tell(context.self, { kind: 'go', depth: depth + 1 })
        isRunning = false
      },
    }),
  )
  system.tell(ref, { kind: 'go', depth: 1 })
  await clock.settle()
  t.same(depths, [1, 2, 3])
})

t.test('mailbox - the queue keeps order over any length', async (t) => {
  const mailbox = new Mailbox(5000)
  const sender = { isAsk: false, reply: () => {}, fail: () => {} }
  const envelope = (n: number) => ({ message: { kind: 'x', n }, sender })
  const numberOf = (taken: ReturnType<Mailbox['take']>) => (taken?.message as { n?: number } | undefined)?.n
  let [put, taken] = [0, 0]
  for (let round = 0; round < 50; round++) {
    for (let i = 0; i < 100; i++) mailbox.offer(envelope(put++))
    for (let i = 0; i < 90; i++) if (numberOf(mailbox.take()) !== taken++) t.fail('out of order')
  }
  t.equal(mailbox.size, 500)
  mailbox.prepend([envelope(-2), envelope(-1)])
  t.same([numberOf(mailbox.take()), numberOf(mailbox.take()), numberOf(mailbox.take())], [-2, -1, taken])
  t.equal(mailbox.drain().length, 499)
  t.ok(mailbox.isEmpty)
  t.equal(mailbox.take(), undefined)
})
