import t from 'tap'
import type { ActorRef } from '../../../lib/actor/actor-ref.ts'
import { type Behavior, handling } from '../../../lib/actor/behavior.ts'
import { SluiceError } from '../../../lib/base/errors.ts'
import { virtualNetwork } from './virtual-system.ts'

type Counter = {
  add: { request: { by: number } }
  get: { request: object; reply: { total: number } }
  addAll: { request: { amounts: readonly number[] }; reply: number }
}

function counter(): Behavior<Counter> {
  let total = 0
  return handling<Counter>({
    add: ({ by }) => {
      total += by
    },
    get: (_, sender) => sender.reply({ total }),
    addAll: ({ amounts }, sender) => {
      for (const amount of amounts) total += amount
      sender.reply(total)
    },
  })
}

t.test('ask - told and asked, the reply has the type of the kind', async (t) => {
  const { system, run } = virtualNetwork()
  const ref = system.spawn('counter', counter())
  system.tell(ref, { kind: 'add', by: 2 })
  const sum: number = await run(system.ask(ref, { kind: 'addAll', amounts: [3, 4] }, 1000))
  const { total } = await run(system.ask(ref, { kind: 'get' }, 1000))
  t.equal(sum, 9)
  t.equal(total satisfies number, 9)
})

t.test('ask - call sites that do not fit the protocol do not compile', async (t) => {
  const { system } = virtualNetwork()
  const ref: ActorRef<Counter> = system.ref('nobody')
  const calls = [
    // @ts-expect-error: add has no reply
    () => system.ask(ref, { kind: 'add', by: 1 }, 1),
    // @ts-expect-error: amounts is missing
    () => system.ask(ref, { kind: 'addAll' }, 1),
    // @ts-expect-error: no such kind
    () => system.tell(ref, { kind: 'subtract', by: 1 }),
    // @ts-expect-error: by is a number
    () => system.tell(ref, { kind: 'add', by: '1' }),
    // @ts-expect-error: get replies an object
    () => handling<Counter>({ ...handlers, get: (_, sender) => sender.reply(1) }),
    // @ts-expect-error: a kind is not handled
    () => handling<Counter>({ add: handlers.add, get: handlers.get }),
  ]
  const handlers = { add: () => {}, get: () => {}, addAll: () => {} }
  const narrower: ActorRef<Pick<Counter, 'add'>> = ref
  t.equal(calls.length, 6)
  t.equal(narrower.subject, 'nobody')
})

type Thrower = {
  throwCoded: { request: object; reply: never }
  throwPlain: { request: object; reply: never }
  throwLong: { request: object; reply: never }
  refuse: { request: object; reply: never }
  ignore: { request: object; reply: never }
  twice: { request: object; reply: number }
  huge: { request: object; reply: Uint8Array }
}

const thrower = (): Behavior<Thrower> =>
  handling<Thrower>({
    throwCoded: () => {
      const cause = new SluiceError('STORAGE_FAILED', 'disk')
      throw new SluiceError('CHECKPOINT_FAILED', 'no space', { cause, details: { checkpoint: 7 } })
    },
    throwPlain: () => {
      throw new TypeError('not a function')
    },
    throwLong: () => {
      throw new Error('x'.repeat(1000))
    },
    refuse: (_, sender) => sender.fail(new SluiceError('JOB_NOT_FOUND', 'no job j1')),
    ignore: () => {},
    twice: (_, sender) => {
      sender.reply(1)
      sender.reply(2)
    },
    huge: (_, sender) => sender.reply(new Uint8Array(2000)),
  })

const patient = {
  supervision: {
    kind: 'restart',
    backoff: { minMs: 0, maxMs: 0, jitter: 0 },
    restartsMax: 100,
    withinMs: 1,
  },
} as const

t.test('ask - what the actor throws, the asker gets: code, message, details, cause', async (t) => {
  const { system, run } = virtualNetwork()
  const ref = system.spawn('thrower', thrower, patient)
  await t.rejects(run(system.ask(ref, { kind: 'throwCoded' }, 1000)), {
    code: 'CHECKPOINT_FAILED',
    message: 'no space',
    details: { checkpoint: 7 },
    cause: { code: 'STORAGE_FAILED', message: 'disk' },
  })
  await t.rejects(run(system.ask(ref, { kind: 'throwPlain' }, 1000)), {
    code: 'INTERNAL',
    message: 'TypeError: not a function',
    stack: /ask\.test\.ts/,
  })
})

t.test('ask - an actor may refuse without failing', async (t) => {
  const { system, run } = virtualNetwork()
  const ref = system.spawn('thrower', thrower)
  await t.rejects(run(system.ask(ref, { kind: 'refuse' }, 1000)), { code: 'JOB_NOT_FOUND', exitCode: 3 })
  t.ok(system.isRunning(ref))
})

t.test('ask - nobody there fails at once, no answer times out', async (t) => {
  const { system, run, clock } = virtualNetwork()
  await t.rejects(run(system.ask(system.ref<Thrower>('nobody'), { kind: 'ignore' }, 1000)), {
    code: 'NO_RESPONDERS',
  })
  t.equal(clock.monotonic(), 0, 'at once')
  const ref = system.spawn('thrower', thrower)
  await t.rejects(run(system.ask(ref, { kind: 'ignore' }, 1000)), { code: 'TIMEOUT' })
  t.equal(clock.monotonic(), 1000)
})

