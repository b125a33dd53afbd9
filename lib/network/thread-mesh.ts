/**
 * Frames between the slot threads of one process: one MessagePort per pair of slots, shared by all channels between
 * them. Buffers are transferred, not copied, and nothing gets lost while both threads live. When one dies the frames
 * simply stop; its node reports the loss of the slot.
 */
import type { MessagePort } from 'node:worker_threads'
import type { ChannelAddress, FrameDirection, FramePort } from './frame-port.ts'

interface FrameMessage {
  readonly channel: string
  readonly frame: Uint8Array
}

export class ThreadMesh {
  readonly #ports = new Map<number, MessagePort>()
  readonly #receivers = new Map<string, (frame: Uint8Array) => void>()

  /** A direct line to another slot of this process; replaces the one to a thread that has ended. */
  connect(slot: number, port: MessagePort): void {
    this.#ports.get(slot)?.close()
    this.#ports.set(slot, port)
    port.on('message', ({ channel, frame }: FrameMessage) => this.#receivers.get(channel)?.(frame))
    port.unref()
  }

  /** The port of channels to and from one other slot. */
  portTo(slot: number): FramePort {
    return {
      isReliable: true,
      frameBytesMax: Number.MAX_SAFE_INTEGER,
      send: (address, direction, frame) => {
        const message: FrameMessage = { channel: keyOf(address, direction), frame }
        this.#ports.get(slot)?.postMessage(message, [frame.buffer as ArrayBuffer])
      },
      receive: (address, direction, onFrame) => {
        const key = keyOf(address, direction)
        this.#receivers.set(key, onFrame)
        return () => {
          this.#receivers.delete(key)
        }
      },
    }
  }

  close(): void {
    for (const port of this.#ports.values()) port.close()
    this.#ports.clear()
    this.#receivers.clear()
  }
}

function keyOf({ jobId, attempt, edgeId, from, to }: ChannelAddress, direction: FrameDirection): string {
  return `${direction}/${jobId}/${attempt}/${edgeId}/${from}/${to}`
}
