import t from 'tap'
import { askPersistently } from '../../../lib/actor/persistent-ask.ts'
import { type ErrorCode, SluiceError } from '../../../lib/base/errors.ts'
import { ManualClock } from '../../../lib/testing/manual-clock.ts'

type Greeter = { greet: { request: { readonly name: string }; reply: { readonly text: string } } }

/** Asks whose outcomes are given: an answer, or the code of an error. */
function asking(
  outcomes: readonly (string | { readonly code: ErrorCode })[],
  obsoleteAfter = Number.POSITIVE_INFINITY,
) {
  const clock = new ManualClock()
  const triedAtMs: number[] = []
  const asker = {
    ask: async () => {
      const outcome = outcomes[triedAtMs.length] ?? { code: 'TIMEOUT' }
      triedAtMs.push(clock.monotonic())
      if (typeof outcome === 'string') return { text: outcome }
      throw new SluiceError(outcome.code, 'no answer')
    },
  }
  const answer = askPersistently<Greeter, 'greet'>(
    asker as never,
    { subject: 'greeter' },
    { kind: 'greet', name: 'Ada' },
    { clock, timeoutMs: 100, retryMs: 10, isObsolete: () => triedAtMs.length >= obsoleteAfter },
  )
  return { clock, triedAtMs, answer }
}

t.test(
  'persistent ask - repeats what may succeed later, ever less often, until it is answered',
  async (t) => {
    const failing = Array.from({ length: 7 }, () => ({ code: 'NO_RESPONDERS' as const }))
    const { clock, triedAtMs, answer } = asking([...failing, 'hello'])
    await clock.advance(1000)
    t.same(await answer, { text: 'hello' })
    t.same(triedAtMs, [0, 10, 30, 70, 150, 250, 350, 450])
  },
)

t.test('persistent ask - gives up at once on errors that will not go away', async (t) => {
  const { answer, triedAtMs } = asking([{ code: 'ACTOR_STOPPED' }])
  await t.rejects(answer, { code: 'ACTOR_STOPPED' })
  t.equal(triedAtMs.length, 1)
})

t.test('persistent ask - ends without an answer when nobody needs one any more', async (t) => {
  const { clock, answer, triedAtMs } = asking([], 3)
  await clock.advance(1000)
  t.equal(await answer, undefined)
  t.equal(triedAtMs.length, 3)
  t.equal(await asking(['hello'], 0).answer, undefined)
})