t.test('ask - a second reply and a reply to a tell are counted, not thrown', async (t) => {
  const { system, run, clock } = virtualNetwork()
  const ref = system.spawn('thrower', thrower)
  t.equal(await run(system.ask(ref, { kind: 'twice' }, 1000)), 1)
  t.equal(system.repliesIgnored, 1)
  system.tell(ref, { kind: 'twice' })
  await clock.settle()
  t.equal(system.repliesIgnored, 3)
  t.ok(system.isRunning(ref))
})

t.test('ask - a reply too large for the bus becomes an error, and the actor lives', async (t) => {
  const { system, run } = virtualNetwork({ payloadBytesMax: 1000 })
  const ref = system.spawn('thrower', thrower)
  await t.rejects(run(system.ask(ref, { kind: 'huge' }, 1000)), { code: 'PAYLOAD_TOO_LARGE' })
  t.ok(system.isRunning(ref))
})

t.test('ask - an error too large for the bus arrives without its stack', async (t) => {
  const { system, run } = virtualNetwork({ payloadBytesMax: 400 })
  const ref = system.spawn('thrower', thrower, patient)
  await t.rejects(run(system.ask(ref, { kind: 'throwLong' }, 1000)), {
    code: 'INTERNAL',
    message: /^x{250}$/,
  })
  await t.rejects(run(system.ask(ref, { kind: 'huge' }, 1000)), { code: 'PAYLOAD_TOO_LARGE' })
})

t.test('ask - a kind the actor does not know is refused at once', async (t) => {
  const { system, run } = virtualNetwork()
  system.spawn('counter', counter())
  await t.rejects(run(system.ask(system.ref<Thrower>('counter'), { kind: 'twice' }, 1000)), {
    code: 'UNSUPPORTED',
    message: /counter does not understand "twice"/,
  })
  t.equal(system.deadLetters.counts.unhandled, 1)
})

t.test('ask - messages that wait when the actor stops fail at once', async (t) => {
  const { system, run, clock } = virtualNetwork()
  const slow = { ...patient.supervision, backoff: { minMs: 1000, maxMs: 1000, jitter: 0 } }
  const ref = system.spawn('thrower', thrower, { supervision: slow })
  await t.rejects(run(system.ask(ref, { kind: 'throwPlain' }, 60_000)), { code: 'INTERNAL' })
  const waiting = t.rejects(system.ask(ref, { kind: 'twice' }, 60_000), {
    code: 'ACTOR_STOPPED',
    message: 'thrower has stopped',
  })
  await clock.settle()
  system.stop(ref)
  await run(waiting)
  t.equal(clock.monotonic(), 0)
  t.equal(system.deadLetters.counts['no-such-actor'], 1)
  t.notOk(system.isRunning(ref))
})

type Echo = { echo: { request: { value: unknown }; reply: unknown } }
const echo = () => handling<Echo>({ echo: ({ value }, sender) => sender.reply(value) })

t.test('ask - plain data of all sorts, and references, survive the trip', async (t) => {
  const { system, run } = virtualNetwork()
  const ref = system.spawn('echo', echo)
  const value = {
    small: 1n,
    large: 2n ** 60n,
    time: new Date(5),
    bytes: new Uint8Array([1, 2]),
    set: new Set([1]),
    nothing: null,
    missing: undefined,
    fraction: 0.1,
    text: 'é',
    ref,
  }
  t.same(await run(system.ask(ref, { kind: 'echo', value }, 1000)), { ...value, small: 1 })
})

t.test('ask - an alias is another address of the same actor', async (t) => {
  const { system, run } = virtualNetwork()
  const [one, two] = [counter(), counter()]
  system.spawn('job.count.0', one, { aliases: ['job.count.all'] })
  system.spawn('job.count.1', two, { aliases: ['job.count.all'] })
  system.tell(system.ref<Counter>('job.count.all'), { kind: 'add', by: 5 })
  for (const subject of ['job.count.0', 'job.count.1']) {
    t.same(await run(system.ask(system.ref<Counter>(subject), { kind: 'get' }, 1000)), { total: 5 })
  }
})

t.test('ask - from an actor to another, piped to itself', async (t) => {
  const { system, run } = virtualNetwork()
  type Front = {
    double: { request: { of: number }; reply: number }
    echoed: { request: { value: unknown } }
    failed: { request: { error: SluiceError } }
  }
  const echoRef = system.spawn('echo', echo)
  const front = system.spawn('front', () => {
    let answer: (value: number) => void = () => {}
    return handling<Front>({
      double: ({ of }, sender, context) => {
        answer = sender.reply.bind(sender)
        context.pipeToSelf(
          context.ask(echoRef, { kind: 'echo', value: of }, 1000),
          (value) => ({ kind: 'echoed', value }),
          (error) => ({ kind: 'failed', error }),
        )
      },
      echoed: ({ value }) => answer(Number(value) * 2),
      failed: ({ error }) => {
        throw error
      },
    })
  })
  t.equal(await run(system.ask(front, { kind: 'double', of: 21 }, 1000)), 42)
})
