/** Runs in a worker thread: answers on `thread.echo`, and ends when told to. */
import { parentPort, workerData } from 'node:worker_threads'
import { systemClock } from '../../../lib/base/clock.ts'
import { silentLogger } from '../../../lib/base/logger.ts'
import { connectThreadBus } from '../../../lib/bus/thread-bus.ts'

const bus = await connectThreadBus(workerData.port, { clock: systemClock, logger: silentLogger })
bus.subscribe('thread.echo', (message) => message.respond(message.payload))
bus.subscribe('thread.exit', () => process.exit(0))
await bus.flush()
parentPort?.postMessage('ready')
