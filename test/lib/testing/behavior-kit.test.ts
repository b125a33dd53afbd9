import t from 'tap'
import type { ActorRef } from '../../../lib/actor/actor-ref.ts'
import { type Behavior, handling } from '../../../lib/actor/behavior.ts'
import { SluiceError } from '../../../lib/base/errors.ts'
import { BehaviorKit } from '../../../lib/testing/behavior-kit.ts'

type Stock = { level: { request: { item: string }; reply: number } }
type Kitchen = {
  cook: { request: { dish: string }; reply: string }
  stocked: { request: { level: number } }
  short: { request: { error: SluiceError } }
  later: { request: object }
  close: { request: object }
  odd: { request: object }
}

const stock: ActorRef<Stock> = { subject: 'stock' }

function kitchen(): Behavior<Kitchen> {
  return handling<Kitchen>(
    {
      cook: ({ dish }, sender, context) => {
        if (dish === 'rum') return sender.fail(new SluiceError('UNSUPPORTED', 'no rum'))
        context.pipeToSelf(
          context.ask(stock, { kind: 'level', item: dish }, 500),
          (level) => ({ kind: 'stocked', level }),
          (error) => ({ kind: 'short', error }),
        )
        sender.reply(`cooking ${dish}`)
      },
      stocked: ({ level }, _, context) => context.log.info('stock', { level }),
      short: ({ error }, _, context) => context.log.warn('short', { code: error.code }),
      later: (_m, _s, context) => context.stash(),
      close: (_m, _s, context) => {
        context.timers.cancel('tick')
        context.stop(context.self)
      },
      odd: (_m, _s, context) => context.unhandled(),
    },
    {
      started: (context) => {
        context.timers.every('tick', 100, { kind: 'later' })
        context.watch(
          context.spawn<Stock>('stock', handling<Stock>({ level: (_, sender) => sender.reply(1) })),
        )
      },
      signal: (signal, context) => context.log.error(signal.kind),
    },
  )
}

t.test('behavior kit - effects of the start, of messages and of signals are read back', async (t) => {
  const kit = new BehaviorKit<Kitchen>(kitchen)
  t.same(kit.effects(), [
    { effect: 'scheduled', key: 'tick', delayMs: 100, message: { kind: 'later' }, isRepeating: true },
    { effect: 'spawned', subject: 'stock', options: undefined },
    { effect: 'watched', subject: 'stock' },
  ])
  kit.run({ kind: 'close' })
  t.same(kit.effects(), [
    { effect: 'cancelled', key: 'tick' },
    { effect: 'stopped', subject: 'test.actor' },
  ])
  kit.signal({ kind: 'Terminated', ref: stock, reason: 'failed' })
  t.match(kit.effects(), [{ effect: 'logged', level: 'error', event: 'Terminated' }])
  kit.run({ kind: 'later' })
  kit.run({ kind: 'odd' })
  t.match(kit.effects(), [{ effect: 'stashed' }, { effect: 'unhandled' }])
  t.same(kit.effects(), [])
})

t.test('behavior kit - the test answers what the behaviour asks', async (t) => {
  const kit = new BehaviorKit<Kitchen>(kitchen)
  kit.effects()
  kit.run({ kind: 'cook', dish: 'soup' })
  const effects = kit.effects()
  t.match(effects, [
    { effect: 'asked', subject: 'stock', message: { kind: 'level', item: 'soup' }, timeoutMs: 500 },
    { effect: 'piped' },
    { effect: 'replied', value: 'cooking soup' },
  ])
  if (effects[0]?.effect === 'asked') effects[0].answer(9)
  await kit.settle()
  t.match(kit.effects(), [{ effect: 'logged', event: 'stock', fields: { level: 9 } }])
  kit.run({ kind: 'cook', dish: 'cake' })
  kit.effectsOf('asked')[0]?.refuse(new SluiceError('TIMEOUT', 'late'))
  await kit.settle()
  t.match(kit.effectsOf('logged'), [{ level: 'warn', fields: { code: 'TIMEOUT' } }])
  kit.run({ kind: 'cook', dish: 'rum' })
  t.match(kit.effectsOf('refused'), [{ error: { code: 'UNSUPPORTED' } }])
})

t.test('behavior kit - what the behaviour throws comes out', async (t) => {
  const kit = new BehaviorKit<Stock>({
    receive: () => {
      throw new Error('broken')
    },
  })
  t.throws(() => kit.run({ kind: 'level', item: 'x' }), /broken/)
})
