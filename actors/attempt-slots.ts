/** What the checkpoints of a job say to its slots while all of them run. */
import type { ActorRef, AskKind, MessageOf, Protocol, ReplyOf } from '../lib/actor/actor-ref.ts'
import type { ActorContext } from '../lib/actor/behavior.ts'
import { askPersistently } from '../lib/actor/persistent-ask.ts'
import { present } from '../lib/base/assert.ts'
import type { Subjects } from '../lib/bus/subjects.ts'
import type { CheckpointDemand } from '../lib/checkpoint/checkpoint-demands.ts'
import { firstTasks } from '../lib/checkpoint/first-tasks.ts'
import type { SlotLocation } from '../lib/graph/execution-graph.ts'
import type { JobGraph } from '../lib/graph/job-graph.ts'
import type { SubtaskId } from '../lib/graph/pipelined-regions.ts'
import { slotName } from '../lib/protocol/dispatcher.ts'
import type { JobMasterProtocol } from '../lib/protocol/job-master.ts'
import type { SlotProtocol } from '../lib/protocol/slot.ts'
import type { DeployedRegion } from '../lib/scheduler/job-events.ts'

export interface AttemptSlotsOptions {
  readonly jobId: string
  readonly graph: JobGraph
  readonly subjects: Subjects
  readonly regions: readonly DeployedRegion[]
  /** Of the leader that speaks. */
  readonly epoch: number
  /** Whether a slot has this attempt of a region still: nobody else need hear. */
  isCurrent(slot: SlotLocation, region: number, attempt: number): boolean
}

/** A region in a slot. */
interface Target {
  readonly slot: SlotLocation
  readonly region: number
  readonly attempt: number
}

/** The job master, as far as it is needed here. */
export type Host = Pick<ActorContext<JobMasterProtocol>, 'clock' | 'log' | 'ask'>
export type IsObsolete = () => boolean

/** Everything is asked again until it is answered, or obsolete. */
export class AttemptSlots {
  readonly regions: readonly DeployedRegion[]
  readonly #options: AttemptSlotsOptions
  readonly #host: Host
  readonly #targets: readonly Target[]

  constructor(options: AttemptSlotsOptions, host: Host) {
    this.#options = options
    this.regions = options.regions
    this.#host = host
    this.#targets = options.regions.flatMap(({ slots, region, attempt }) =>
      slots.map((slot) => ({ slot, region, attempt })),
    )
  }

  /** Every slot must know where a savepoint goes before its barrier can come by. */
  async expect(checkpointId: number, { uri, stop }: CheckpointDemand, isObsolete: IsObsolete): Promise<void> {
    const place = { storageUri: uri, folder: '' }
    await Promise.all(
      this.#targets.map((target) => {
        const message = { kind: 'expectSavepoint', ...this.#referenceTo(target) } as const
        return this.#askSlot(target, { ...message, checkpointId, place, stop }, isObsolete)
      }),
    )
  }

  /** `finished`: tasks that send no barriers any more. Rejects when a slot refuses. */
  async trigger(
    barrier: { readonly checkpointId: number; readonly timestamp: number; readonly isSavepoint: boolean },
    finished: ReadonlySet<string>,
    isObsolete: IsObsolete,
  ): Promise<void> {
    await Promise.all(
      this.#firstTasks(finished).map(([target, subtasks]) => {
        const message = { kind: 'triggerCheckpoint', ...this.#referenceTo(target) } as const
        return this.#askSlot(target, { ...message, ...barrier, subtasks }, isObsolete)
      }),
    )
  }

  /**
   * Slots must learn what became of a checkpoint: sinks commit, and readers stop waiting for its barrier. Also those of
   * regions that go on while another has failed.
   */
  async ended(checkpointId: number, mustCommit: boolean, isObsolete: IsObsolete): Promise<void> {
    await Promise.all(
      this.#targets.map((target) => {
        const message = { kind: 'checkpointEnded', ...this.#referenceTo(target) } as const
        return this.#askSlot(target, { ...message, checkpointId, mustCommit }, isObsolete).catch((error) =>
          this.#host.log.warn('a slot does not hear of a checkpoint', { checkpoint: checkpointId, error }),
        )
      }),
    )
  }

  #referenceTo({ region, attempt }: Target) {
    const { epoch, jobId } = this.#options
    return { epoch, jobId, region, attempt }
  }

  #regionOf(vertexId: string, index: number): DeployedRegion {
    const isPart = (subtask: SubtaskId) => subtask.vertexId === vertexId && subtask.index === index
    const region = this.#options.regions.find(({ subtasks }) => subtasks.some(isPart))
    return present(region, `the region of subtask ${index} of ${vertexId}`)
  }

  /** The tasks the barrier begins with, by region and slot. */
  #firstTasks(finished: ReadonlySet<string>): [Target, SubtaskId[]][] {
    const byTarget = new Map<string, [Target, SubtaskId[]]>()
    for (const task of firstTasks(this.#options.graph, finished)) {
      const { region, attempt, placement } = this.#regionOf(task.vertexId, task.index)
      const slot = placement[task.vertexId]![task.index]!
      const key = `${region}/${slot.node}/${slot.slot}`
      byTarget.set(key, [{ slot, region, attempt }, [...(byTarget.get(key)?.[1] ?? []), task]])
    }
    return [...byTarget.values()]
  }

  #askSlot<K extends 'expectSavepoint' | 'triggerCheckpoint' | 'checkpointEnded'>(
    { slot, region, attempt }: Target,
    message: MessageOf<SlotProtocol, K>,
    isObsolete: IsObsolete,
  ): Promise<unknown> {
    const isGone = () => isObsolete() || !this.#options.isCurrent(slot, region, attempt)
    return this.#ask<SlotProtocol, K>(this.#slot(slot), message, isGone)
  }

  #ask<P extends Protocol<P>, K extends AskKind<P>>(
    ref: ActorRef<P>,
    message: MessageOf<P, K>,
    isObsolete: IsObsolete,
  ): Promise<ReplyOf<P, K> | undefined> {
    const { clock } = this.#host
    return askPersistently(this.#host, ref, message, { clock, isObsolete })
  }

  #slot({ node, slot }: SlotLocation): ActorRef<SlotProtocol> {
    return { subject: this.#options.subjects.control(slotName(node, slot)) }
  }
}
