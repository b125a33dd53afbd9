/**
 * Standby slots of one job: free slots in which its code is loaded and its graph is built ahead of time, so that what
 * is lost is replaced by what need only read its state and run. Which slots is for the resource manager to say, again
 * and again: one that is taken, by this job or another, or lost, is made up for by the next round. Nothing here is
 * needed: what goes wrong is said in the log, and tried again in the next round.
 */
import type { ActorContext } from '../lib/actor/behavior.ts'
import type { Subjects } from '../lib/bus/subjects.ts'
import type { SlotLocation } from '../lib/graph/execution-graph.ts'
import { RESOURCE_MANAGER, slotName } from '../lib/protocol/dispatcher.ts'
import type { JobMasterProtocol } from '../lib/protocol/job-master.ts'
import type { JobSubmission } from '../lib/protocol/job-submission.ts'
import type { ResourceManagerProtocol } from '../lib/protocol/resource-manager.ts'
import type { SlotProtocol } from '../lib/protocol/slot.ts'

export interface StandbySlotsOptions {
  readonly submission: JobSubmission
  readonly subjects: Subjects
  /** Of the leader that does this. */
  readonly epoch: number
  /** Whether the node of the slot sees the job's storage. */
  checkNode(slot: SlotLocation): Promise<void>
}

/** Between two rounds. */
const ROUND_MS = 5000
const ANSWER_TIMEOUT_MS = 2000
/** Loading a bundle is reading it from storage, and starting it. */
const PREPARE_TIMEOUT_MS = 30_000

export class StandbySlots {
  readonly #options: StandbySlotsOptions
  readonly #host: Pick<ActorContext<JobMasterProtocol>, 'clock' | 'log' | 'ask'>
  #nextMs = Number.NEGATIVE_INFINITY
  #isBusy = false
  /** In which it has said that it is ready, as of the last round. */
  #ready: ReadonlySet<string> = new Set()

  constructor(
    options: StandbySlotsOptions,
    host: Pick<ActorContext<JobMasterProtocol>, 'clock' | 'log' | 'ask'>,
  ) {
    this.#options = options
    this.#host = host
  }

  /** While the job runs there are rounds, the first one at once; when it does not, it has better things to do. */
  tick(isRunning: boolean): void {
    const nowMs = this.#host.clock.monotonic()
    if (!isRunning) this.#nextMs = nowMs
    if (!isRunning || this.#isBusy || nowMs < this.#nextMs) return
    this.#nextMs = nowMs + ROUND_MS
    this.#isBusy = true
    void this.#round().finally(() => {
      this.#isBusy = false
    })
  }

  async #round(): Promise<void> {
    const { submission, subjects, epoch } = this.#options
    const { jobId, settings } = submission
    const resourceManager = { subject: subjects.control(RESOURCE_MANAGER) }
    const wish = { kind: 'standby', epoch, jobId, count: settings.standbySlots ?? 0 } as const
    try {
      const { slots } = await this.#host.ask<ResourceManagerProtocol, 'standby'>(
        resourceManager,
        wish,
        ANSWER_TIMEOUT_MS,
      )
      const ready = await Promise.all(slots.map((slot) => this.#prepare(slot)))
      this.#ready = new Set(ready.filter((name) => name !== null))
    } catch (error) {
      this.#host.log.debug('no standby slots', { job: jobId, error })
    }
  }

  /** The name of the slot, null if it is not ready. A slot that is ready already says so at once. */
  async #prepare(slot: SlotLocation): Promise<string | null> {
    const { submission, subjects, epoch, checkNode } = this.#options
    const { jobId, module, settings } = submission
    const name = `${slot.node}/${slot.slot}`
    const ref = { subject: subjects.control(slotName(slot.node, slot.slot)) }
    const order = { kind: 'prepare', epoch, jobId, module, graph: settings.graph } as const
    try {
      await checkNode(slot)
      await this.#host.ask<SlotProtocol, 'prepare'>(ref, order, PREPARE_TIMEOUT_MS)
      if (!this.#ready.has(name)) this.#host.log.info('a slot stands by', { job: jobId, ...slot })
      return name
    } catch (error) {
      this.#host.log.warn('a slot cannot stand by', { job: jobId, ...slot, error })
      return null
    }
  }
}
