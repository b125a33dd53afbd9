/**
 * Slots as threads of a node process. Starts one worker per slot, wires each pair with a port of its own for frames,
 * replaces workers that end or hang, and stops all of them when the node goes.
 */
import { MessageChannel, Worker } from 'node:worker_threads'
import type { Clock } from '../lib/base/clock.ts'
import { fromErrorRecord, type SluiceError } from '../lib/base/errors.ts'
import { newId } from '../lib/base/ids.ts'
import type { Logger } from '../lib/base/logger.ts'
import type { Random } from '../lib/base/prng.ts'
import type { NatsOptions } from '../lib/bus/nats-options.ts'
import type { ThreadBusHub } from '../lib/bus/thread-bus.ts'
import type { FromSlotThread, SlotBus, SlotThreadData, ToSlotThread } from './slot-thread.ts'
import type { SlotHost } from './task-manager.ts'

export interface ThreadSlotHostOptions
  extends Pick<
    SlotThreadData,
    | 'cluster'
    | 'connections'
    | 'heartbeatIntervalMs'
    | 'logLevel'
    | 'logFormat'
    | 'cacheDir'
    | 'storageUri'
    | 'stateDirectory'
  > {
  readonly nodeId: string
  readonly slotCount: number
  /** How many threads start at a time: to load the engine takes a core each. */
  readonly startingMax: number
  /** Threads speak through the hub of this process, or connect to NATS themselves. */
  readonly bus:
    | { readonly kind: 'hub'; readonly hub: ThreadBusHub }
    | { readonly kind: 'nats'; readonly options: NatsOptions }
  /** A thread whose event loop has not turned for this long is replaced. */
  readonly hangTimeoutMs: number
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
}

/** Before a worker is replaced, so that one that dies at once does not spin. */
const RESTART_DELAY_MS = 500
/** What a worker is given to end by itself. */
const CLOSE_TIMEOUT_MS = 3000
/** And once it has closed everything of ours: what is left then is a timer or a socket of the job's module. */
const STRAY_TIMEOUT_MS = 300
/** Starting a worker loads the engine, which takes a second or two on a busy machine. */
const START_TIMEOUT_MS = 60_000
/** Room for short-lived objects: a slot makes many, and few of them live. */
const YOUNG_GENERATION_MB = 64

interface SlotThread {
  incarnation: string
  jobId: string | null
  worker: Worker | null
  isStarted: boolean
  heardMs: number
}

export class ThreadSlotHost implements SlotHost {
  readonly slots: SlotThread[]
  readonly #options: ThreadSlotHostOptions
  #watch: { cancel(): void } | null = null
  #isClosing = false

  private constructor(options: ThreadSlotHostOptions) {
    this.#options = options
    this.slots = Array.from({ length: options.slotCount }, () => ({
      incarnation: newId(options.random),
      jobId: null,
      worker: null,
      isStarted: false,
      heardMs: options.clock.monotonic(),
    }))
  }

  /** Resolves when all slots answer; rejects if one cannot be started. */
  static async start(options: ThreadSlotHostOptions): Promise<ThreadSlotHost> {
    const host = new ThreadSlotHost(options)
    try {
      await host.#startAll()
    } catch (error) {
      await host.close()
      throw error
    }
    host.#scheduleWatch()
    return host
  }

  async close(): Promise<void> {
    this.#isClosing = true
    this.#watch?.cancel()
    await Promise.all(this.slots.map((slot) => this.#stopThread(slot)))
  }

  async #startAll(): Promise<void> {
    const { slotCount, startingMax } = this.#options
    let next = 0
    const startOneByOne = async () => {
      while (next < slotCount) await this.#startThread(next++)
    }
    await Promise.all(Array.from({ length: startingMax }, startOneByOne))
  }

  #startThread(index: number): Promise<void> {
    const {
      nodeId,
      cluster,
      connections,
      heartbeatIntervalMs,
      logLevel,
      logFormat,
      cacheDir,
      storageUri,
      stateDirectory,
      clock,
    } = this.#options
    const slot = this.slots[index]!
    const bus = this.#busFor()
    const data: SlotThreadData = {
      entry: new URL(
        import.meta.url.endsWith('.ts') ? './slot-thread.ts' : './slot-thread.js',
        import.meta.url,
      ).href,
      location: { node: nodeId, slot: index },
      cluster,
      bus,
      connections,
      heartbeatIntervalMs,
      logLevel,
      logFormat,
      cacheDir,
      storageUri,
      stateDirectory,
    }
    const worker = new Worker(new URL('./thread-boot.mjs', import.meta.url), {
      workerData: data,
      transferList: bus.kind === 'thread' ? [bus.port] : [],
      resourceLimits: { maxYoungGenerationSizeMb: YOUNG_GENERATION_MB },
      name: `slot ${index}`,
    })
    slot.worker = worker
    slot.isStarted = false
    slot.heardMs = clock.monotonic()
    return new Promise((resolve, reject) => {
      let lastError: Error | null = null
      worker.on('message', (message: FromSlotThread) => {
        this.#onMessage(slot, index, message)
        if (message.kind === 'started') resolve()
      })
      worker.on('error', (error: Error) => {
        lastError = fromThread(error)
      })
      worker.on('exit', (code) => {
        reject(lastError ?? new Error(`slot thread ${index} ended with code ${code} before it had started`))
        this.#onExit(slot, index, worker, lastError)
      })
    })
  }

