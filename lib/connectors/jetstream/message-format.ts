/** What becomes of a record: a message with a subject, a content and headers. */
import { SluiceError } from '../../base/errors.ts'
import { isLiteralSubject } from './subject-filter.ts'

type Headers = Readonly<Record<string, string>>

/** A message that has no id yet. */
export interface Message {
  readonly subject: string
  readonly data: Uint8Array
  readonly headers: Map<string, string> | null
}

export interface MessageFormatOptions<I> {
  readonly subject: string | ((value: I) => string)
  encode(value: I): Uint8Array | string
  readonly headers: Headers | ((value: I) => Headers) | null
}

const encoder = new TextEncoder()

export class MessageFormat<I> {
  readonly #options: MessageFormatOptions<I>
  /** Where they are the same for all. */
  readonly #headers: Map<string, string> | null
  /** The last that was found to be one. */
  #knownSubject = ''

  constructor(options: MessageFormatOptions<I>) {
    this.#options = options
    this.#headers =
      options.headers === null || typeof options.headers === 'function' ? null : toMap(options.headers)
  }

  /** The one subject of all messages, if there is only one. */
  get subject(): string | null {
    const { subject } = this.#options
    return typeof subject === 'string' ? subject : null
  }

  /** Throws CONNECTOR_FAILED for a subject nothing can be published to. */
  toMessage(value: I): Message {
    const { subject, headers, encode } = this.#options
    const content = encode(value)
    return {
      subject: this.#checked(typeof subject === 'string' ? subject : subject(value)),
      data: typeof content === 'string' ? encoder.encode(content) : content,
      headers: typeof headers === 'function' ? toMap(headers(value)) : this.#headers,
    }
  }

  #checked(subject: string): string {
    if (subject === this.#knownSubject || isLiteralSubject(subject)) {
      this.#knownSubject = subject
      return subject
    }
    throw new SluiceError(
      'CONNECTOR_FAILED',
      `jetstreamSink: expected a subject without wildcards or blanks, found ${JSON.stringify(subject)}`,
    )
  }
}

const toMap = (headers: Headers): Map<string, string> => new Map(Object.entries(headers))
