/** Messages that have come and were not collected yet: first in, first out, bounded by who asks for more of them. */
import { assert } from '../../base/assert.ts'
import type { PulledMessage } from './pulled-message.ts'

export class MessageBuffer {
  readonly messagesMax: number
  readonly bytesMax: number
  /** Bytes of payload held. */
  bytes = 0
  #messages: PulledMessage[] = []
  /** Of the first message not taken yet. */
  #first = 0

  constructor(messagesMax: number, bytesMax: number) {
    this.messagesMax = messagesMax
    this.bytesMax = bytesMax
  }

  get count(): number {
    return this.#messages.length - this.#first
  }

  push(message: PulledMessage): void {
    this.#messages.push(message)
    this.bytes += message.data.length
  }

  peek(): PulledMessage | undefined {
    return this.#messages[this.#first]
  }

  /** Removes the first message. */
  drop(): void {
    const message = this.#messages[this.#first]
    assert(message !== undefined, 'a message to drop')
    this.bytes -= message.data.length
    this.#first++
    // Half of the list at most is messages that were taken.
    if (this.#first >= this.messagesMax || this.#first === this.#messages.length) {
      this.#messages = this.#messages.slice(this.#first)
      this.#first = 0
    }
  }
}