  #busFor(): SlotBus {
    const { bus } = this.#options
    if (bus.kind === 'nats') return { kind: 'nats', options: bus.options }
    const { port1, port2 } = new MessageChannel()
    bus.hub.attach(port1)
    return { kind: 'thread', port: port2 }
  }

  #onMessage(slot: SlotThread, index: number, message: FromSlotThread): void {
    slot.heardMs = this.#options.clock.monotonic()
    switch (message.kind) {
      case 'started':
        slot.isStarted = true
        this.#connectToOthers(index)
        break
      case 'occupied':
        slot.jobId = message.jobId
        break
      case 'alive':
        break
      case 'closed':
        this.#options.clock.schedule(STRAY_TIMEOUT_MS, () => void slot.worker?.terminate())
    }
  }

  /** A port for frames between this slot's thread and every other that runs. */
  #connectToOthers(index: number): void {
    this.slots.forEach((other, otherIndex) => {
      if (otherIndex === index || !other.isStarted) return
      const { port1, port2 } = new MessageChannel()
      this.#post(index, { kind: 'mesh', slot: otherIndex, port: port1 })
      this.#post(otherIndex, { kind: 'mesh', slot: index, port: port2 })
    })
  }

  #post(index: number, message: ToSlotThread): void {
    this.slots[index]!.worker?.postMessage(message, message.kind === 'mesh' ? [message.port] : [])
  }

  #onExit(slot: SlotThread, index: number, worker: Worker, error: Error | null): void {
    if (slot.worker !== worker) return
    const { log, clock, random } = this.#options
    slot.worker = null
    slot.isStarted = false
    slot.jobId = null
    slot.incarnation = newId(random)
    if (this.#isClosing) return
    log.error('slot thread ended', { slot: index, ...(error === null ? {} : { error }) })
    clock.schedule(RESTART_DELAY_MS, () => {
      if (this.#isClosing) return
      this.#startThread(index).catch((startError) =>
        log.error('slot thread did not start', { slot: index, error: startError }),
      )
    })
  }

  #scheduleWatch(): void {
    const { clock, hangTimeoutMs, log } = this.#options
    this.#watch = clock.schedule(hangTimeoutMs / 4, () => {
      const nowMs = clock.monotonic()
      this.slots.forEach((slot, index) => {
        const timeoutMs = slot.isStarted ? hangTimeoutMs : START_TIMEOUT_MS
        if (slot.worker === null || nowMs - slot.heardMs <= timeoutMs) return
        log.error('slot thread hangs and is stopped', {
          slot: index,
          silentMs: Math.round(nowMs - slot.heardMs),
        })
        void slot.worker.terminate()
      })
      this.#scheduleWatch()
    })
  }

  async #stopThread(slot: SlotThread): Promise<void> {
    const { worker } = slot
    if (worker === null) return
    const exited = new Promise<void>((resolve) => worker.once('exit', () => resolve()))
    worker.postMessage({ kind: 'close' } satisfies ToSlotThread)
    const timer = this.#options.clock.schedule(CLOSE_TIMEOUT_MS, () => void worker.terminate())
    await exited
    timer.cancel()
  }
}

/** An error comes out of a thread as a plain one with all its fields. */
function fromThread(error: Error): Error {
  if (error.name !== 'SluiceError') return error
  const { code, details } = error as SluiceError
  const { message, stack } = error
  return fromErrorRecord({ code, message, details, ...(stack === undefined ? {} : { stack }) })
}
