/** How services wait: for a signal, or for what ends them against their will. */
import { SluiceError } from '../lib/base/errors.ts'
import type { NatsBus } from '../lib/bus/nats-bus.ts'
import { whenAborted } from './interrupts.ts'

/** Resolves when `stop` aborts. Rejects if the connection is closed for good; a lost one is not, it comes back. */
export function untilStopped(stop: AbortSignal, bus: NatsBus): Promise<void> {
  const closed = new Promise<never>((_resolve, reject) => {
    bus.onStatus((status) => {
      if (status !== 'closed' || stop.aborted) return
      reject(
        new SluiceError(
          'CANNOT_CONNECT',
          `the NATS server at ${bus.connection.getServer()} has closed the connection for good`,
        ),
      )
    })
  })
  return Promise.race([whenAborted(stop), closed])
}
