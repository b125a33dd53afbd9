/**
 * Finds which messages of a transaction got into their streams before its publisher died, by the ids in their headers.
 * Reads what the streams took since then, without the contents; this is only done after a failure in the middle of
 * a commit. Streams that delete what has been consumed (work queues) do not show everything: there only the server's
 * duplicate window helps.
 */
import { DeliverPolicy, jetstream } from '@nats-io/jetstream'
import { type JetStreamLink, jetStreamError } from './jetstream-link.ts'

const FETCH_MESSAGES = 1000
const FETCH_EXPIRES_MS = 5000

/** `sinceMs`: the server's time before the first of them. Throws CONNECTOR_FAILED. */
export async function publishedIds(
  link: JetStreamLink,
  subjects: ReadonlySet<string>,
  idPrefix: string,
  sinceMs: number,
): Promise<Set<string>> {
  const ids = new Set<string>()
  try {
    for (const stream of await streamsOf(link, subjects)) {
      for await (const id of idsSince(link, stream, sinceMs)) if (id.startsWith(idPrefix)) ids.add(id)
    }
  } catch (error) {
    throw jetStreamError('find out what was published', link, error)
  }
  return ids
}

/** One request a subject. */
async function streamsOf(link: JetStreamLink, subjects: ReadonlySet<string>): Promise<Set<string>> {
  const streams = new Set<string>()
  for (const subject of subjects) streams.add(await link.manager.streams.find(subject))
  return streams
}

async function* idsSince(link: JetStreamLink, stream: string, sinceMs: number): AsyncGenerator<string> {
  const consumer = await jetstream(link.bus.connection).consumers.get(stream, {
    deliver_policy: DeliverPolicy.StartTime,
    opt_start_time: new Date(sinceMs).toISOString(),
    headers_only: true,
  })
  let pending = (await consumer.info()).num_pending
  while (pending > 0) {
    const messages = await consumer.fetch({ max_messages: FETCH_MESSAGES, expires: FETCH_EXPIRES_MS })
    for await (const message of messages) {
      pending = message.info.pending
      yield message.headers?.get('Nats-Msg-Id') ?? ''
      if (pending === 0) return
    }
  }
}
