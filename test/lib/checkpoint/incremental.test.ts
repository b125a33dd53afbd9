/**
 * Everything that makes a checkpoint incremental, together: state that changes while it is written, snapshots that are
 * completed, given up or lost, folding, blobs that are deleted when nobody needs them. Whatever checkpoint is kept must
 * give back what was there when it was frozen, at any parallelism.
 */
import assert from 'node:assert/strict'
import fc from 'fast-check'
import t from 'tap'
import type { Clock } from '../../../lib/base/clock.ts'
import { BlobLedger } from '../../../lib/checkpoint/blob-ledger.ts'
import {
  type BlobReference,
  blobName,
  type CheckpointMetadata,
  checkpointFolder,
  encodeMetadata,
  FORMAT_VERSION,
  METADATA,
  sharedFolder,
} from '../../../lib/checkpoint/checkpoint-files.ts'
import { CheckpointReader } from '../../../lib/checkpoint/checkpoint-reader.ts'
import { SnapshotChain } from '../../../lib/checkpoint/snapshot-chain.ts'
import { SnapshotUpload, UploadLane } from '../../../lib/checkpoint/snapshot-upload.ts'
import { FrozenSubtask, SubtaskWalk } from '../../../lib/checkpoint/subtask-snapshot.ts'
import type { KeyedStateBackend } from '../../../lib/state/keyed-state-backend.ts'
import { OperatorStateBackend } from '../../../lib/state/operator-state.ts'
import { listState, mapState, valueState } from '../../../lib/state/state-descriptor.ts'
import { MemoryBlobStore } from '../../../lib/storage/memory-blob-store.ts'
import { ManualClock } from '../../../lib/testing/manual-clock.ts'
import { t as types } from '../../../lib/types/t.ts'
import { storedCheckpoints } from '../../support/stored-checkpoints.ts'
import { contentsOf, load, MAX_PARALLELISM, newBackend } from '../state/backends.ts'
import { runs } from '../types/schema-arbitrary.ts'

const RETAINED = 2
const value = valueState('value', types.object({ n: types.int64 }))
const list = listState<number>('list', types.int64)
const map = mapState<number, number>('map', types.int64)

interface Change {
  readonly key: number
  readonly what: number
  readonly n: number
}

/** One operator of one subtask, and the one who keeps its checkpoints. */
class Job {
  readonly clock: Clock = new ManualClock(0)
  readonly store = new MemoryBlobStore(this.clock)
  readonly #backend = newBackend()
  readonly #operatorState = new OperatorStateBackend()
  readonly #chain = new SnapshotChain({ isIncremental: true, deltasMax: 2 })
  readonly #ledger = new BlobLedger()
  readonly #lane = new UploadLane()
  #walk: SubtaskWalk | null = null
  #lastId = 0
  folds = 0
  /** Kept, with what was there. */
  readonly checkpoints: { readonly id: number; readonly contents: unknown }[] = []

