/** The loops that queries are measured against: they must give the same results, or they measure nothing. */
import t from 'tap'
import { nexmarkQueries } from '../../bench/nexmark-arguments.ts'
import { BARE_QUERIES, feed } from '../../bench/nexmark-bare.ts'
import { GoldenDigests } from '../../bench/nexmark-golden.ts'
import { canonicalRows, digestOf } from '../../bench/nexmark-results.ts'
import { NexmarkGenerator } from '../../examples/nexmark/generator.ts'

const EVENTS = { events: 10_000, seed: 1, rate: 1000, ooo: 1 }

t.test('nexmark bare loops - their results are the known ones', async (t) => {
  t.same(Object.keys(BARE_QUERIES), nexmarkQueries())
  const golden = new GoldenDigests()
  const generator = new NexmarkGenerator(EVENTS)
  const events = Array.from({ length: EVENTS.events }, (_, n) => generator.event(n))
  for (const [name, create] of Object.entries(BARE_QUERIES)) {
    const rows: string[] = []
    const query = create((row) => rows.push(JSON.stringify(row)))
    for (const event of events) feed(query, event)
    query.end?.()
    t.equal(golden.judge(name, EVENTS, digestOf(canonicalRows(name, rows))), 'ok', name)
  }
})
