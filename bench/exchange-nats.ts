/**
 * A keyBy between two node processes over NATS: records per second against a bare publisher and subscriber, two
 * processes as well, on the same server (exchange-bare-nats.ts). Both encode each record, publish the same frames and
 * decode them; Sluice, besides, hashes keys, keeps frames until they are acknowledged, counts per key in keyed state,
 * and hands over to a sink. All records cross the server: the source has one slot, and what is keyed the other.
 *
 *     node --import tsx bench/exchange-nats.ts [records]
 */
import { fileURLToPath } from 'node:url'
import { startBench } from './child-process.ts'
import { alternate } from './measurement.ts'
import { startCluster, startServer } from './nats-cluster.ts'
import { rateOf, type Span } from './span.ts'

const records = Number(process.argv[2] ?? 5_000_000)
/** Ending by `exit` takes the children and the temporary directory along. */
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1))
const server = await startServer()

async function sluice(): Promise<number> {
  const cluster = await startCluster(server, 2)
  const spans = Promise.race(cluster.nodes.map((node) => node.lines<Span>('firstMs')))
  spans.catch(() => {})
  await cluster.run(fileURLToPath(new URL('exchange-job.ts', import.meta.url)), [`${records}`, 'apart'])
  const rate = rateOf(await spans)
  await cluster.stop()
  return rate
}

async function bare(): Promise<number> {
  const subscriber = startBench('exchange-bare-nats.ts', ['subscribe', server.url, `${records}`])
  await subscriber.lines('ready')
  const publisher = startBench('exchange-bare-nats.ts', ['publish', server.url, `${records}`])
  const spans = await subscriber.lines<Span>('firstMs')
  await Promise.all([publisher.finished, subscriber.finished])
  return rateOf(spans)
}

await alternate({ sluice, bare, unit: 'M records/s', scale: 1e-6 })
await server.stop()
