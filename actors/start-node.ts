/** A node process: slots in threads, and the task manager that keeps them and registers with the coordinator. */
import { availableParallelism } from 'node:os'
import { ActorSystem } from '../lib/actor/actor-system.ts'
import type { Clock } from '../lib/base/clock.ts'
import type { SluiceError } from '../lib/base/errors.ts'
import { newId } from '../lib/base/ids.ts'
import type { Logger } from '../lib/base/logger.ts'
import type { Random } from '../lib/base/prng.ts'
import type { Bus } from '../lib/bus/bus.ts'
import { type Subjects, subjects as subjectsOf } from '../lib/bus/subjects.ts'
import { RESOURCE_MANAGER } from '../lib/protocol/dispatcher.ts'
import { idTaken, type NodeProtocol, nodeName } from '../lib/protocol/node.ts'
import type { ResourceManagerProtocol } from '../lib/protocol/resource-manager.ts'
import { removeLeftOverState } from '../lib/storage/state-directory.ts'
import { taskManager } from './task-manager.ts'
import { ThreadSlotHost, type ThreadSlotHostOptions } from './thread-slot-host.ts'

export interface NodeOptions extends Omit<ThreadSlotHostOptions, 'startingMax'> {
  /** For control traffic of the node itself. Not closed with the node. */
  readonly controlBus: Bus
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
  readonly host: string
  readonly pid: number
  readonly version: string
  /** How long to wait for an id that another process has, or had. */
  readonly refusalPatienceMs: number
  onRegistered(): void
}

export interface RunningNode {
  /** Rejects when the node cannot go on, because its id is taken. */
  readonly refused: Promise<never>
  /** Says goodbye, stops the slots and the actors. */
  close(): Promise<void>
}

const GOODBYE_TIMEOUT_MS = 1000
const PROBE_TIMEOUT_MS = 1000

/** Rejects with ID_TAKEN, before any slot answers in another's name, if a process that lives has this id. */
export async function startNode(options: NodeOptions): Promise<RunningNode> {
  const { controlBus, clock, random, log, nodeId, cluster } = options
  const subjects = subjectsOf(cluster)
  const system = new ActorSystem({ bus: controlBus, clock, random, logger: log })
  await refuseTakenId(system, subjects, nodeId)
  await removeLeftOverState(options.stateDirectory)
  // The others of the machine may be busy with what this node did before it was lost.
  const startingMax = Math.max(1, availableParallelism() >> 1)
  const slots = await ThreadSlotHost.start({ ...options, startingMax })
  let refuse: (error: SluiceError) => void = () => {}
  const refused = new Promise<never>((_resolve, reject) => {
    refuse = reject
  })
  const node = taskManager({
    subjects,
    nodeId,
    incarnation: newId(random),
    host: options.host,
    pid: options.pid,
    version: options.version,
    slots,
    heartbeatIntervalMs: options.heartbeatIntervalMs,
    refusalPatienceMs: options.refusalPatienceMs,
    onRefused: (error) => refuse(error),
    onRegistered: () => options.onRegistered(),
  })
  const ref = system.spawn(subjects.control(nodeName(nodeId)), node)
  return {
    refused,
    close: async () => {
      system.stop(ref)
      const resourceManager = system.ref<ResourceManagerProtocol>(subjects.control(RESOURCE_MANAGER))
      await system
        .ask(resourceManager, { kind: 'leave', nodeId }, GOODBYE_TIMEOUT_MS)
        .catch((error) => log.debug('nobody to say goodbye to', { reason: String(error) }))
      await slots.close()
      await system.close()
    },
  }
}

/** One that does not answer is given up by the coordinator in time; until then the new one waits. */
async function refuseTakenId(system: ActorSystem, subjects: Subjects, nodeId: string): Promise<void> {
  const ref = system.ref<NodeProtocol>(subjects.control(nodeName(nodeId)))
  const isTaken = await system.ask(ref, { kind: 'identify' }, PROBE_TIMEOUT_MS).then(
    () => true,
    () => false,
  )
  if (!isTaken) return
  await system.close()
  throw idTaken(nodeId)
}
