/**
 * How fast Nexmark's generator alone makes events, to be set against the rates of the queries: what is left of the
 * time of a query is what the query costs.
 *
 *     node --import tsx bench/nexmark-generator.ts [events per round]
 */
import { NexmarkGenerator } from '../examples/nexmark/generator.ts'
import { systemClock } from '../lib/base/clock.ts'

const ROUNDS = 7

const events = Number(process.argv[2] ?? 1_000_000)
const generator = new NexmarkGenerator({ seed: 7 })
/** Keeps the compiler from leaving out what nobody looks at. */
let checksum = 0
const seconds = Array.from({ length: ROUNDS }, () => {
  const startedMs = systemClock.monotonic()
  for (let n = 0; n < events; n++) checksum += generator.event(n).dateTime % 7
  return (systemClock.monotonic() - startedMs) / 1000
})
// The first round is also that of the compiler.
const best = Math.min(...seconds.slice(1))
const report = {
  events,
  checksum,
  eventsPerSecond: Math.round(events / best),
  nsPerEvent: Math.round((best / events) * 1e9),
}
process.stdout.write(`${JSON.stringify(report)}\n`)
