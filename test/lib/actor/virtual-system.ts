/** Actor systems on one local broker in virtual time, with the log kept. */

import { ActorSystem, type ActorSystemOptions } from '../../../lib/actor/actor-system.ts'
import { createLogger, type LogEntry } from '../../../lib/base/logger.ts'
import { SeededRandom } from '../../../lib/base/prng.ts'
import { LocalBroker } from '../../../lib/bus/local-bus.ts'
import { ManualClock } from '../../../lib/testing/manual-clock.ts'
import { runVirtually } from '../../support/virtual-time.ts'

export function virtualNetwork(brokerOptions: { payloadBytesMax?: number } = {}) {
  const clock = new ManualClock(1_000_000)
  const log: LogEntry[] = []
  const logger = createLogger(clock, 'debug', (entry) => log.push(entry))
  const broker = new LocalBroker({ clock, logger, ...brokerOptions })
  const createSystem = (options: Partial<ActorSystemOptions> = {}) =>
    new ActorSystem({ bus: broker.connect(), clock, random: new SeededRandom(7), logger, ...options })
  return {
    clock,
    log,
    logger,
    broker,
    createSystem,
    system: createSystem(),
    /** Another party on the bus: what is not an actor. */
    outside: broker.connect(),
    run: <T>(promise: Promise<T>) => runVirtually(clock, promise),
  }
}
