import t from 'tap'
import type { ActorRef } from '../../../lib/actor/actor-ref.ts'
import type { Behavior, SpawnOptions } from '../../../lib/actor/behavior.ts'
import { RestartBudget, type RestartStrategy } from '../../../lib/actor/supervision.ts'
import { SeededRandom } from '../../../lib/base/prng.ts'
import { virtualNetwork } from './virtual-system.ts'

type Worker = {
  work: { request: { n: number }; reply: string }
  crash: { request: object }
  tick: { request: object }
}

const restart: RestartStrategy = {
  kind: 'restart',
  backoff: { minMs: 100, maxMs: 400, jitter: 0 },
  restartsMax: 3,
  withinMs: 10_000,
}

/** Writes down everything that happens to it; `generation` counts the behaviours made. */
function workerFactory(journal: string[], options: { onStart?: (generation: number) => void } = {}) {
  let generation = 0
  return (): Behavior<Worker> => {
    const mine = ++generation
    return {
      started() {
        journal.push(`started ${mine}`)
        options.onStart?.(mine)
      },
      receive(message, sender) {
        if (message.kind === 'crash') throw new Error('crash')
        journal.push(`${message.kind} ${mine}`)
        sender.reply(`${message.kind} ${mine}`)
      },
      signal: (signal) => journal.push(`${signal.kind} ${mine}`),
    }
  }
}

/** A parent with one child, which notes what it hears of it. */
function parentOf(
  child: string,
  source: () => Behavior<Worker>,
  options: SpawnOptions,
  journal: string[],
): Behavior<Worker> {
  return {
    started: (context) => void context.spawn(child, source, options),
    receive: () => {},
    signal: (signal) => {
      const error = signal.kind === 'ChildFailed' ? `: ${signal.error.message}` : ''
      journal.push(`parent hears ${signal.kind}${error}`)
    },
  }
}

const worker: ActorRef<Worker> = { subject: 'worker' }

t.test('supervision - by default a failing actor stops, and its parent hears of it', async (t) => {
  const { system, clock, log } = virtualNetwork()
  const journal: string[] = []
  const parent = system.spawn('parent', parentOf('worker', workerFactory(journal), {}, journal))
  await clock.settle()
  system.tell(worker, { kind: 'crash' })
  await clock.settle()
  t.same(journal, ['started 1', 'PostStop 1', 'parent hears ChildFailed: crash'])
  t.notOk(system.isRunning(worker))
  t.ok(system.isRunning(parent))
  t.match(log.at(-1), {
    level: 'error',
    event: 'actor failed and stops',
    fields: { actor: 'worker', during: 'crash' },
  })
})

t.test(
  'supervision - restart makes a fresh behaviour after the back-off and keeps the mailbox',
  async (t) => {
    const { system, clock, run } = virtualNetwork()
    const journal: string[] = []
    system.spawn('worker', workerFactory(journal), { supervision: restart })
    await clock.settle()
    system.tell(worker, { kind: 'crash' })
    const waiting = system.ask(worker, { kind: 'work', n: 1 }, 5000)
    await clock.advance(99)
    t.same(journal, ['started 1', 'PreRestart 1'])
    await clock.advance(1)
    t.same(journal, ['started 1', 'PreRestart 1', 'started 2', 'work 2'])
    t.equal(await run(waiting), 'work 2')
  },
)

t.test('supervision - back-off doubles up to its maximum, the limit stops the actor', async (t) => {
  const { system, clock } = virtualNetwork()
  const journal: string[] = []
  const startedAtMs: number[] = []
  const onStart = () => startedAtMs.push(clock.monotonic())
  const source = workerFactory([], { onStart })
  system.spawn('parent', parentOf('worker', source, { supervision: restart }, journal))
  for (let i = 0; i < 4; i++) {
    await clock.advance(500)
    system.tell(worker, { kind: 'crash' })
  }
  await clock.advance(500)
  t.same(startedAtMs, [0, 600, 1200, 1900], 'after 100, 200 and 400 ms')
  t.same(journal, ['parent hears ChildFailed: crash'])
  t.notOk(system.isRunning(worker))
})

