/** A few seeds of the simulator, and that a seed always does the same. For many: `npm run sim -- --seeds 1000`. */
import t from 'tap'
import { simulate } from './simulate.ts'

const FROM = 1
const COUNT = 30

t.test('simulation - whatever goes wrong, results are as if nothing had', async (t) => {
  let restarts = 0
  for (let seed = FROM; seed < FROM + COUNT; seed++) {
    const { problems, stats, plan } = await simulate(seed)
    restarts += stats.restarts ?? 0
    if (problems.length > 0)
      t.fail(`seed ${seed} (${plan.job}): npm run sim -- --seed ${seed} --log`, { problems })
  }
  t.ok(restarts > COUNT, `${restarts} restarts: faults happen`)
})

t.test('simulation - a seed does the same each time, down to the last message', async (t) => {
  for (const seed of [3, 5, 9]) {
    const first = await simulate(seed)
    const second = await simulate(seed)
    t.equal(second.digest, first.digest, `seed ${seed}`)
    t.same(second.stats, first.stats)
  }
  t.not((await simulate(1)).digest, (await simulate(2)).digest)
})
