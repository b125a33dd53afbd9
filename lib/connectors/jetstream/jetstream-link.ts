/**
 * A connection of a connector's own to a NATS server with JetStream, and what goes wrong with either in words. The
 * connection renews itself for ever; whoever reads or writes over it takes care of what was under way.
 */
import {
  JetStreamApiCodes,
  JetStreamApiError,
  type JetStreamManager,
  jetstreamManager,
} from '@nats-io/jetstream'
import { createInbox } from '@nats-io/transport-node'
import type { Clock } from '../../base/clock.ts'
import { asError, SluiceError } from '../../base/errors.ts'
import type { Logger } from '../../base/logger.ts'
import { didYouMean } from '../../base/nearest-name.ts'
import { connectNatsBus, type NatsBus } from '../../bus/nats-bus.ts'
import { type NatsOptions, shownServers } from '../../bus/nats-options.ts'
import type { Connections } from '../../function/connections.ts'

export interface JetStreamLink {
  readonly bus: NatsBus
  readonly manager: JetStreamManager
  /** Where answers may come in; a new one each time. */
  newInbox(): string
  /** For messages. */
  readonly servers: string
}

export interface LinkContext {
  readonly clock: Clock
  readonly log: Logger
  readonly connections: Connections
}

const REQUEST_TIMEOUT_MS = 5000
const STREAMS_SHOWN_MAX = 20

/**
 * Connects: by the connector's own options, or as the process was told. Throws CONFIG_INVALID if neither says how,
 * CANNOT_CONNECT, and NATS_SERVER_UNSUITABLE for a server (or account) without JetStream.
 */
export async function openJetStream(
  own: NatsOptions | undefined,
  context: LinkContext,
): Promise<JetStreamLink> {
  const options = own ?? context.connections.nats
  if (options === undefined) {
    throw new SluiceError(
      'CONFIG_INVALID',
      "jetstream: which NATS server? Give the connector the option nats, as { servers: 'nats://localhost:4222' }, or the process the URL of its server",
    )
  }
  const bus = await connectNatsBus(options, { clock: context.clock, logger: context.log })
  const servers = shownServers(options).join(', ')
  try {
    const manager = await jetstreamManager(bus.connection, { timeout: REQUEST_TIMEOUT_MS })
    return { bus, manager, newInbox: () => createInbox(options.inboxPrefix), servers }
  } catch (error) {
    await bus.close()
    throw new SluiceError(
      'NATS_SERVER_UNSUITABLE',
      `the NATS server at ${servers} offers no JetStream to this user (${asError(error).message}); start it with -js, or enable JetStream for the account`,
      { cause: error },
    )
  }
}

/** Whether trying again later may help: nobody answered, or the server says so. */
export function isTransient(error: unknown): boolean {
  if (error instanceof SluiceError) return false
  if (error instanceof JetStreamApiError) return error.status >= 500
  const { name } = asError(error)
  return name !== 'InvalidArgumentError' && name !== 'PermissionViolationError'
}

export function isStreamMissing(error: unknown): boolean {
  return error instanceof JetStreamApiError && error.code === JetStreamApiCodes.StreamNotFound
}

/** An error of the JetStream API as CONNECTOR_FAILED; `action` completes "cannot". */
export function jetStreamError(action: string, link: JetStreamLink, thrown: unknown): SluiceError {
  if (thrown instanceof SluiceError) return thrown
  return new SluiceError(
    'CONNECTOR_FAILED',
    `cannot ${action} at ${link.servers}: ${asError(thrown).message}`,
    {
      cause: thrown,
    },
  )
}

/** The streams there are, for messages: `; there are A, B`. */
export async function describeStreams(link: JetStreamLink, wanted?: string): Promise<string> {
  const names: string[] = []
  try {
    for await (const name of link.manager.streams.names()) {
      if (names.push(name) > STREAMS_SHOWN_MAX) break
    }
  } catch {
    return '' // a detail of an error message is not worth an error of its own
  }
  if (names.length === 0) return '; there are no streams'
  const shown = names.slice(0, STREAMS_SHOWN_MAX).join(', ')
  const more = names.length > STREAMS_SHOWN_MAX ? ', and more' : ''
  return `; there are ${shown}${more}.${wanted === undefined ? '' : didYouMean(wanted, names)}`
}
