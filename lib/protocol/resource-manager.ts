/** What nodes, job masters and clients say to the resource manager. */

import type { SlotLocation } from '../graph/execution-graph.ts'
import type { NodeReport, NodeView } from '../scheduler/slot-ledger.ts'

export interface NodeHeartbeatReply {
  /** Without a heartbeat for this long the node is given up. */
  readonly timeoutMs: number
  /** Of the leader that answers; what one before it says comes too late. */
  readonly epoch: number
  /** Jobs that the node's slots run and nobody knows: to be abandoned. */
  readonly unknownJobs: readonly string[]
}

export type ResourceManagerProtocol = {
  /** Sent at every heartbeat; the first one registers the node. ID_TAKEN: another process has this node id. */
  report: { request: { readonly report: NodeReport }; reply: NodeHeartbeatReply }
  /** The node is going, in good order. */
  leave: { request: { readonly nodeId: string }; reply: object }
  /**
   * For `count` slots more than those held, which come by `slotsGranted` once there are enough. May be repeated. The
   * reply says how many were free. `epoch`: of the leader whose job it is; NOT_LEADER if that is another.
   */
  requestSlots: {
    request: {
      readonly epoch: number
      readonly jobId: string
      readonly count: number
      readonly held: readonly SlotLocation[]
    }
    reply: { readonly free: number }
  }
  /** Without `slots`: all of the job's, and its request too. */
  releaseSlots: {
    request: { readonly epoch: number; readonly jobId: string; readonly slots?: readonly SlotLocation[] }
  }
  /**
   * Which free slots are to stand by for a job, `count` at most, in the place of those that were before. They stay free
   * for others; the job itself gets them first. To be asked again: they may be taken or lost. NOT_LEADER as above.
   */
  standby: {
    request: { readonly epoch: number; readonly jobId: string; readonly count: number }
    reply: { readonly slots: readonly SlotLocation[] }
  }
  nodes: { request: object; reply: { readonly nodes: readonly NodeView[]; readonly nowMs: number } }
}
