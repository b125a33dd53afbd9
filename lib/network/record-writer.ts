/**
 * The sending side of an edge: picks the channel of each record. One small class per partitioner, so that what a
 * record costs can be read off one method.
 */
import { unreachable } from '../base/assert.ts'
import { SluiceError } from '../base/errors.ts'
import { type Key, keyHash, murmurHash } from '../base/hash.ts'
import type { Random } from '../base/prng.ts'
import { subtaskOfKeyGroup } from '../state/key-group.ts'
import type { OutputChannel } from './channel.ts'
import type { Partitioner } from './partitioner.ts'
import type { StreamEvent } from './stream-event.ts'

export abstract class RecordWriter {
  readonly channels: readonly OutputChannel[]

  constructor(channels: readonly OutputChannel[]) {
    this.channels = channels
  }

  abstract collect(value: unknown): void

  /** Events go to every channel. */
  event(event: StreamEvent): void {
    for (const channel of this.channels) channel.event(event)
  }

  get isAvailable(): boolean {
    for (const channel of this.channels) if (!channel.isAvailable) return false
    return true
  }
}

export interface RecordWriterOptions {
  readonly partitioner: Partitioner
  /** The channels of this subtask on the edge, by the index of the subtask downstream. */
  readonly channels: readonly OutputChannel[]
  readonly maxParallelism: number
  readonly subtaskIndex: number
  readonly random: Random
}

export function newRecordWriter(options: RecordWriterOptions): RecordWriter {
  const { partitioner, channels } = options
  switch (partitioner.kind) {
    case 'hash':
      return channels.length === 1 ? new SingleWriter(channels) : new HashWriter(options, partitioner.keyOf)
    case 'forward':
    case 'global':
      return new SingleWriter(channels)
    case 'rebalance':
    case 'rescale':
      return channels.length === 1
        ? new SingleWriter(channels)
        : new RoundRobinWriter(channels, options.subtaskIndex)
    case 'shuffle':
      return new ShuffleWriter(channels, options.random)
    case 'broadcast':
      return new BroadcastWriter(channels)
    case 'custom':
      return new CustomWriter(channels, partitioner.subtaskOf)
    default:
      return unreachable(partitioner)
  }
}

/** Everything to the first channel. */
class SingleWriter extends RecordWriter {
  readonly #channel: OutputChannel

  constructor(channels: readonly OutputChannel[]) {
    super(channels)
    this.#channel = channels[0]!
  }

  override collect(value: unknown): void {
    this.#channel.write(value, -1)
  }
}

/** By key group, computed here once and sent along. */
class HashWriter extends RecordWriter {
  readonly #keyOf: (value: never) => Key
  readonly #maxParallelism: number
  readonly #channelOfGroup: OutputChannel[]

  constructor({ channels, maxParallelism }: RecordWriterOptions, keyOf: (value: never) => Key) {
    super(channels)
    this.#keyOf = keyOf
    this.#maxParallelism = maxParallelism
    this.#channelOfGroup = Array.from(
      { length: maxParallelism },
      (_, group) => channels[subtaskOfKeyGroup(maxParallelism, channels.length, group)]!,
    )
  }

  override collect(value: unknown): void {
    const keyGroup = murmurHash(keyHash(this.#keyOf(value as never))) % this.#maxParallelism
    this.#channelOfGroup[keyGroup]!.write(value, keyGroup)
  }
}

/** Each subtask begins at another channel, so that short streams are spread too. */
class RoundRobinWriter extends RecordWriter {
  #next: number

  constructor(channels: readonly OutputChannel[], subtaskIndex: number) {
    super(channels)
    this.#next = subtaskIndex % channels.length
  }

  override collect(value: unknown): void {
    this.channels[this.#next]!.write(value, -1)
    this.#next = this.#next + 1 === this.channels.length ? 0 : this.#next + 1
  }
}

class ShuffleWriter extends RecordWriter {
  readonly #random: Random

  constructor(channels: readonly OutputChannel[], random: Random) {
    super(channels)
    this.#random = random
  }

  override collect(value: unknown): void {
    this.channels[this.#random.nextInt(this.channels.length)]!.write(value, -1)
  }
}

class BroadcastWriter extends RecordWriter {
  override collect(value: unknown): void {
    for (let i = 0; i < this.channels.length; i++) this.channels[i]!.write(value, -1)
  }
}

class CustomWriter extends RecordWriter {
  readonly #subtaskOf: (value: never, subtaskCount: number) => number

  constructor(channels: readonly OutputChannel[], subtaskOf: (value: never, subtaskCount: number) => number) {
    super(channels)
    this.#subtaskOf = subtaskOf
  }

  override collect(value: unknown): void {
    const index = this.#subtaskOf(value as never, this.channels.length)
    const channel = this.channels[index]
    if (channel === undefined) {
      throw new SluiceError(
        'USER_FUNCTION_FAILED',
        `a custom partitioner must return an integer from 0 to ${this.channels.length - 1}, found ${index}`,
      )
    }
    channel.write(value, -1)
  }
}
