/**
 * Coordinators, nodes and a client, each a process of its own: with its own clock, connection and actor system, and
 * nothing else in common with the others but the network and the storage. Processes die, leave, come back.
 */
import { startInlineSlots } from '../../actors/inline-slot-host.ts'
import { type RunningCoordinator, startCoordinator } from '../../actors/start-coordinator.ts'
import { type SlotHost, taskManager } from '../../actors/task-manager.ts'
import { ActorSystem } from '../../lib/actor/actor-system.ts'
import type { JobDefinition } from '../../lib/api/job.ts'
import { sleep } from '../../lib/base/clock.ts'
import { newId } from '../../lib/base/ids.ts'
import type { Logger } from '../../lib/base/logger.ts'
import { SeededRandom } from '../../lib/base/prng.ts'
import { subjects as subjectsOf } from '../../lib/bus/subjects.ts'
import type { KeyValue } from '../../lib/ha/key-value.ts'
import { BusFramePort } from '../../lib/network/bus-frame-port.ts'
import { RESOURCE_MANAGER } from '../../lib/protocol/dispatcher.ts'
import { nodeName } from '../../lib/protocol/node.ts'
import type { ResourceManagerProtocol } from '../../lib/protocol/resource-manager.ts'
import type { ManualClock } from '../../lib/testing/manual-clock.ts'
import { MemoryKeyValue } from '../../lib/testing/memory-key-value.ts'
import { MemoryKeyValueStore } from '../../lib/testing/memory-key-value-store.ts'
import { coordinatorName, type Plan } from './plan.ts'
import { ProcessClock } from './process-clock.ts'
import type { SimulatedBus } from './simulated-bus.ts'
import { SimulatedKeyValue } from './simulated-key-value.ts'
import type { SimulatedNetwork } from './simulated-network.ts'
import type { SimulatedStorage } from './simulated-storage.ts'

/** One that leads, or stands by. */
interface Coordinator {
  readonly keyValue: SimulatedKeyValue
  /** Null until it has started. */
  running: RunningCoordinator | null
}

export interface SimulatedClusterOptions {
  readonly plan: Plan
  readonly clock: ManualClock
  readonly network: SimulatedNetwork
  readonly storage: SimulatedStorage
  loggerOf(process: string): Logger
  loadJob(key: string): JobDefinition
  isFaulty(): boolean
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
const RETRY_MS = 500
/** How long the server takes the connection of a host that has vanished for alive. */
const LINGER_MS = 4000

export class SimulatedCluster {
  readonly client: ActorSystem
  readonly clientProcess: Process
  readonly #options: SimulatedClusterOptions
  readonly #running = new Map<string, RunningProcess>()
  /** Those that have been closed in good order: nothing may be left of them. */
  readonly closed: Process[] = []
  readonly #keyValue = new MemoryKeyValue()
  readonly #coordinators = new Map<string, Coordinator>()
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
    const { plan } = this.#options
    await Promise.all(
      Array.from({ length: plan.coordinators }, (_, index) => this.#startCoordinator(coordinatorName(index))),
    )
    plan.nodes.forEach((_slots, index) => {
      this.#startNode(`n${index}`)
    })
  }

  startProcess(name: string): void {
    if (name.startsWith('n')) this.#startNode(name)
    else void this.#startCoordinator(name)
  }

  /** How many may act as leader at this moment; more than one is a fault. */
  get leaderCount(): number {
    const running = [...this.#coordinators].filter(([name]) => this.#running.has(name))
    return running.filter(([, coordinator]) => coordinator.running?.isLeading() === true).length
  }

  /** Whether it is a coordinator that has started and does not lead. */
  standsBy(name: string): boolean {
    return this.#coordinators.get(name)?.running?.isLeading() === false
  }

  /** Resolves once it has started. */
  async #startCoordinator(name: string): Promise<void> {
    const process = this.#newProcess(name)
    const { plan, clock, isFaulty } = this.#options
    const keyValue = new SimulatedKeyValue({
      ...plan.keyValue,
      ...{ shared: this.#keyValue, sharedClock: clock, isFaulty },
      ...{ bus: process.bus, clock: process.clock, random: process.random },
      timeoutMs: plan.leaseMs / 3,
    })
    const coordinator: Coordinator = { keyValue, running: null }
    this.#coordinators.set(name, coordinator)
    const started = this.#untilStarted(process, keyValue).then((running) => {
      coordinator.running = running
    })
    this.#running.set(name, {
      ...process,
      close: async () => {
        await started
        await coordinator.running?.close()
        await process.bus.close()
      },
    })
    await started
  }

  /** Its id may seem taken for a while, by one that has died without a word. */
  async #untilStarted(process: Process, keyValue: KeyValue): Promise<RunningCoordinator> {
    const { plan, storage } = this.#options
    for (;;) {
      try {
        return await startCoordinator({
          ...process,
          ...{ id: process.name, host: 'host', pid: 1, subjects: SUBJECTS },
          heartbeatTimeoutMs: plan.heartbeatTimeoutMs,
          highAvailability: { keyValue, leaseMs: plan.leaseMs, storageUri: 'memory:jobs' },
          openStorage: (uri) => storage.open(process.bus.name, process.clock, uri),
        })
      } catch (error) {
        process.log.info('the coordinator does not start', { error })
        await sleep(process.clock, RETRY_MS)
      }
    }
  }

  #startNode(nodeId: string): void {
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
    const ref = system.spawn(SUBJECTS.control(nodeName(nodeId)), node)
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

  pause(name: string, forMs: number): void {
    const process = this.#running.get(name)
    if (process === undefined) return
    process.clock.pause(forMs)
    process.bus.stalledUntilMs = this.#options.clock.monotonic() + forMs
  }

  cutOffStore(name: string, forMs: number): void {
    const coordinator = this.#coordinators.get(name)
    if (coordinator !== undefined) coordinator.keyValue.cutUntilMs = this.#options.clock.monotonic() + forMs
  }

  isRunning(name: string): boolean {
    return this.#running.has(name)
  }

  async close(): Promise<void> {
    const names = [...this.#running.keys()]
    await Promise.all(names.filter((name) => name.startsWith('n')).map((name) => this.leave(name)))
    await Promise.all(names.map((name) => this.leave(name)))
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
      openCopies: () => storage.openCopies(process.bus.name, process.clock),
      loadJob: async (module) => loadJob(module.kind === 'registered' ? module.key : ''),
      heartbeatIntervalMs: this.#heartbeatIntervalMs,
    })
  }
}