t.test('supervision - failures that are long past do not count', async (t) => {
  const random = new SeededRandom(1)
  const budget = new RestartBudget({ ...restart, restartsMax: 2, withinMs: 1000 })
  t.equal(budget.next(0, random), 100)
  t.equal(budget.next(10, random), 200)
  t.equal(budget.next(20, random), undefined)
  t.equal(budget.next(1005, random), 200, 'the first is forgotten, the second is not')
  t.equal(budget.next(5000, random), 100)
})

t.test('supervision - jitter adds at most its share', async (t) => {
  const random = new SeededRandom(1)
  const budget = new RestartBudget({
    ...restart,
    restartsMax: 1000,
    backoff: { minMs: 100, maxMs: 100, jitter: 0.5 },
  })
  const delays = Array.from({ length: 200 }, (_, i) => budget.next(i, random)!)
  t.ok(delays.every((delay) => delay >= 100 && delay < 150))
  t.ok(Math.max(...delays) - Math.min(...delays) > 30)
})

t.test('supervision - a behaviour that fails to start is restarted like any other', async (t) => {
  const { system, clock, run } = virtualNetwork()
  const journal: string[] = []
  const onStart = (generation: number) => {
    if (generation < 3) throw new Error('not yet')
  }
  system.spawn('worker', workerFactory(journal, { onStart }), { supervision: restart })
  const answer = run(system.ask(worker, { kind: 'work', n: 1 }, 5000))
  t.equal(await answer, 'work 3')
  t.equal(clock.monotonic(), 300)
})

t.test(
  'supervision - restart drops timers, children, watches and pipes of the failed behaviour',
  async (t) => {
    const { system, clock } = virtualNetwork()
    const journal: string[] = []
    const other = system.spawn('other', workerFactory([]))
    let resolvePipe: (value: number) => void = () => {}
    let generation = 0
    system.spawn<Worker>(
      'worker',
      () => {
        const mine = ++generation
        return {
          started(context) {
            if (mine > 1) return
            context.timers.every('tick', 50, { kind: 'tick' })
            context.spawn('child', workerFactory(journal))
            context.watch(other)
            const promise = new Promise<number>((resolve) => {
              resolvePipe = resolve
            })
            context.pipeToSelf(
              promise,
              (n) => ({ kind: 'work', n }),
              () => ({ kind: 'tick' }),
            )
          },
          receive(message) {
            if (message.kind === 'crash') throw new Error('crash')
            journal.push(`${message.kind} ${mine}`)
          },
          signal: (signal) => journal.push(`${signal.kind} ${mine}`),
        }
      },
      { supervision: restart },
    )
    await clock.settle()
    system.tell(worker, { kind: 'crash' })
    await clock.settle()
    t.same(journal, ['started 1', 'PostStop 1', 'PreRestart 1'], 'the child stops first')
    resolvePipe(1)
    system.stop(other)
    await clock.advance(1000)
    t.equal(journal.length, 3)
  },
)

t.test('supervision - escalation fails the parent, which has a strategy of its own', async (t) => {
  const { system, clock } = virtualNetwork()
  const journal: string[] = []
  let generation = 0
  const parent = system.spawn<Worker>(
    'parent',
    () => {
      const mine = ++generation
      const source = workerFactory(journal)
      const inner = parentOf('worker', source, { supervision: { kind: 'escalate' } }, journal)
      return { ...inner, signal: (signal) => journal.push(`parent ${mine}: ${signal.kind}`) }
    },
    { supervision: restart },
  )
  await clock.settle()
  system.tell(worker, { kind: 'crash' })
  await clock.advance(100)
  t.same(journal, ['started 1', 'PostStop 1', 'parent 1: PreRestart', 'started 1'])
  t.equal(generation, 2)
  t.ok(system.isRunning(parent) && system.isRunning(worker))
})

