/** What the resource manager, slots and the dispatcher say to a job master. */
import type { SlotLocation } from '../graph/execution-graph.ts'
import type { SubtaskReport } from '../task/subtask-report.ts'
import type { JobDescription, JobSummary } from './job-submission.ts'

export type JobMasterProtocol = {
  slotsGranted: { request: { readonly slots: readonly SlotLocation[] } }
  slotsLost: { request: { readonly slots: readonly SlotLocation[]; readonly reason: string } }
  /**
   * Sent by a slot when something changes, and at every heartbeat. The reply is the heartbeat back: a slot that
   * learns that its attempt is not the current one gives it up.
   */
  report: {
    request: {
      readonly slot: SlotLocation
      readonly attempt: number
      readonly subtasks: readonly SubtaskReport[]
    }
    reply: { readonly isCurrent: boolean }
  }
  summarise: { request: object; reply: JobSummary }
  describe: { request: object; reply: JobDescription }
  cancel: { request: object; reply: object }
}
