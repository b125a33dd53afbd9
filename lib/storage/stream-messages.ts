/**
 * The messages of a stream, asked for one by one from its leader. A consumer would be faster and is what the
 * clients of @nats-io use to list keys and objects, but they decide by counting when they have seen all, and wait
 * for ever when a message is replaced while they count.
 */
import type { JetStreamManager, MsgRequest, StoredMsg } from '@nats-io/jetstream'

/** The first message on a subject, which may have wildcards, at this sequence or later. */
export function nextMessage(
  jsm: JetStreamManager,
  stream: string,
  subject: string,
  sequence: number,
): Promise<StoredMsg | null> {
  // The server knows this query here too; only the client's type does not.
  return jsm.streams.getMessage(stream, { seq: sequence, next_by_subj: subject } as MsgRequest)
}

/** In order; what is written meanwhile may come or not. */
export async function* messagesOf(
  jsm: JetStreamManager,
  stream: string,
  subject: string,
): AsyncGenerator<StoredMsg> {
  let sequence = 1
  for (;;) {
    const message = await nextMessage(jsm, stream, subject, sequence)
    if (message === null) return
    yield message
    sequence = message.seq + 1
  }
}
