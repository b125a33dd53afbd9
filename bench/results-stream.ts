/** Messages of a JetStream stream as rows: all it holds, in the order in which the server took them. */
import { DeliverPolicy, jetstream, jetstreamManager } from '@nats-io/jetstream'
import type { NatsConnection } from '@nats-io/transport-node'

export interface StreamRow {
  readonly subject: string
  readonly text: string
}

const FETCH_MESSAGES = 1000
/** Time after the last message without any more, when all of a stream should have been read. */
const READ_PATIENCE_MS = 5000

/** Whole, whatever the subjects: counts by subject may be off. Throws if messages that were announced do not come. */
export async function readStream(connection: NatsConnection, stream: string): Promise<StreamRow[]> {
  const manager = await jetstreamManager(connection)
  const { state } = await manager.streams.info(stream)
  const consumer = await jetstream(connection).consumers.get(stream, { deliver_policy: DeliverPolicy.All })
  const rows: StreamRow[] = []
  for (let sequence = 0; sequence < state.last_seq; ) {
    const before = sequence
    const messages = await consumer.fetch({ max_messages: FETCH_MESSAGES, expires: READ_PATIENCE_MS })
    for await (const message of messages) {
      sequence = message.seq
      rows.push({ subject: message.subject, text: message.string() })
      if (sequence === state.last_seq) break
    }
    if (sequence === before)
      throw new Error(`messages up to ${state.last_seq} were announced, ${before} came`)
  }
  return rows
}

/** Where the results of one query go, as `deliver` of the queries is told it. */
export class ResultsStream {
  readonly args: readonly string[]
  readonly #connection: NatsConnection
  readonly #name: string

  private constructor(connection: NatsConnection, name: string, subject: string) {
    this.#connection = connection
    this.#name = name
    this.args = ['--sink=jetstream', `--subject=${subject}`]
  }

  /** Empty: one that was left by a run that failed is deleted. */
  static async open(connection: NatsConnection, query: string): Promise<ResultsStream> {
    const name = `NEXMARK_${query}`
    const subject = `nexmark.${query}`
    const manager = await jetstreamManager(connection)
    for await (const old of manager.streams.names(subject)) await manager.streams.delete(old)
    await manager.streams.add({ name, subjects: [subject] })
    return new ResultsStream(connection, name, subject)
  }

  /** The rows; there is no stream then any more. */
  async take(): Promise<string[]> {
    const rows = await readStream(this.#connection, this.#name)
    await (await jetstreamManager(this.#connection)).streams.delete(this.#name)
    return rows.map(({ text }) => text)
  }
}
