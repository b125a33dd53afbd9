/**
 * A node: registers with the resource manager, keeps its slots alive and says with every heartbeat what they do. How a
 * slot is run (in a thread, or right here) is the business of the slot host it is given.
 */

import type { ActorRef } from '../lib/actor/actor-ref.ts'
import { type ActorContext, type Behavior, handling } from '../lib/actor/behavior.ts'
import type { SluiceError } from '../lib/base/errors.ts'
import type { Subjects } from '../lib/bus/subjects.ts'
import { RESOURCE_MANAGER, slotName } from '../lib/protocol/dispatcher.ts'
import type { NodeProtocol } from '../lib/protocol/node.ts'
import type { NodeHeartbeatReply, ResourceManagerProtocol } from '../lib/protocol/resource-manager.ts'
import type { SlotProtocol } from '../lib/protocol/slot.ts'
import type { NodeReport } from '../lib/scheduler/slot-ledger.ts'

/** Runs slots. Started slots answer on their control subject. */
export interface SlotHost {
  /** Incarnation of each slot, and the job it is occupied by. */
  readonly slots: readonly { readonly incarnation: string; readonly jobId: string | null }[]
  /** Stops all slots; resolves when nothing of them is left. */
  close(): Promise<void>
}

export interface TaskManagerOptions {
  readonly subjects: Subjects
  readonly nodeId: string
  readonly incarnation: string
  readonly host: string
  readonly pid: number
  readonly version: string
  readonly slots: SlotHost
  readonly heartbeatIntervalMs: number
  /** Refusals for this long: who had the id before us, and died without a word, is forgotten by then. */
  readonly refusalPatienceMs: number
  /** The node cannot go on: its id is taken. */
  onRefused(error: SluiceError): void
  /** Registered for the first time. */
  onRegistered(): void
}

type Protocol = NodeProtocol & {
  heartbeat: { request: object }
  answered: { request: { reply: NodeHeartbeatReply } }
  unanswered: { request: { error: SluiceError } }
}

const HEARTBEAT_TIMEOUT_MS = 2000

export function taskManager(options: TaskManagerOptions): Behavior<Protocol> {
  const { subjects, nodeId } = options
  const resourceManager: ActorRef<ResourceManagerProtocol> = { subject: subjects.control(RESOURCE_MANAGER) }
  let isRegistered = false
  let isWaiting = false
  let refusedSinceMs: number | null = null
  let silentBeats = 0
  /** Of the latest leader that has answered. */
  let epoch = 0

  function beat(context: ActorContext<Protocol>): void {
    if (isWaiting) return
    isWaiting = true
    context.pipeToSelf(
      context.ask(resourceManager, { kind: 'report', report: reportOf(options) }, HEARTBEAT_TIMEOUT_MS),
      (reply) => ({ kind: 'answered', reply }),
      (error) => ({ kind: 'unanswered', error }),
    )
  }

  function refused(error: SluiceError, context: ActorContext<Protocol>): void {
    const nowMs = context.clock.monotonic()
    if (refusedSinceMs === null)
      context.log.warn('the id is taken, waiting for its owner to be given up', { node: nodeId })
    refusedSinceMs ??= nowMs
    if (nowMs - refusedSinceMs > options.refusalPatienceMs) options.onRefused(error)
  }

  return handling<Protocol>(
    {
      identify: (_message, sender) => sender.reply({ incarnation: options.incarnation }),
      heartbeat: (_message, _sender, context) => beat(context),
      answered: ({ reply }, _sender, context) => {
        isWaiting = false
        silentBeats = 0
        refusedSinceMs = null
        if (!isRegistered) {
          isRegistered = true
          context.log.info('registered', { node: nodeId, slots: options.slots.slots.length })
          options.onRegistered()
        }
        // One that has been replaced may not know the jobs of the one after it.
        if (reply.epoch >= epoch) abandon(reply.unknownJobs, options, context)
        epoch = Math.max(epoch, reply.epoch)
      },
      unanswered: ({ error }, _sender, context) => {
        isWaiting = false
        if (error.code === 'ID_TAKEN') refused(error, context)
        else if (silentBeats++ === 0)
          context.log.warn('no coordinator answers, waiting for one', { reason: error.message })
      },
    },
    {
      started: (context) => {
        context.timers.every('heartbeat', options.heartbeatIntervalMs, { kind: 'heartbeat' })
        beat(context)
      },
    },
  )
}

function abandon(
  jobIds: readonly string[],
  { nodeId, slots, subjects }: TaskManagerOptions,
  context: ActorContext<Protocol>,
): void {
  slots.slots.forEach(({ jobId }, index) => {
    if (jobId === null || !jobIds.includes(jobId)) return
    context.log.warn('abandoning a job nobody knows', { job: jobId, slot: index })
    context.tell<SlotProtocol, 'abandon'>(
      { subject: subjects.control(slotName(nodeId, index)) },
      { kind: 'abandon', jobId },
    )
  })
}

function reportOf({ nodeId, incarnation, host, pid, version, slots }: TaskManagerOptions): NodeReport {
  return {
    nodeId,
    incarnation,
    host,
    pid,
    version,
    slots: slots.slots.map(({ incarnation: slotIncarnation, jobId }) => ({
      incarnation: slotIncarnation,
      jobId,
    })),
  }
}
