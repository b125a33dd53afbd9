/** A message of a stream as it came, and what the server says about it. */
import type { Msg } from '@nats-io/transport-node'
import { assert } from '../../base/assert.ts'

/** What `decode` gets. */
export interface JetStreamMessage {
  readonly subject: string
  readonly data: Uint8Array
  /** In the stream, counting from 1. */
  readonly sequence: number
  /** When the server stored it, ms. */
  readonly timestamp: number
  /** The data as UTF-8. */
  text(): string
  /** The first value of a header. */
  header(name: string): string | undefined
}

const decoder = new TextDecoder()
const NANOS_DIGITS = 6

export class PulledMessage implements JetStreamMessage {
  readonly sequence: number
  readonly timestamp: number
  /** Counts from 1 for each consumer, without gaps. */
  readonly consumerSequence: number
  /** Messages for the consumer after this one, as of its delivery. */
  readonly pending: number
  readonly #message: Msg

  constructor(message: Msg) {
    // $JS.ACK[.<domain>.<account>].<stream>.<consumer>.<deliveries>.<sequence>.<of consumer>.<ns>.<pending>[.<any>]
    const tokens = (message.reply ?? '').split('.')
    const first = tokens.length === 9 ? 5 : 7
    assert(tokens.length >= 9 && tokens[1] === 'ACK', 'a message from a consumer')
    this.#message = message
    this.sequence = Number(tokens[first])
    this.consumerSequence = Number(tokens[first + 1])
    this.timestamp = Number(tokens[first + 2]!.slice(0, -NANOS_DIGITS))
    this.pending = Number(tokens[first + 3])
  }

  get subject(): string {
    return this.#message.subject
  }

  get data(): Uint8Array {
    return this.#message.data
  }

  text(): string {
    return decoder.decode(this.#message.data)
  }

  header(name: string): string | undefined {
    const { headers } = this.#message
    return headers?.has(name) === true ? headers.get(name) : undefined
  }
}
