/**
 * A whole cluster in one process, on a bus of its own: local mode and tests. The actors are those of a real cluster;
 * what differs is the bus, and whether slots run in threads.
 */
import { ActorSystem } from '../lib/actor/actor-system.ts'
import type { Clock } from '../lib/base/clock.ts'
import { newId } from '../lib/base/ids.ts'
import type { Logger, LogLevel } from '../lib/base/logger.ts'
import type { Random } from '../lib/base/prng.ts'
import type { Bus } from '../lib/bus/bus.ts'
import { LocalBroker } from '../lib/bus/local-bus.ts'
import { subjects as subjectsOf } from '../lib/bus/subjects.ts'
import { ThreadBusHub } from '../lib/bus/thread-bus.ts'
import { ClusterClient } from '../lib/client/cluster-client.ts'
import { defaultConfig } from '../lib/config/resolve-config.ts'
import type { Connections } from '../lib/function/connections.ts'
import { BusFramePort } from '../lib/network/bus-frame-port.ts'
import { nodeName } from '../lib/protocol/node.ts'
import type { BlobStore } from '../lib/storage/blob-store.ts'
import type { KeyValueStore } from '../lib/storage/key-value-store.ts'
import { MemoryBlobStore, type MemoryBlobs } from '../lib/storage/memory-blob-store.ts'
import { openBlobStore } from '../lib/storage/open-blob-store.ts'
import { openCopies, openWorkingState } from '../lib/storage/state-directory.ts'
import { startInlineSlots } from './inline-slot-host.ts'
import { loadJob } from './load-job-module.ts'
import { startCoordinator } from './start-coordinator.ts'
import { type SlotHost, taskManager } from './task-manager.ts'
import { ThreadSlotHost } from './thread-slot-host.ts'

export interface MiniClusterOptions {
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
  readonly slotCount: number
  /** Whether each slot is a thread; otherwise all run in this one. */
  readonly hasThreads: boolean
  /** For connectors; default: each must say itself where its server is. */
  readonly connections?: Connections
  /** What `memory:` storage holds, by URI; default: nothing yet. Shared by all who run in this thread. */
  readonly memory?: Map<string, MemoryBlobs>
  /** Where state is kept that memory cannot hold; default: that of `state.directory`. */
  readonly stateDirectory?: string
  /** Instead of a directory, for slots that are not threads. */
  openState?(memoryBytes: number): Promise<KeyValueStore>
  openCopies?(): BlobStore
  readonly logLevel?: LogLevel
  readonly logFormat?: 'json' | 'text'
}

const HEARTBEAT_INTERVAL_MS = 500
const HEARTBEAT_TIMEOUT_MS = 30_000
/** User functions may take their time in local mode; only what never comes back is given up. */
const HANG_TIMEOUT_MS = 60_000
const NODE_ID = 'local'
const CLUSTER = 'local'

export class MiniCluster {
  readonly client: ClusterClient
  readonly #close: () => Promise<void>

  private constructor(client: ClusterClient, close: () => Promise<void>) {
    this.client = client
    this.#close = close
  }

  static async start(options: MiniClusterOptions): Promise<MiniCluster> {
    const { clock, random, log } = options
    const subjects = subjectsOf(CLUSTER)
    const bus = new LocalBroker({ clock, logger: log }).connect()
    const system = new ActorSystem({ bus, clock, random, logger: log })
    const openStorage = storageOpener(options)
    const coordinator = await startCoordinator({
      ...options,
      openStorage,
      id: NODE_ID,
      host: 'localhost',
      pid: process.pid,
      bus,
      subjects,
      heartbeatTimeoutMs: HEARTBEAT_TIMEOUT_MS,
      highAvailability: null,
    })
    const incarnation = newId(random)
    const hub = new ThreadBusHub(bus, { logger: log })
    const slots = options.hasThreads
      ? await threads(options, hub)
      : inline({ ...options, openStorage }, bus, incarnation)
    const registered = new Promise<void>((resolve, reject) => {
      const node = taskManager({
        subjects,
        nodeId: NODE_ID,
        incarnation,
        host: 'localhost',
        pid: process.pid,
        version: '',
        slots,
        heartbeatIntervalMs: HEARTBEAT_INTERVAL_MS,
        refusalPatienceMs: 0,
        onRefused: reject,
        onRegistered: resolve,
      })
      system.spawn(subjects.control(nodeName(NODE_ID)), node)
    })
    await registered
    return new MiniCluster(new ClusterClient({ system, subjects, clock }), async () => {
      await slots.close()
      hub.close()
      await coordinator.close()
      await system.close()
      await bus.close()
    })
  }

  /** Stops every actor; idempotent. */
  close(): Promise<void> {
    return this.#close()
  }
}

type StorageOpener = (uri: string) => Promise<BlobStore>

/** What is in memory is shared by all who ask, as if it were on a disk. */
function storageOpener({ clock, log, memory = new Map() }: MiniClusterOptions): StorageOpener {
  return async (uri) => {
    if (!uri.startsWith('memory:')) return await openBlobStore(uri, { clock, logger: log })
    const blobs: MemoryBlobs = memory.get(uri) ?? new Map()
    memory.set(uri, blobs)
    return new MemoryBlobStore(clock, blobs)
  }
}

function inline(
  options: MiniClusterOptions & { readonly openStorage: StorageOpener },
  bus: Bus,
  incarnation: string,
): SlotHost {
  const subjects = subjectsOf(CLUSTER)
  return startInlineSlots({
    ...options,
    connections: options.connections ?? {},
    nodeId: NODE_ID,
    incarnation,
    bus,
    subjects,
    busPort: new BusFramePort(bus, subjects),
    openState: (memoryBytes) =>
      options.openState?.(memoryBytes) ?? openWorkingState(stateDirectoryOf(options), memoryBytes),
    openCopies: () => options.openCopies?.() ?? openCopies(stateDirectoryOf(options), 0, options.clock),
    loadJob: (module) => loadJob(module, { cacheDir: '', blobs: null }),
    heartbeatIntervalMs: HEARTBEAT_INTERVAL_MS,
  })
}

function stateDirectoryOf({ stateDirectory }: MiniClusterOptions): string {
  return stateDirectory ?? defaultConfig()['state.directory']
}

function threads(options: MiniClusterOptions, hub: ThreadBusHub): Promise<SlotHost> {
  const { logLevel = 'silent', logFormat = 'text' } = options
  return ThreadSlotHost.start({
    startingMax: options.slotCount,
    ...options,
    connections: options.connections ?? {},
    nodeId: NODE_ID,
    cluster: CLUSTER,
    heartbeatIntervalMs: HEARTBEAT_INTERVAL_MS,
    hangTimeoutMs: HANG_TIMEOUT_MS,
    logLevel,
    logFormat,
    cacheDir: '',
    storageUri: null,
    stateDirectory: stateDirectoryOf(options),
    bus: { kind: 'hub', hub },
  })
}
