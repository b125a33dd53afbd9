/**
 * A JetStream server of a test's own making behind the client's interfaces: what is published is recorded, and what
 * arrives is what the test says. For what real servers do only when they fail.
 */
import type { Msg } from '@nats-io/transport-node'
import type { BusStatus } from '../../../../lib/bus/bus.ts'
import type { JetStreamLink } from '../../../../lib/connectors/jetstream/jetstream-link.ts'

export interface Published {
  readonly subject: string
  readonly data: unknown
  readonly reply: string | undefined
  readonly id: string | undefined
}

type Callback = (error: Error | null, message: Msg) => void

export class FakeLink {
  readonly published: Published[] = []
  /** Configurations of consumers made, oldest first. */
  readonly consumers: { readonly opt_start_seq: number }[] = []
  /** What making a consumer runs into; null: nothing. */
  addError: Error | null = null
  pendingAtStart = 10
  stream = { first_seq: 1, last_seq: 1_000_000 }
  consumerNow = { num_pending: 0, delivered: { consumer_seq: 0 } }
  readonly #subscriptions = new Map<string, Callback>()
  readonly #listeners = new Set<(status: BusStatus) => void>()
  #inboxes = 0

  get link(): JetStreamLink {
    return {
      servers: 'nats://fake',
      newInbox: () => `_INBOX.${++this.#inboxes}`,
      bus: {
        payloadBytesMax: 1024 * 1024,
        onStatus: (listener: (status: BusStatus) => void) => {
          this.#listeners.add(listener)
          return () => this.#listeners.delete(listener)
        },
        connection: {
          isClosed: () => false,
          publish: (
            subject: string,
            data: Uint8Array | string,
            options: { reply?: string; headers?: Map<string, string> },
          ) => {
            const text = typeof data === 'string' ? data : new TextDecoder().decode(data)
            this.published.push({
              subject,
              data: JSON.parse(text),
              reply: options.reply,
              id: options.headers?.get('Nats-Msg-Id'),
            })
          },
          subscribe: (subject: string, { callback }: { callback: Callback }) => {
            this.#subscriptions.set(subject, callback)
            return { unsubscribe: () => this.#subscriptions.delete(subject) }
          },
        },
      },
      manager: {
        streams: {
          info: async () => ({ state: this.stream, config: {} }),
          names: async function* () {
            yield 'SOME'
          },
        },
        consumers: {
          add: async (_stream: string, config: { opt_start_seq: number }) => {
            if (this.addError !== null) throw this.addError
            this.consumers.push(config)
            return { name: `c${this.consumers.length}`, num_pending: this.pendingAtStart }
          },
          delete: async () => true,
          info: async () => this.consumerNow,
        },
      },
    } as unknown as JetStreamLink
  }

  /** Inboxes in use. */
  get inboxes(): string[] {
    return [...this.#subscriptions.keys()]
  }

  setStatus(status: BusStatus): void {
    for (const listener of this.#listeners) listener(status)
  }

  /** A message for the consumer that uses the inbox. */
  deliver(inbox: string, sequence: number, consumerSequence: number, pending = 1): void {
    const reply = `$JS.ACK.S.c.1.${sequence}.${consumerSequence}.1700000000000123456.${pending}`
    this.#receive(inbox, { subject: 's.a', reply, data: new TextEncoder().encode(String(sequence)) })
  }

  /** A message without content, such as the server's heartbeat. */
  status(inbox: string, code: number, description: string, values: Record<string, string> = {}): void {
    this.#receive(inbox, {
      subject: inbox,
      reply: '',
      data: new Uint8Array(0),
      headers: headersOf(code, description, values),
    })
  }

  /** An answer to a message published with `reply`. */
  answer(reply: string, text: string, code = 0): void {
    const subscription = `${reply.slice(0, reply.lastIndexOf('.'))}.*`
    const data = new TextEncoder().encode(text)
    this.#receive(subscription, {
      subject: reply,
      reply: '',
      data,
      headers: headersOf(code, '', {}),
      string: () => text,
    })
  }

  refuse(inbox: string, error: Error): void {
    this.#subscriptions.get(inbox)?.(error, null as unknown as Msg)
  }

  #receive(subscription: string, message: object): void {
    this.#subscriptions.get(subscription)?.(null, message as Msg)
  }
}

function headersOf(code: number, description: string, values: Record<string, string>) {
  return {
    code,
    description,
    get: (name: string) => values[name] ?? '',
    has: (name: string) => name in values,
  }
}
