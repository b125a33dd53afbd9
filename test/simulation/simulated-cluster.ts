/**
 * A coordinator, nodes and a client, each a process of its own: with its own clock, connection and actor system, and
 * nothing else in common with the others but the network and the storage. Processes die, leave, come back.
 */
import { startInlineSlots } from '../../actors/inline-slot-host.ts'
import { startCoordinator } from '../../actors/start-coordinator.ts'
import { type SlotHost, taskManager } from '../../actors/task-manager.ts'
import { ActorSystem } from '../../lib/actor/actor-system.ts'
import type { JobDefinition } from '../../lib/api/job.ts'
import { newId } from '../../lib/base/ids.ts'
import type { Logger } from '../../lib/base/logger.ts'
import { SeededRandom } from '../../lib/base/prng.ts'
import { subjects as subjectsOf } from '../../lib/bus/subjects.ts'
import { BusFramePort } from '../../lib/network/bus-frame-port.ts'
import { RESOURCE_MANAGER } from '../../lib/protocol/dispatcher.ts'
import type { ResourceManagerProtocol } from '../../lib/protocol/resource-manager.ts'
import type { ManualClock } from '../../lib/testing/manual-clock.ts'
import { MemoryKeyValueStore } from '../../lib/testing/memory-key-value-store.ts'
import { COORDINATOR, type Plan } from './plan.ts'
import { ProcessClock } from './process-clock.ts'
import type { SimulatedBus } from './simulated-bus.ts'
import type { SimulatedNetwork } from './simulated-network.ts'
import type { SimulatedStorage } from './simulated-storage.ts'

export interface SimulatedClusterOptions {
  readonly plan: Plan
  readonly clock: ManualClock
  readonly network: SimulatedNetwork
  readonly storage: SimulatedStorage
  loggerOf(process: string): Logger
  loadJob(key: string): JobDefinition
}

export interface Process {
  readonly name: string
  readonly clock: ProcessClock
  readonly bus: SimulatedBus
  readonly log: Logger
  readonly random: SeededRandom
}

interface RunningProcess extends Process {
  /** Stops in good order. */
  close(): Promise<void>
}

export const SUBJECTS = subjectsOf('sim')
const GOODBYE_TIMEOUT_MS = 1000
/** How long the server takes the connection of a host that has vanished for alive. */
const LINGER_MS = 4000

export class SimulatedCluster {
  readonly client: ActorSystem
  readonly clientProcess: Process
  readonly #options: SimulatedClusterOptions
  readonly #running = new Map<string, RunningProcess>()
  /** Those that have been closed in good order: nothing may be left of them. */
  readonly closed: Process[] = []
  #processCount = 0

  constructor(options: SimulatedClusterOptions) {
    this.#options = options
    this.clientProcess = this.#newProcess('client')
    const { bus, clock, random, log } = this.clientProcess
    this.client = new ActorSystem({ bus, clock, random, logger: log })
  }

  get processes(): readonly Process[] {
    return [...this.#running.values()]
  }

  async start(): Promise<void> {
    const process = this.#newProcess(COORDINATOR)
    const coordinator = await startCoordinator({
      ...process,
      ...{ id: COORDINATOR, host: 'host', pid: 1, highAvailability: null },
      subjects: SUBJECTS,
      heartbeatTimeoutMs: this.#options.plan.heartbeatTimeoutMs,
      openStorage: (uri) => this.#options.storage.open(process.bus.name, process.clock, uri),
    })
    this.#running.set(COORDINATOR, {
      ...process,
      close: async () => {
        await coordinator.close()
        await process.bus.close()
      },
    })
    this.#options.plan.nodes.forEach((_slots, index) => {
      this.startNode(`n${index}`)
    })
  }

  startNode(nodeId: string): void {
    const process = this.#newProcess(nodeId)
    const { bus, clock, random, log } = process
    const system = new ActorSystem({ bus, clock, random, logger: log })
    const incarnation = newId(random)
    const slots = this.#startSlots(process, incarnation)
    const node = taskManager({
      subjects: SUBJECTS,
      nodeId,
      incarnation,
      host: 'host',
      pid: 1,
      version: '1',
      slots,
      heartbeatIntervalMs: this.#heartbeatIntervalMs,
      refusalPatienceMs: Number.POSITIVE_INFINITY,
      onRefused() {},
      onRegistered() {},
    })
    const ref = system.spawn(SUBJECTS.control(`node-${nodeId}`), node)
    this.#running.set(nodeId, {
      ...process,
      close: async () => {
        system.stop(ref)
        const resourceManager = system.ref<ResourceManagerProtocol>(SUBJECTS.control(RESOURCE_MANAGER))
        await system.ask(resourceManager, { kind: 'leave', nodeId }, GOODBYE_TIMEOUT_MS).catch(() => {})
        await slots.close()
        await system.close()
        await bus.close()
      },
    })
  }

  /** Nothing of it happens any more; what it has sent is still on its way. */
  kill(name: string, isSilent: boolean): void {
    const process = this.#running.get(name)
    if (process === undefined) return
    this.#running.delete(name)
    process.clock.stop()
    if (!isSilent) process.bus.sever()
    else {
      process.bus.cut(false)
      this.#options.clock.schedule(LINGER_MS, () => process.bus.sever())
    }
  }

  async leave(name: string): Promise<void> {
    const process = this.#running.get(name)
    if (process === undefined) return
    this.#running.delete(name)
    await process.close()
    this.closed.push(process)
  }

  partition(name: string, how: 'stalled' | 'cut' | 'disconnected', forMs: number): void {
    const process = this.#running.get(name)
    if (process === undefined) return
    const { clock } = this.#options
    if (how === 'stalled') process.bus.stalledUntilMs = clock.monotonic() + forMs
    else {
      process.bus.cut(how === 'disconnected')
      clock.schedule(forMs, () => process.bus.heal())
    }
  }

  isRunning(name: string): boolean {
    return this.#running.has(name)
  }

  async close(): Promise<void> {
    const nodes = [...this.#running.keys()].filter((name) => name !== COORDINATOR)
    await Promise.all(nodes.map((name) => this.leave(name)))
    await this.leave(COORDINATOR)
    await this.client.close()
    await this.clientProcess.bus.close()
    this.closed.push(this.clientProcess)
  }

  get #heartbeatIntervalMs(): number {
    return this.#options.plan.heartbeatTimeoutMs / 6
  }

  #newProcess(name: string): Process {
    const { plan, clock, network, loggerOf } = this.#options
    const processClock = new ProcessClock(clock, plan.lookMs)
    const bus = network.connect(name, processClock)
    const random = new SeededRandom(plan.seed * 1000 + this.#processCount++)
    return { name, clock: processClock, bus, log: loggerOf(bus.name), random }
  }

  #startSlots(process: Process, incarnation: string): SlotHost {
    const { storage, plan, loadJob } = this.#options
    return startInlineSlots({
      connections: {},
      ...process,
      subjects: SUBJECTS,
      nodeId: process.name,
      slotCount: plan.nodes[Number(process.name.slice(1))]!,
      incarnation,
      busPort: new BusFramePort(process.bus, SUBJECTS),
      openStorage: (uri) => storage.open(process.bus.name, process.clock, uri),
      // Its writes are done in microtasks, and nothing of it outlives its process.
      openState: async () => new MemoryKeyValueStore('soon'),
      loadJob: async (module) => loadJob(module.kind === 'registered' ? module.key : ''),
      heartbeatIntervalMs: this.#heartbeatIntervalMs,
    })
  }
}
