/**
 * What checkpoints keep of the enumerators of a job's sources. Once all regions of a source have finished, its
 * enumerator is not asked any more: the slot it was in may be gone. What it said for the last checkpoint that completed
 * holds for good, since sinks do not end before what they hold is committed; a checkpoint that lacks it would have the
 * source begin anew.
 */
import type { ActorRef } from '../lib/actor/actor-ref.ts'
import { askPersistently } from '../lib/actor/persistent-ask.ts'
import type { Subjects } from '../lib/bus/subjects.ts'
import type { CheckpointMetadata } from '../lib/checkpoint/checkpoint-files.ts'
import { CheckpointReader } from '../lib/checkpoint/checkpoint-reader.ts'
import type { CheckpointPlace, CheckpointStorage } from '../lib/checkpoint/checkpoint-storage.ts'
import { taskId } from '../lib/checkpoint/first-tasks.ts'
import type { JobGraph, JobVertex } from '../lib/graph/job-graph.ts'
import { type SubtaskId, subtasksOf } from '../lib/graph/pipelined-regions.ts'
import type { SourceCoordinatorProtocol } from '../lib/protocol/slot.ts'
import type { DeployedRegion } from '../lib/scheduler/job-events.ts'
import type { Host, IsObsolete } from './attempt-slots.ts'

type States = CheckpointMetadata['enumerators']

export interface EnumeratorSnapshotsOptions {
  readonly jobId: string
  readonly graph: JobGraph
  readonly subjects: Subjects
  readonly storage: CheckpointStorage
  /** The present attempt of a subtask. */
  attemptOf(subtask: SubtaskId): number
  /** Where the last checkpoint is that has completed, or what the job began from; null: neither. */
  lastPlace(): CheckpointPlace | null
  /** Which checkpoint of the job that is; 0: none of its own. */
  lastId(): number
}

export class EnumeratorSnapshots {
  readonly #options: EnumeratorSnapshotsOptions
  readonly #host: Host
  /** Of the last checkpoint that has completed; null: not known, if there is one. */
  #last: States | null = null

  constructor(options: EnumeratorSnapshotsOptions, host: Host) {
    this.#options = options
    this.#host = host
  }

  /** A checkpoint has completed. */
  completed(states: States): void {
    this.#last = states
  }

  /** Of all sources; of no meaning once obsolete. `finished`: task ids. */
  async take(
    checkpointId: number,
    regions: readonly DeployedRegion[],
    finished: ReadonlySet<string>,
    isObsolete: IsObsolete,
  ): Promise<States> {
    const sources = this.#options.graph.vertices.filter(({ isSource }) => isSource)
    const states = await Promise.all(
      sources.map((vertex): Promise<States> => {
        const isOver = regions
          .filter(({ subtasks }) => subtasks.some(({ vertexId }) => vertexId === vertex.id))
          .every(({ subtasks }) => subtasks.every((each) => finished.has(taskId(each.vertexId, each.index))))
        return isOver ? this.#lastOf(vertex.id) : this.#ask(vertex, checkpointId, isObsolete)
      }),
    )
    return states.flat()
  }

  async #ask(vertex: JobVertex, checkpointId: number, isObsolete: IsObsolete): Promise<States> {
    const { jobId, subjects, attemptOf, lastId } = this.#options
    const { id } = vertex
    const ref: ActorRef<SourceCoordinatorProtocol> = { subject: subjects.actor(jobId, id, 'enumerator') }
    const readers = subtasksOf(vertex).map(attemptOf)
    const reply = await askPersistently<SourceCoordinatorProtocol, 'snapshot'>(
      this.#host,
      ref,
      { kind: 'snapshot', attempt: readers[0]!, checkpointId, completedId: lastId(), readers },
      { clock: this.#host.clock, isObsolete },
    )
    return [{ id, state: reply?.state ?? new Uint8Array() }]
  }

  /** None if no checkpoint has completed: the source begins anew with the next attempt, as nothing was committed. */
  async #lastOf(id: string): Promise<States> {
    const place = this.#options.lastPlace()
    if (this.#last === null && place !== null)
      this.#last = await this.#options.storage.use(
        place.storageUri,
        async (store) => (await CheckpointReader.open(store, place.folder)).metadata.enumerators,
      )
    return this.#last?.filter((each) => each.id === id) ?? []
  }
}
