/** The verification: what it says of cases, and that it can be told to take one of its paths. */
import t from 'tap'
import { type VerifyPlan, verify } from '../../bench/nexmark-verify.ts'

t.setTimeout(120_000)

const HERE = 'local, heap, parallelism 1, rate 1000, out of order by 1000'
const IN_THREADS = 'local, heap, parallelism 2, rate 1000, out of order by 1000'
const signal = new AbortController().signal

t.test('nexmark verification - one path is taken, and each case is said', async (t) => {
  const { said, verdicts } = await run({ queries: ['q2', 'q3'], path: IN_THREADS })
  t.same(verdicts, { passed: 2, failed: 0 })
  t.same(said, [`[1 of 2] q2, ${IN_THREADS}: ok`, `[2 of 2] q3, ${IN_THREADS}: ok`])
})

t.test(
  'nexmark verification - a digest that differs is said with the other, and how to have the case alone',
  async (t) => {
    const known = { known: () => 'abc' }
    const { said, verdicts } = await run({ queries: ['q2'], path: HERE }, known)
    t.same(verdicts, { passed: 0, failed: 1 })
    const complaint = new RegExp(
      `q2, ${HERE}: expected digest abc, found [0-9a-f]{64} of \\d+ rows\n` +
        `  again: npm run nexmark -- --verify --query q2 --path '${HERE}'`,
    )
    t.match(said[0], complaint)
    t.match(said.at(-1), complaint, 'at the end once more')
  },
)

t.test('nexmark verification - after a case that fails the others go on', async (t) => {
  const { said, verdicts } = await run({ queries: ['q99', 'q2'], path: HERE })
  t.same(verdicts, { passed: 1, failed: 1 })
  t.match(said[0], /^\[1 of 2\] q99, .*: failed: .*q99\.ts/)
  t.match(said[1], /^\[2 of 2\] q2, .*: ok$/)
})

t.test('nexmark verification - what there was no time for is said', async (t) => {
  const { said, verdicts } = await run({ queries: ['q2', 'q3'], path: HERE, minutes: 0 })
  t.same(verdicts, { passed: 0, failed: 0 })
  t.match(said, [
    `q2, ${HERE}: left out, the time is up`,
    `q3, ${HERE}: left out, the time is up`,
    /^2 of 2 left out: 0 min were up/,
  ])
})

t.test('nexmark verification - a path that does not exist is refused, and the nearest named', async (t) => {
  const path = '2 nodes, heap, paralellism 2'
  const nearest = /no path ".*"\. Did you mean "2 nodes, heap, parallelism 2"\?/
  await t.rejects(run({ queries: ['q2'], path }), { code: 'USAGE', message: nearest })
})

async function run(plan: Partial<VerifyPlan>, known?: { known(): string }) {
  const said: string[] = []
  const whole = { queries: [], path: null, minutes: 1, ...plan }
  const verdicts = await verify(whole, signal, (text) => said.push(text), known)
  return { said, verdicts }
}
