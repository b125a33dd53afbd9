/**
 * Entry of a slot thread: connects to the bus it is told to, starts one slot and tells the node how it is. Runs until
 * the node says otherwise.
 */
import { type MessagePort, parentPort, workerData } from 'node:worker_threads'
import { ActorSystem } from '../lib/actor/actor-system.ts'
import { present } from '../lib/base/assert.ts'
import { systemClock } from '../lib/base/clock.ts'
import { createLogger, type Logger, type LogLevel, stderrSink } from '../lib/base/logger.ts'
import { systemRandom } from '../lib/base/prng.ts'
import type { Bus } from '../lib/bus/bus.ts'
import { connectNatsBus, NatsBus } from '../lib/bus/nats-bus.ts'
import type { NatsOptions } from '../lib/bus/nats-options.ts'
import { subjects as subjectsOf } from '../lib/bus/subjects.ts'
import { connectThreadBus } from '../lib/bus/thread-bus.ts'
import type { Connections } from '../lib/function/connections.ts'
import type { SlotLocation } from '../lib/graph/execution-graph.ts'
import { BusFramePort } from '../lib/network/bus-frame-port.ts'
import { ThreadMesh } from '../lib/network/thread-mesh.ts'
import { slotName } from '../lib/protocol/dispatcher.ts'
import { openBlobStore } from '../lib/storage/open-blob-store.ts'
import { openCopies, openWorkingState, removeLeftOverCopies } from '../lib/storage/state-directory.ts'
import { loadJob } from './load-job-module.ts'
import { Slot } from './slot.ts'

/** How a slot thread gets at the cluster: through the node's own bus, or by connections of its own. */
export type SlotBus =
  | { readonly kind: 'thread'; readonly port: MessagePort }
  | { readonly kind: 'nats'; readonly options: NatsOptions }

export interface SlotThreadData {
  readonly entry: string
  readonly location: SlotLocation
  readonly cluster: string
  readonly bus: SlotBus
  /** For connectors. */
  readonly connections: Connections
  readonly heartbeatIntervalMs: number
  readonly logLevel: LogLevel
  readonly logFormat: 'json' | 'text'
  /** Where job bundles are kept on this host. */
  readonly cacheDir: string
  /** Where job bundles come from; null: local mode, which has none. */
  readonly storageUri: string | null
  /** Where the working state of slots, and copies of checkpoints, are kept on this host. */
  readonly stateDirectory: string
}

export type ToSlotThread =
  | { readonly kind: 'mesh'; readonly slot: number; readonly port: MessagePort }
  | { readonly kind: 'close' }

export type FromSlotThread =
  | { readonly kind: 'started' }
  | { readonly kind: 'occupied'; readonly jobId: string | null }
  /** Sent every ALIVE_INTERVAL_MS: the thread's event loop turns. */
  | { readonly kind: 'alive' }
  /** The answer to `close`: nothing of ours keeps the thread from ending. */
  | { readonly kind: 'closed' }

const ALIVE_INTERVAL_MS = 1000
/** Deep enough that the frames of operators below a deep user stack are still there. */
const STACK_TRACE_LIMIT = 60

const data = workerData as SlotThreadData
const node = present(parentPort, 'the port of a slot thread')

async function run(): Promise<void> {
  Error.stackTraceLimit = STACK_TRACE_LIMIT
  process.setSourceMapsEnabled(true)
  const clock = systemClock
  const log = createLogger(clock, data.logLevel, stderrSink(data.logFormat), {
    node: data.location.node,
    slot: data.location.slot,
  })
  const subjects = subjectsOf(data.cluster)
  const { control, frames, close } = await openBuses(log)
  const system = new ActorSystem({ bus: control, clock, random: systemRandom(), logger: log })
  await removeLeftOverCopies(data.stateDirectory, data.location.slot)
  const mesh = new ThreadMesh()
  const slot = new Slot({
    location: data.location,
    system,
    subjects,
    clock,
    random: systemRandom(),
    log,
    connections: data.connections,
    busPort: new BusFramePort(frames, subjects),
    threadPort: (peer) => mesh.portTo(peer),
    loadJob: (module) => loadJob(module, { cacheDir: data.cacheDir, blobs: blobsOf(control, log) }),
    openStorage: (uri) => openBlobStore(uri, storageOptions(control, log)),
    openState: (memoryBytes) => openWorkingState(data.stateDirectory, memoryBytes),
    openCopies: () => openCopies(data.stateDirectory, data.location.slot, clock),
    heartbeatIntervalMs: data.heartbeatIntervalMs,
    onOccupied: (jobId) => post({ kind: 'occupied', jobId }),
  })
  system.spawn(subjects.control(slotName(data.location.node, data.location.slot)), slot.behavior())
  await control.flush()
  const alive = setAlive()
  node.on('message', (message: ToSlotThread) => {
    if (message.kind === 'mesh') mesh.connect(message.slot, message.port)
    else {
      alive.cancel()
      void system
        .close()
        .then(close)
        .then(() => {
          mesh.close()
          post({ kind: 'closed' })
          node.close()
        })
    }
  })
  post({ kind: 'started' })
}

/** The store is opened for each bundle, which is rare: a node can start while storage is away, and outlive it. */
function blobsOf(bus: Bus, logger: Logger): { get(path: string): Promise<Uint8Array> } | null {
  const { storageUri } = data
  if (storageUri === null) return null
  return {
    async get(path) {
      const store = await openBlobStore(storageUri, storageOptions(bus, logger))
      return store.get(path).finally(() => store.close())
    },
  }
}

function storageOptions(bus: Bus, logger: Logger): Parameters<typeof openBlobStore>[1] {
  return { clock: systemClock, logger, ...(bus instanceof NatsBus ? { bus } : {}) }
}

/** Two connections over NATS, or bulk data would delay heartbeats and barriers; one line to the hub otherwise. */
async function openBuses(log: Logger): Promise<{ control: Bus; frames: Bus; close: () => Promise<void> }> {
  const { bus } = data
  if (bus.kind === 'thread') {
    const control = await connectThreadBus(bus.port, { clock: systemClock, logger: log })
    return { control, frames: control, close: () => control.close() }
  }
  const name = `${bus.options.name ?? 'sluice'} slot ${data.location.slot}`
  const open = (purpose: string) =>
    connectNatsBus({ ...bus.options, name: `${name} ${purpose}` }, { clock: systemClock, logger: log })
  const [control, frames] = await Promise.all([open('control'), open('data')])
  return {
    control,
    frames,
    close: async () => {
      await Promise.all([control.close(), frames.close()])
    },
  }
}

function setAlive(): { cancel(): void } {
  let timer = systemClock.schedule(0, beat)
  function beat(): void {
    post({ kind: 'alive' })
    timer = systemClock.schedule(ALIVE_INTERVAL_MS, beat)
  }
  return { cancel: () => timer.cancel() }
}

function post(message: FromSlotThread): void {
  node.postMessage(message)
}

await run()
