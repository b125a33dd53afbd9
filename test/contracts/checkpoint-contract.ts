/** What a blob store has to be good for, as one test: checkpoints in several blobs, shared, read again and deleted. */
import type { Test } from 'tap'
import {
  type BlobReference,
  blobName,
  checkpointFolder,
  encodeMetadata,
  FORMAT_VERSION,
  METADATA,
  sharedFolder,
} from '../../lib/checkpoint/checkpoint-files.ts'
import { CheckpointReader } from '../../lib/checkpoint/checkpoint-reader.ts'
import { deleteCheckpoint } from '../../lib/checkpoint/delete-checkpoint.ts'
import { SnapshotUpload, UploadLane } from '../../lib/checkpoint/snapshot-upload.ts'
import type { StateChunk } from '../../lib/state/state-chunk.ts'
import type { BlobStore } from '../../lib/storage/blob-store.ts'
import { type BlobStoreFactory, pattern } from './blob-store-contract.ts'

const MB = 2 ** 20
const PLACE = { parallelism: 1, maxParallelism: 128 }

const chunkOf = (byteLength: number, seed: number): StateChunk => ({
  table: 'value',
  layout: 'flat',
  schema: null,
  isDeletion: false,
  rowCount: 1,
  rows: pattern(byteLength, seed),
})

export function checkpointContract(t: Test, name: string, factory: BlobStoreFactory): void {
  t.test(`${name} - checkpoints of shared blobs`, async (t) => {
    const fixture = await factory(t)
    const store = await fixture.open()
    const chunks = [chunkOf(MB, 1), chunkOf(MB, 2), chunkOf(0, 3), chunkOf(MB, 4), chunkOf(10, 5)]
    const base = await upload(store, 1, chunks.slice(0, 4))
    t.equal(base.length, 2, 'a large one is stored in pieces')
    const delta = await upload(store, 2, chunks.slice(4))
    await complete(store, 1, base)
    await complete(store, 2, [...base, ...delta])

    const other = await fixture.open()
    const reader = await CheckpointReader.open(other, checkpointFolder('job', 2))
    const state = await reader.read('op', { ...PLACE, index: 0 })
    t.equal(state?.keyed.length, chunks.length)
    for (const [i, { rows }] of chunks.entries()) t.ok(Buffer.compare(rows, state!.keyed[i]!.rows) === 0)

    await deleteCheckpoint(store, checkpointFolder('job', 1))
    t.equal((await store.list('job/')).length, 4, 'the other one needs all blobs')
    await other.delete(`${sharedFolder('job')}${base[1]!.name}`)
    const again = await CheckpointReader.open(store, checkpointFolder('job', 2))
    await t.rejects(again.read('op', { ...PLACE, index: 0 }), {
      code: 'BLOB_NOT_FOUND',
      message: new RegExp(base[1]!.name),
    })
    await deleteCheckpoint(store, checkpointFolder('job', 2))
    t.same(await store.list('job/'), [])
  })
}

async function upload(
  store: BlobStore,
  checkpointId: number,
  chunks: readonly StateChunk[],
): Promise<readonly BlobReference[]> {
  const snapshot = new SnapshotUpload({
    link: { kind: 'base', isFolding: false },
    lane: new UploadLane(),
    nameOf: (number) => blobName({ vertexId: 'v', index: 0, attempt: 0, checkpointId }, number),
    put: (name, content, signal) => store.put(`${sharedFolder('job')}${name}`, content, { signal }),
    delete: (name) => store.delete(`${sharedFolder('job')}${name}`),
    onChange() {},
  })
  for (const chunk of chunks) snapshot.add('op', chunk)
  snapshot.finish({ operators: [{ id: 'op', operatorState: [], keyed: [] }], watermark: 0, inputs: [] })
  return (await snapshot.done).blobs
}

async function complete(
  store: BlobStore,
  checkpointId: number,
  blobs: readonly BlobReference[],
): Promise<void> {
  const record = { id: 'op', name: 'op', ...PLACE, subtasks: ['v/0'], hasUnion: false, states: [] }
  const metadata = encodeMetadata({
    formatVersion: FORMAT_VERSION,
    checkpointId,
    timestamp: 0,
    jobId: 'job',
    jobName: 'job',
    isSavepoint: false,
    operators: [record],
    snapshots: { 'v/0': blobs },
    enumerators: [],
    inFlight: [],
  })
  await store.put(`${checkpointFolder('job', checkpointId)}${METADATA}`, metadata)
}