t.test('supervision - escalation without a parent tells the system', async (t) => {
  const network = virtualNetwork()
  const failures: string[] = []
  const onRootFailure = (ref: ActorRef<unknown>, error: Error) =>
    failures.push(`${ref.subject}: ${error.message}`)
  const system = network.createSystem({ onRootFailure })
  system.spawn('worker', workerFactory([]), { supervision: { kind: 'escalate' } })
  system.tell(worker, { kind: 'crash' })
  await network.clock.settle()
  t.same(failures, ['worker: crash'])
  t.notOk(system.isRunning(worker))
})

t.test('supervision - a restarting strategy needs a function that makes behaviours', async (t) => {
  const { system } = virtualNetwork()
  t.throws(
    () => system.spawn('worker', workerFactory([])(), { supervision: restart }),
    /a function that makes/,
  )
})

/** A tree of actors a > b > c and a > d that note when they stop. */
function growTree(network: ReturnType<typeof virtualNetwork>, journal: string[]) {
  type Node = { stop: { request: { subject: string } } }
  const grow = (subject: string, children: Record<string, string[]>): Behavior<Node> => ({
    started: (context) => {
      for (const child of children[subject] ?? []) context.spawn(child, grow(child, children))
    },
    receive: (message, _, context) => context.stop({ subject: message.subject }),
    signal: (signal) => journal.push(`${subject} ${signal.kind}`),
  })
  return network.system.spawn('a', grow('a', { a: ['b', 'd'], b: ['c'] }))
}

t.test('supervision - stopping goes through the tree, children first', async (t) => {
  const network = virtualNetwork()
  const journal: string[] = []
  const root = growTree(network, journal)
  await network.clock.settle()
  network.system.stop(root)
  t.same(journal, ['d PostStop', 'c PostStop', 'b PostStop', 'a PostStop'])
  network.system.stop(root)
  t.equal(journal.length, 4)
})

t.test('supervision - an actor may stop itself, a child, or an ancestor, from its own code', async (t) => {
  const network = virtualNetwork()
  const { system, clock } = network
  const journal: string[] = []
  growTree(network, journal)
  await clock.settle()
  const tell = (subject: string, target: string) =>
    system.tell(system.ref<{ stop: { request: { subject: string } } }>(subject), {
      kind: 'stop',
      subject: target,
    })
  tell('a', 'd')
  await clock.settle()
  t.same(journal.splice(0), ['d PostStop'])
  tell('c', 'a')
  await clock.settle()
  t.same(journal.splice(0), ['c PostStop', 'b PostStop', 'a PostStop'])
})

t.test('supervision - closing the system stops everything and refuses new actors', async (t) => {
  const network = virtualNetwork()
  const { system, clock, run, outside } = network
  const journal: string[] = []
  growTree(network, journal)
  await clock.settle()
  await run(system.close())
  t.same(journal, ['d PostStop', 'c PostStop', 'b PostStop', 'a PostStop'])
  t.throws(() => system.spawn('late', workerFactory([])), { code: 'ACTOR_STOPPED' })
  await t.rejects(run(outside.request('a.stop', new Uint8Array(0), 1000)), { code: 'NO_RESPONDERS' })
  t.equal(clock.timerCount, 0)
})

t.test('supervision - an address is taken while an actor lives on it, and free after', async (t) => {
  const { system, clock, run } = virtualNetwork()
  system.spawn('worker', workerFactory([]))
  t.throws(() => system.spawn('worker', workerFactory([])), { code: 'ID_TAKEN', message: /worker/ })
  await clock.settle()
  system.stop(worker)
  system.spawn('worker', workerFactory([]))
  t.equal(await run(system.ask(worker, { kind: 'work', n: 1 }, 1000)), 'work 1')
})

t.test('supervision - an error in the last signal does not keep the actor from stopping', async (t) => {
  const { system, clock, log } = virtualNetwork()
  const ref = system.spawn<Worker>('worker', {
    receive: () => {},
    signal: () => {
      throw new Error('cannot clean up')
    },
  })
  await clock.settle()
  system.stop(ref)
  t.notOk(system.isRunning(ref))
  t.match(log.at(-1), { event: 'actor failed while stopping', fields: { signal: 'PostStop' } })
})
