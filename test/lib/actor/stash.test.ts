import t from 'tap'
import { type Behavior, handling } from '../../../lib/actor/behavior.ts'
import { virtualNetwork } from './virtual-system.ts'

type Door = {
  enter: { request: { who: string }; reply: string }
  open: { request: object }
  crash: { request: object }
}

/** Lets nobody in before it is opened. */
function door(): Behavior<Door> {
  const open: Behavior<Door> = {
    receive: (message, sender) => {
      if (message.kind === 'crash') throw new Error('crash')
      if (message.kind === 'enter') sender.reply(`welcome ${message.who}`)
    },
  }
  return {
    receive: (message, _, context) => {
      if (message.kind === 'crash') throw new Error('crash')
      if (message.kind !== 'open') return context.stash()
      context.become(open)
      context.unstashAll()
    },
  }
}

t.test('stash - what was set aside comes next, in order, with its senders', async (t) => {
  const { system, run, clock } = virtualNetwork()
  const ref = system.spawn('door', door())
  const answers: string[] = []
  for (const who of ['a', 'b']) {
    system.ask(ref, { kind: 'enter', who }, 5000).then((answer) => answers.push(answer))
  }
  await clock.settle()
  t.same(answers, [])
  system.tell(ref, { kind: 'open' })
  answers.push(await run(system.ask(ref, { kind: 'enter', who: 'c' }, 5000)))
  t.same(answers, ['welcome a', 'welcome b', 'welcome c'])
})

t.test('stash - beyond its bound an ask fails and a tell is a dead letter', async (t) => {
  const { system, run, clock } = virtualNetwork()
  const ref = system.spawn('door', door(), { mailboxMax: 2 })
  const waiting = ['a', 'b'].map((who) => system.ask(ref, { kind: 'enter', who }, 5000))
  await clock.settle()
  await t.rejects(run(system.ask(ref, { kind: 'enter', who: 'c' }, 5000)), { code: 'MAILBOX_FULL' })
  system.tell(ref, { kind: 'enter', who: 'd' })
  await clock.settle()
  t.equal(system.deadLetters.counts['mailbox-full'], 2)
  system.tell(ref, { kind: 'open' })
  t.same(await run(Promise.all(waiting)), ['welcome a', 'welcome b'])
})

t.test('stash - a restart puts it back before the mailbox', async (t) => {
  const { system, run, clock } = virtualNetwork()
  const backoff = { minMs: 10, maxMs: 10, jitter: 0 }
  const supervision = { kind: 'restart', backoff, restartsMax: 3, withinMs: 1000 } as const
  const seen: string[] = []
  let generation = 0
  const source = (): Behavior<Door> => {
    if (generation++ === 0) return door()
    return handling<Door>({
      enter: ({ who }, sender) => {
        seen.push(who)
        sender.reply(who)
      },
      open: () => {},
      crash: () => {},
    })
  }
  const ref = system.spawn('door', source, { supervision })
  const first = system.ask(ref, { kind: 'enter', who: 'a' }, 5000)
  system.tell(ref, { kind: 'crash' })
  await clock.settle()
  const second = system.ask(ref, { kind: 'enter', who: 'b' }, 5000)
  await run(Promise.all([first, second]))
  t.same(seen, ['a', 'b'])
})

t.test('stash - a timer\u2019s message is not lost by being set aside', async (t) => {
  const { system, clock } = virtualNetwork()
  type Alarm = { ring: { request: object }; listen: { request: object } }
  let [isListening, rings] = [false, 0]
  const alarm = handling<Alarm>(
    {
      ring: (_m, _s, context) => {
        if (isListening) rings++
        else context.stash()
      },
      listen: (_m, _s, context) => {
        isListening = true
        context.unstashAll()
      },
    },
    { started: (context) => context.timers.start('ring', 10, { kind: 'ring' }) },
  )
  const ref = system.spawn('alarm', alarm)
  await clock.advance(20)
  system.tell(ref, { kind: 'listen' })
  await clock.settle()
  t.equal(rings, 1)
})

t.test('stash - what is still set aside when the actor stops is refused', async (t) => {
  const { system, run, clock } = virtualNetwork()
  const ref = system.spawn('door', door())
  const waiting = t.rejects(system.ask(ref, { kind: 'enter', who: 'a' }, 5000), { code: 'ACTOR_STOPPED' })
  await clock.settle()
  system.stop(ref)
  await run(waiting)
  t.equal(system.deadLetters.counts['no-such-actor'], 1)
})
