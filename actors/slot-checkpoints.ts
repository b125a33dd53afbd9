/**
 * Where one job attempt in one slot meets checkpoint storage: reads what its subtasks begin with, stores their
 * snapshots, and tells the job master that it has.
 */
import type { ActorRef } from '../lib/actor/actor-ref.ts'
import { askPersistently } from '../lib/actor/persistent-ask.ts'
import { toErrorRecord } from '../lib/base/errors.ts'
import type { AssignedState } from '../lib/checkpoint/assign-state.ts'
import { inFlightOf } from '../lib/checkpoint/channel-snapshot.ts'
import {
  checkpointFolder,
  encodeSubtask,
  type SnapshotHandle,
  subtaskBlob,
} from '../lib/checkpoint/checkpoint-files.ts'
import { type AssignedInputs, CheckpointReader } from '../lib/checkpoint/checkpoint-reader.ts'
import type { CheckpointSettings } from '../lib/checkpoint/checkpoint-settings.ts'
import { type CheckpointPlace, CheckpointStorage } from '../lib/checkpoint/checkpoint-storage.ts'
import { statesOf } from '../lib/checkpoint/state-record.ts'
import type { SnapshotTimes, SubtaskSnapshot } from '../lib/checkpoint/subtask-snapshot.ts'
import type { SubtaskPlan } from '../lib/graph/execution-graph.ts'
import { jobMasterName } from '../lib/protocol/dispatcher.ts'
import type { JobMasterProtocol } from '../lib/protocol/job-master.ts'
import type { Deployment } from '../lib/protocol/slot.ts'
import type { SlotEnvironment } from './slot-environment.ts'

/** What an attempt begins with. */
export interface Restored {
  stateOf(plan: SubtaskPlan, operatorId: string): AssignedState | undefined
  inputsOf(plan: SubtaskPlan): AssignedInputs | undefined
  enumeratorState(operatorId: string): Uint8Array | undefined
}

export const NOTHING_RESTORED: Restored = {
  stateOf: () => undefined,
  inputsOf: () => undefined,
  enumeratorState: () => undefined,
}

export class SlotCheckpoints {
  readonly #environment: SlotEnvironment
  readonly #deployment: Deployment
  readonly #settings: CheckpointSettings
  readonly #storage: CheckpointStorage
  /** Of savepoints that are under way. */
  readonly #places = new Map<number, CheckpointPlace>()
  #isClosed = false

  constructor(environment: SlotEnvironment, deployment: Deployment, settings: CheckpointSettings) {
    this.#environment = environment
    this.#deployment = deployment
    this.#settings = settings
    this.#storage = new CheckpointStorage(settings.storageUri, (uri) => environment.openStorage(uri))
  }

  /** Throws as CheckpointReader does. */
  async restore(plans: readonly SubtaskPlan[]): Promise<Restored> {
    const { restore } = this.#deployment
    if (restore === null) return NOTHING_RESTORED
    return await this.#storage.use(restore.storageUri, async (store) =>
      this.#read(await CheckpointReader.open(store, restore.folder), plans),
    )
  }

  /** A savepoint is on its way, which does not go where checkpoints go. */
  expect(checkpointId: number, place: CheckpointPlace): void {
    this.#places.set(checkpointId, place)
  }

  ended(checkpointId: number): void {
    this.#places.delete(checkpointId)
  }

  async #read(reader: CheckpointReader, plans: readonly SubtaskPlan[]): Promise<Restored> {
    const states = new Map<string, AssignedState | undefined>()
    const inputs = new Map<SubtaskPlan, AssignedInputs>()
    for (const plan of plans) {
      const { vertex, index } = plan
      inputs.set(plan, await reader.readInputs(this.#deployment.graph, plan))
      for (const { id } of vertex.operators) {
        const { parallelism, maxParallelism } = vertex
        states.set(`${id}/${index}`, await reader.read(id, { parallelism, maxParallelism, index }))
      }
    }
    return {
      stateOf: ({ index }, operatorId) => states.get(`${operatorId}/${index}`),
      inputsOf: (plan) => inputs.get(plan),
      enumeratorState: (operatorId) => reader.enumeratorState(operatorId),
    }
  }

  /** Resolves when the job master knows that the snapshot is stored, or cannot be, or does not care any more. */
  async store(
    { vertex, index }: SubtaskPlan,
    checkpointId: number,
    snapshot: SubtaskSnapshot,
    times: SnapshotTimes,
  ): Promise<void> {
    const { jobId, attempt } = this.#deployment
    const reference = { attempt, checkpointId, vertexId: vertex.id, index }
    try {
      const name = subtaskBlob(vertex.id, index, attempt, checkpointId)
      const bytes = encodeSubtask(snapshot)
      await this.#storage.put(this.#placeOf(checkpointId), name, bytes)
      const handle = this.#handleOf(name, bytes.length, snapshot, times)
      await this.#tell({ kind: 'acknowledge', ...reference, snapshot: handle })
    } catch (error) {
      if (this.#isClosed) return
      this.#environment.log.warn('a snapshot could not be stored', {
        job: jobId,
        checkpoint: checkpointId,
        error,
      })
      await this.decline({ vertex, index }, checkpointId, error)
    }
  }

  /** There will be no snapshot. Resolves when the job master knows, or does not care any more. */
  async decline(
    { vertex, index }: Pick<SubtaskPlan, 'vertex' | 'index'>,
    checkpointId: number,
    error: unknown,
  ): Promise<void> {
    const reference = { attempt: this.#deployment.attempt, checkpointId, vertexId: vertex.id, index }
    await this.#tell({ kind: 'decline', ...reference, error: toErrorRecord(error) }).catch(() => {})
  }

  #handleOf(
    name: string,
    byteLength: number,
    { operators, inputs }: SubtaskSnapshot,
    { isUnaligned, alignmentMs, syncMs, frozenMs }: SnapshotTimes,
  ): SnapshotHandle {
    const asyncMs = this.#environment.clock.monotonic() - frozenMs
    const unions = operators
      .filter(({ operatorState }) => operatorState.some(({ mode }) => mode === 'union'))
      .map(({ id }) => id)
    const inFlight = inFlightOf(inputs)
    const channelBytes = inFlight.reduce((sum, edge) => sum + edge.byteLength, 0)
    const bytes = { totalBytes: byteLength, channelBytes }
    const stats = { isUnaligned, alignmentMs, syncMs, asyncMs, ...bytes }
    return { name, byteLength, unions, states: statesOf(operators), inFlight, stats }
  }

  async close(): Promise<void> {
    this.#isClosed = true
    await this.#storage.close()
  }

  #placeOf(checkpointId: number): CheckpointPlace {
    const folder = checkpointFolder(this.#deployment.jobId, checkpointId)
    return this.#places.get(checkpointId) ?? { storageUri: this.#settings.storageUri, folder }
  }

  #tell<K extends 'acknowledge' | 'decline'>(
    message: { readonly kind: K } & Readonly<JobMasterProtocol[K]['request']>,
  ): Promise<unknown> {
    const { system, subjects, clock } = this.#environment
    const jobMaster: ActorRef<JobMasterProtocol> = {
      subject: subjects.control(jobMasterName(this.#deployment.jobId)),
    }
    const isObsolete = () => this.#isClosed
    return askPersistently<JobMasterProtocol, K>(system, jobMaster, message as never, { clock, isObsolete })
  }
}
