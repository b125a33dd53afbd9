/** The way out of a JetStream sink: a connection of its own, and a publisher on it. */
import { asError, SluiceError } from '../../base/errors.ts'
import type { NatsOptions } from '../../bus/nats-options.ts'
import type { SinkContext } from '../../function/sink.ts'
import { describeStreams, isStreamMissing, type JetStreamLink, openJetStream } from './jetstream-link.ts'
import { Publisher } from './publisher.ts'

export interface PublishingOptions {
  readonly nats: NatsOptions | undefined
  readonly inFlightMax: number
  readonly inFlightBytesMax: number
  readonly retryMs: number
}

export interface OpenPublisher {
  readonly link: JetStreamLink
  readonly publisher: Publisher
  close(): Promise<void>
}

/** `subject`: of all messages, if it is known. Throws CONNECTOR_FAILED if no stream takes it, and as openJetStream. */
export async function openPublisher(
  options: PublishingOptions,
  subject: string | null,
  context: SinkContext,
): Promise<OpenPublisher> {
  const link = await openJetStream(options.nats, context)
  try {
    if (subject !== null) await checkStream(link, subject)
  } catch (error) {
    await link.bus.close()
    throw error
  }
  const { inFlightMax, inFlightBytesMax, retryMs } = options
  const publisher = new Publisher({
    link,
    clock: context.clock,
    inFlightMax,
    inFlightBytesMax,
    retryMs,
    onError: (error) => context.fail(error),
  })
  return {
    link,
    publisher,
    close: async () => {
      publisher.close()
      await link.bus.close()
    },
  }
}

async function checkStream(link: JetStreamLink, subject: string): Promise<void> {
  try {
    await link.manager.streams.find(subject)
  } catch (error) {
    const what = isStreamMissing(error)
      ? `no stream takes messages of this subject${await describeStreams(link)}`
      : asError(error).message
    throw new SluiceError('CONNECTOR_FAILED', `cannot publish to ${subject} at ${link.servers}: ${what}`, {
      cause: error,
    })
  }
}