  constructor() {
    declare(this.#backend)
  }

  change({ key, what, n }: Change): void {
    const backend = this.#backend
    backend.context.set(key, -1)
    const timers = backend.timerTable('t/timers')
    const changes = [
      () => backend.state(value).update({ n }),
      () => {
        const found = backend.state(value).value()
        if (found === undefined) return
        found.n = n
        backend.state(value).update(found)
      },
      () => backend.state(value).clear(),
      () => backend.state(list).add(n),
      () => backend.state(map).set(n % 4, n),
      () => backend.state(map).clear(),
      () => timers.register(n % 6, undefined),
      () => timers.delete(n % 6, undefined),
    ]
    changes[what % changes.length]!()
  }

  /** `fate`: what becomes of it. `during`: what changes while it is written. */
  async checkpoint(fate: Fate, during: readonly Change[]): Promise<void> {
    const checkpointId = ++this.#lastId
    const isSavepoint = fate === 'savepoint'
    const { size, changedCount } = this.#backend
    const stateSize = {
      entryCount: size,
      changedCount,
      entryCountOf: (_: string, state: string) => this.#backend.sizeOf(state),
    }
    const origin = { vertexId: 'v', index: 0, attempt: 0, checkpointId }
    const folder = isSavepoint ? `savepoint-${checkpointId}/` : sharedFolder('job')
    const upload = new SnapshotUpload({
      link: this.#chain.begin(isSavepoint, stateSize),
      lane: this.#lane,
      nameOf: (number) => blobName(origin, number),
      put: async (name, content) => {
        if (fate === 'lost') throw new Error('lost')
        await this.store.put(`${folder}${name}`, content)
      },
      delete: (name) => this.store.delete(`${folder}${name}`),
      onChange() {},
    })
    const contents = contentsOf([this.#backend])
    await this.#write(upload, during)
    try {
      const stored = await upload.done
      if (stored.hasFolded) this.folds++
      const state = this.#chain.stored(upload.link, stored)
      assert(state !== null)
      const metadata = metadataOf(checkpointId, isSavepoint, state.blobs)
      if (isSavepoint) await this.#check(folder, encodeMetadata(metadata), contents)
      else await this.#keep(fate, metadata, contents)
    } catch (error) {
      assert.equal(fate, 'lost', String(error))
      this.#chain.failed(upload.link)
    }
  }

  async #write(upload: SnapshotUpload, during: readonly Change[]): Promise<void> {
    const operators = [{ id: 'op', keyed: this.#backend, operatorState: this.#operatorState }]
    if (upload.kind === 'base') this.#walk = null
    if (upload.isFolding) this.#walk ??= new SubtaskWalk(operators)
    const frozen = new FrozenSubtask(operators, upload, upload.isFolding ? this.#walk : null)
    const changes = [...during]
    for (;;) {
      const rest = frozen.drain(2)
      const next = changes.shift()
      if (next !== undefined) this.change(next)
      if (rest === null) continue
      if (upload.isFolding && this.#walk?.hasEnded === true) {
        this.#walk = null
        upload.folded()
      }
      upload.finish({ operators: rest, watermark: 0, inputs: [] })
      break
    }
    for (const each of changes) this.change(each)
  }

  async #keep(fate: Fate, metadata: CheckpointMetadata, contents: unknown): Promise<void> {
    const { checkpointId, snapshots } = metadata
    const names = snapshots['v/0']!.map(({ name }) => name)
    this.#ledger.checkpointHolds(checkpointId, names)
    await this.#delete(this.#ledger.subtaskHolds('v/0', checkpointId, names))
    if (fate === 'aborted') {
      await this.#delete(this.#ledger.releaseCheckpoint(checkpointId))
      return
    }
    const folder = checkpointFolder('job', checkpointId)
    await this.store.put(`${folder}${METADATA}`, encodeMetadata(metadata))
    this.checkpoints.push({ id: checkpointId, contents })
    if (this.checkpoints.length <= RETAINED) return
    const { id } = this.checkpoints.shift()!
    await this.store.delete(`${checkpointFolder('job', id)}${METADATA}`)
    await this.#delete(this.#ledger.releaseCheckpoint(id))
  }

  async #delete(names: readonly string[]): Promise<void> {
    for (const name of names) await this.store.delete(`${sharedFolder('job')}${name}`)
  }

  async #check(folder: string, metadata: Uint8Array, contents: unknown): Promise<void> {
    await this.store.put(`${folder}${METADATA}`, metadata)
    assert.deepEqual(await restored(this.store, folder, 2), contents)
  }

  /** The attempt is over: only what checkpoints need is left. */
  async end(): Promise<void> {
    await this.#delete(this.#ledger.releaseSubtasks())
    const { missing, strays } = await storedCheckpoints(this.store)
    assert.deepEqual({ missing, strays }, { missing: [], strays: [] })
  }
}

type Fate = 'complete' | 'aborted' | 'lost' | 'savepoint'

function declare(backend: KeyedStateBackend): void {
  backend.state(value)
  backend.state(list)
  backend.state(map)
  backend.timerTable('t/timers')
}

function metadataOf(
  checkpointId: number,
  isSavepoint: boolean,
  blobs: readonly BlobReference[],
): CheckpointMetadata {
  const record = {
    parallelism: 1,
    maxParallelism: MAX_PARALLELISM,
    subtasks: ['v/0'],
    hasUnion: false,
    states: [],
  }
  return {
    formatVersion: FORMAT_VERSION,
    checkpointId,
    timestamp: 0,
    jobId: 'job',
    jobName: 'job',
    isSavepoint,
    operators: [{ id: 'op', name: 'op', ...record }],
    snapshots: { 'v/0': blobs },
    enumerators: [],
    inFlight: [],
  }
}

async function restored(store: MemoryBlobStore, folder: string, parallelism: number): Promise<unknown> {
  const reader = await CheckpointReader.open(store, folder)
  const backends = []
  for (let index = 0; index < parallelism; index++) {
    const share = { parallelism, maxParallelism: MAX_PARALLELISM, index }
    const { keyed } = (await reader.read('op', share))!
    backends.push(load(keyed, declare, parallelism, index))
  }
  return contentsOf(backends)
}

const change = fc.record({ key: fc.nat(40), what: fc.nat(7), n: fc.nat(50) })
const fate = fc.oneof<fc.WeightedArbitrary<Fate>[]>(
  { weight: 30, arbitrary: fc.constant('complete') },
  { weight: 6, arbitrary: fc.constant('aborted') },
  { weight: 4, arbitrary: fc.constant('savepoint') },
  { weight: 1, arbitrary: fc.constant('lost') },
)
const round = fc.record({
  before: fc.array(change, { maxLength: 8 }),
  during: fc.array(change, { maxLength: 8 }),
  fate,
})

t.test(
  'incremental checkpoints - what is kept gives back what was there, and nothing else is kept',
  async () => {
    let folds = 0
    await fc.assert(
      fc.asyncProperty(
        fc.array(change, { minLength: 80, maxLength: 150 }),
        fc.array(round, { minLength: 15, maxLength: 30 }),
        fc.integer({ min: 1, max: 4 }),
        async (first, rounds, parallelism) => {
          const job = new Job()
          for (const each of first) job.change(each)
          for (const { before, during, fate } of rounds) {
            for (const each of before) job.change(each)
            await job.checkpoint(fate, during)
            for (const { id, contents } of job.checkpoints) {
              assert.deepEqual(await restored(job.store, checkpointFolder('job', id), parallelism), contents)
            }
          }
          await job.end()
          folds += job.folds
        },
      ),
      runs(60),
    )
    assert(folds > 20, `${folds} folds`)
  },
)
