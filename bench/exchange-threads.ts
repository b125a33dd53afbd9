/**
 * A keyBy between two slot threads of a local run: records per second against two threads that only encode, transfer
 * and decode (exchange-bare-thread.ts). Both have two threads with a source each, and half of the records change
 * threads; Sluice, besides, hashes keys, counts per key in keyed state, and hands over to a sink.
 *
 *     node --import tsx bench/exchange-threads.ts [records]
 */
import { fileURLToPath } from 'node:url'
import { MessageChannel, type MessagePort, Worker } from 'node:worker_threads'
import { startSluice } from './child-process.ts'
import { alternate } from './measurement.ts'
import { rateOf, type Span } from './span.ts'

/** Of a thread: as in actors/thread-slot-host.ts. */
const YOUNG_GENERATION_MB = 64

const records = Number(process.argv[2] ?? 24_000_000)

async function sluice(): Promise<number> {
  const job = fileURLToPath(new URL('exchange-job.ts', import.meta.url))
  const run = startSluice(['run', job, '--local', '-p', '2', '--', `${records}`])
  const spans = await run.lines<Span>('firstMs', 2)
  await run.finished
  return rateOf(spans)
}

async function bare(): Promise<number> {
  const { port1, port2 } = new MessageChannel()
  const threads = [startThread(port1), startThread(port2)]
  await Promise.all(threads.map(messageOf))
  const spans = threads.map(messageOf)
  for (const thread of threads) thread.postMessage('go')
  const rate = rateOf((await Promise.all(spans)) as Span[])
  await Promise.all(threads.map((thread) => thread.terminate()))
  return rate
}

/** Through the entry of slot threads, since a worker cannot begin with TypeScript. */
function startThread(peer: MessagePort): Worker {
  return new Worker(new URL('../actors/thread-boot.mjs', import.meta.url), {
    workerData: {
      entry: new URL('exchange-bare-thread.ts', import.meta.url).href,
      peer,
      count: records / 2,
    },
    transferList: [peer],
    resourceLimits: { maxYoungGenerationSizeMb: YOUNG_GENERATION_MB },
  })
}

function messageOf(thread: Worker): Promise<unknown> {
  return new Promise((resolve, reject) => {
    thread.once('message', resolve)
    thread.once('error', reject)
  })
}

await alternate({ sluice, bare, unit: 'M records/s', scale: 1e-6 })
