/**
 * Publishes transactions whose checkpoint is complete, each message once, however often and however late it is asked
 * to: which of them have been begun or are done is in the commit log, and of one that was cut off, the messages that
 * got into their streams are found there by their ids. So nothing depends on the streams' duplicate window, save that
 * a process which is given up but still publishes must end within it.
 */
import type { Committer, SinkContext } from '../../function/sink.ts'
import { CommitLog } from './commit-log.ts'
import { type JetStreamTransaction, messageId } from './jetstream-transaction.ts'
import { type OpenPublisher, openPublisher, type PublishingOptions } from './open-publisher.ts'
import { publishedIds } from './published-ids.ts'

export class JetStreamCommitter implements Committer<JetStreamTransaction> {
  readonly #options: PublishingOptions
  readonly #context: SinkContext
  #opening: Promise<OpenPublisher> | null = null
  #log: CommitLog | null = null

  constructor(options: PublishingOptions, context: SinkContext) {
    this.#options = options
    this.#context = context
  }

  /** In the order given: a transaction begins when the one before it is done. */
  async commit(transactions: readonly JetStreamTransaction[]): Promise<void> {
    this.#opening ??= openPublisher(this.#options, null, this.#context)
    const open = await this.#opening
    this.#log ??= new CommitLog(open.link)
    for (const transaction of transactions) await publish(transaction, this.#log, open)
  }

  async close(): Promise<void> {
    await (await this.#opening?.catch(() => null))?.close()
  }
}

async function publish(
  { id, messages }: JetStreamTransaction,
  log: CommitLog,
  { publisher, link }: OpenPublisher,
): Promise<void> {
  const status = await log.begin(id)
  if (status.kind === 'done') return
  const subjects = new Set(messages.map(({ subject }) => subject))
  const published =
    status.kind === 'begun' ? await publishedIds(link, subjects, `${id}/`, status.sinceMs) : new Set<string>()
  for (const [index, message] of messages.entries()) {
    const outgoing = { ...message, id: messageId(id, index) }
    if (!published.has(outgoing.id)) publisher.publish(outgoing)
  }
  await publisher.flush()
  await log.done(id)
}
