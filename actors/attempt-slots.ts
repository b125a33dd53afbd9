/** What the checkpoints of one attempt of a job say to its slots and to the enumerators of its sources. */
import type { ActorRef, AskKind, MessageOf, Protocol, ReplyOf } from '../lib/actor/actor-ref.ts'
import type { ActorContext } from '../lib/actor/behavior.ts'
import { askPersistently } from '../lib/actor/persistent-ask.ts'
import type { Subjects } from '../lib/bus/subjects.ts'
import type { CheckpointDemand } from '../lib/checkpoint/checkpoint-demands.ts'
import type { CheckpointMetadata } from '../lib/checkpoint/checkpoint-files.ts'
import { firstTasks, type Task } from '../lib/checkpoint/first-tasks.ts'
import type { Placement, SlotLocation } from '../lib/graph/execution-graph.ts'
import type { JobGraph } from '../lib/graph/job-graph.ts'
import { slotName } from '../lib/protocol/dispatcher.ts'
import type { JobMasterProtocol } from '../lib/protocol/job-master.ts'
import type { SlotProtocol, SourceCoordinatorProtocol } from '../lib/protocol/slot.ts'

export interface AttemptSlotsOptions {
  readonly jobId: string
  readonly graph: JobGraph
  readonly subjects: Subjects
  readonly attempt: number
  readonly placement: Placement
  /** Of the leader that speaks. */
  readonly epoch: number
}

type Host = Pick<ActorContext<JobMasterProtocol>, 'clock' | 'log' | 'ask'>
type IsObsolete = () => boolean

/** Everything is asked again until it is answered, or obsolete. */
export class AttemptSlots {
  readonly attempt: number
  readonly #options: AttemptSlotsOptions
  readonly #host: Host
  readonly #slots: readonly SlotLocation[]

  constructor(options: AttemptSlotsOptions, host: Host) {
    this.attempt = options.attempt
    this.#options = options
    this.#host = host
    const slots = Object.values(options.placement).flat()
    this.#slots = [...new Map(slots.map((slot) => [`${slot.node}/${slot.slot}`, slot])).values()]
  }

  /** Every slot must know where a savepoint goes before its barrier can come by. */
  async expect(checkpointId: number, { uri, stop }: CheckpointDemand, isObsolete: IsObsolete): Promise<void> {
    const place = { storageUri: uri, folder: '' }
    const message = { kind: 'expectSavepoint', ...this.#reference, checkpointId, place, stop } as const
    await Promise.all(
      this.#slots.map((slot) =>
        this.#ask<SlotProtocol, 'expectSavepoint'>(this.#slot(slot), message, isObsolete),
      ),
    )
  }

  /** Of all sources; of no meaning once obsolete. */
  async enumerators(
    checkpointId: number,
    isObsolete: IsObsolete,
  ): Promise<CheckpointMetadata['enumerators']> {
    const { attempt, graph, jobId, subjects } = this.#options
    const sources = graph.vertices.filter(({ isSource }) => isSource)
    return await Promise.all(
      sources.map(async ({ id }) => {
        const message = { kind: 'snapshot', attempt, checkpointId } as const
        const ref: ActorRef<SourceCoordinatorProtocol> = { subject: subjects.actor(jobId, id, 'enumerator') }
        const reply = await this.#ask<SourceCoordinatorProtocol, 'snapshot'>(ref, message, isObsolete)
        return { id, state: reply?.state ?? new Uint8Array() }
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
      this.#firstTasks(finished).map(([slot, subtasks]) => {
        const message = { kind: 'triggerCheckpoint', ...this.#reference, ...barrier, subtasks } as const
        return this.#ask<SlotProtocol, 'triggerCheckpoint'>(this.#slot(slot), message, isObsolete)
      }),
    )
  }

  /** Slots must learn what became of a checkpoint: sinks commit, and readers stop waiting for its barrier. */
  async ended(checkpointId: number, mustCommit: boolean, isObsolete: IsObsolete): Promise<void> {
    const message = { kind: 'checkpointEnded', ...this.#reference, checkpointId, mustCommit } as const
    await Promise.all(
      this.#slots.map((slot) =>
        this.#ask<SlotProtocol, 'checkpointEnded'>(this.#slot(slot), message, isObsolete).catch((error) =>
          this.#host.log.warn('a slot does not hear of a checkpoint', { checkpoint: checkpointId, error }),
        ),
      ),
    )
  }

  get #reference() {
    const { epoch, jobId, attempt } = this.#options
    return { epoch, jobId, attempt }
  }

  /** The tasks the barrier begins with, by slot. */
  #firstTasks(finished: ReadonlySet<string>): [SlotLocation, Task[]][] {
    const { graph, placement } = this.#options
    const bySlot = new Map<string, [SlotLocation, Task[]]>()
    for (const task of firstTasks(graph, finished)) {
      const slot = placement[task.vertexId]![task.index]!
      const key = `${slot.node}/${slot.slot}`
      bySlot.set(key, [slot, [...(bySlot.get(key)?.[1] ?? []), task]])
    }
    return [...bySlot.values()]
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
