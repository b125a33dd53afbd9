/** Keeps the nodes and their slots. Shell of the slot ledger, which decides. */
import { type ActorContext, type Behavior, handling } from '../lib/actor/behavior.ts'
import type { Subjects } from '../lib/bus/subjects.ts'
import type { SlotLocation } from '../lib/graph/execution-graph.ts'
import { jobMasterName } from '../lib/protocol/dispatcher.ts'
import type { JobMasterProtocol } from '../lib/protocol/job-master.ts'
import { idTaken } from '../lib/protocol/node.ts'
import { notLeader } from '../lib/protocol/not-leader.ts'
import type { ResourceManagerProtocol } from '../lib/protocol/resource-manager.ts'
import { type LedgerOrder, type NodeReport, SlotLedger } from '../lib/scheduler/slot-ledger.ts'

export interface ResourceManagerOptions {
  readonly subjects: Subjects
  /** A node that has not reported for this long is lost. */
  readonly nodeTimeoutMs: number
  /** Of the leader this is part of. */
  readonly epoch: number
  /** Slots that jobs of the leader before have. */
  readonly adopted: readonly { readonly jobId: string; readonly slots: readonly SlotLocation[] }[]
  isKnownJob(jobId: string): boolean
  /** Whether it is known and has not ended. */
  isLiveJob(jobId: string): boolean
}

type Protocol = ResourceManagerProtocol & { tick: { request: object } }

const TICKS_PER_TIMEOUT = 10

export function resourceManager(options: ResourceManagerOptions): Behavior<Protocol> {
  const { nodeTimeoutMs, epoch, adopted, isKnownJob, isLiveJob } = options
  const ledger = new SlotLedger(nodeTimeoutMs)
  for (const { jobId, slots } of adopted) ledger.onAdopt(jobId, slots)
  const carryOut = carrierOf(options)
  const unknownJobs = (report: NodeReport): string[] => {
    const jobIds = report.slots.map(({ jobId }) => jobId).filter((jobId) => jobId !== null)
    return [...new Set(jobIds)].filter((jobId) => !isKnownJob(jobId))
  }

  return handling<Protocol>(
    {
      report: ({ report }, sender, context) => {
        const nowMs = context.clock.monotonic()
        if (ledger.isTaken(report, nowMs)) {
          sender.fail(idTaken(report.nodeId))
          return
        }
        carryOut(ledger.onReport(report, nowMs), context)
        sender.reply({ timeoutMs: nodeTimeoutMs, epoch, unknownJobs: unknownJobs(report) })
      },
      leave: ({ nodeId }, sender, context) => {
        carryOut(ledger.onLeave(nodeId), context)
        sender.reply({})
      },
      requestSlots: ({ epoch: asked, jobId, count, held }, sender, context) => {
        if (asked !== epoch) {
          sender.fail(notLeader(asked, epoch))
          return
        }
        const free = ledger.freeSlotCount
        carryOut(ledger.onRequest(jobId, count, held), context)
        sender.reply({ free })
      },
      releaseSlots: ({ epoch: asked, jobId, slots }, _sender, context) => {
        if (asked === epoch) carryOut(ledger.onRelease(jobId, slots), context)
      },
      standby: ({ epoch: asked, jobId, count }, sender) => {
        if (asked !== epoch) sender.fail(notLeader(asked, epoch))
        else sender.reply({ slots: ledger.onStandby(jobId, count) })
      },
      nodes: (_message, sender, context) =>
        sender.reply({ nodes: ledger.nodes(), nowMs: context.clock.monotonic() }),
      tick: (_message, _sender, context) => {
        carryOut(ledger.onTick(context.clock.monotonic()), context)
        carryOut(ledger.onJobs(isLiveJob), context)
      },
    },
    {
      started: (context) => context.timers.every('tick', nodeTimeoutMs / TICKS_PER_TIMEOUT, { kind: 'tick' }),
    },
  )
}

function carrierOf({
  subjects,
  epoch,
}: ResourceManagerOptions): (orders: readonly LedgerOrder[], context: ActorContext<Protocol>) => void {
  const jobMaster = (jobId: string) => ({ subject: subjects.control(jobMasterName(jobId)) })

  return (orders, context) => {
    for (const order of orders) {
      switch (order.kind) {
        case 'grant':
          context.tell<JobMasterProtocol, 'slotsGranted'>(jobMaster(order.jobId), {
            kind: 'slotsGranted',
            epoch,
            slots: order.slots,
          })
          break
        case 'lost':
          context.tell<JobMasterProtocol, 'slotsLost'>(jobMaster(order.jobId), {
            kind: 'slotsLost',
            epoch,
            slots: order.slots,
            reason: order.reason,
          })
          break
        case 'nodeJoined':
          context.log.info('node joined', { node: order.nodeId })
          break
        case 'nodeLost':
          context.log.warn('node lost', { node: order.nodeId, reason: order.reason })
      }
    }
  }
}
