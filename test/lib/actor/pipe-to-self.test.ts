import t from 'tap'
import { handling } from '../../../lib/actor/behavior.ts'
import type { SluiceError } from '../../../lib/base/errors.ts'
import { virtualNetwork } from './virtual-system.ts'

type Fetcher = {
  fetch: { request: object }
  fetched: { request: { value: number } }
  failed: { request: { error: SluiceError } }
}

/** Pipes whatever promise the test gives it, as often as it is told to fetch. */
async function fetcher(promise: () => Promise<number>) {
  const network = virtualNetwork()
  const outcomes: string[] = []
  const ref = network.system.spawn<Fetcher>(
    'fetcher',
    handling<Fetcher>({
      fetch: (_m, _s, context) =>
        context.pipeToSelf(
          promise(),
          (value) => {
            if (value < 0) throw new RangeError('negative')
            return { kind: 'fetched', value }
          },
          (error) => ({ kind: 'failed', error }),
        ),
      fetched: ({ value }) => void outcomes.push(`fetched ${value}`),
      failed: ({ error }) => void outcomes.push(`failed ${error.code} ${error.message}`),
    }),
  )
  const fetch = async () => {
    network.system.tell(ref, { kind: 'fetch' })
    await network.clock.settle()
  }
  return { ...network, ref, outcomes, fetch }
}

t.test('pipe to self - a promise comes back as a message, kept or broken', async (t) => {
  const kept = await fetcher(() => Promise.resolve(1))
  await kept.fetch()
  t.same(kept.outcomes, ['fetched 1'])
  const broken = await fetcher(() => Promise.reject(new TypeError('no route')))
  await broken.fetch()
  t.same(broken.outcomes, ['failed INTERNAL TypeError: no route'])
})

t.test('pipe to self - an error in the translation is the actor\u2019s own failure', async (t) => {
  const { fetch, system, ref } = await fetcher(() => Promise.resolve(-1))
  await fetch()
  t.notOk(system.isRunning(ref))
})

t.test('pipe to self - what settles after the actor has stopped is dropped', async (t) => {
  let settle: (value: number) => void = () => {}
  const { fetch, system, ref, outcomes, clock } = await fetcher(
    () =>
      new Promise((resolve) => {
        settle = resolve
      }),
  )
  await fetch()
  system.stop(ref)
  settle(1)
  await clock.settle()
  t.same(outcomes, [])
  t.equal(system.deadLetters.total, 0)
})

t.test('pipe to self - the number of promises at a time is bounded', async (t) => {
  const { fetch, system, ref, log, clock } = await fetcher(() => new Promise(() => {}))
  for (let i = 0; i < 1024; i++) system.tell(ref, { kind: 'fetch' })
  await clock.settle()
  t.ok(system.isRunning(ref))
  await fetch()
  t.notOk(system.isRunning(ref))
  t.match(log.at(-1), { fields: { error: { code: 'MAILBOX_FULL' } } })
})
