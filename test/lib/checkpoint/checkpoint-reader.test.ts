/** Reading a checkpoint: what is needed of it, once, wherever it is. */
import t from 'tap'
import {
  type CheckpointMetadata,
  encodeMetadata,
  FORMAT_VERSION,
  METADATA,
  type OperatorRecord,
} from '../../../lib/checkpoint/checkpoint-files.ts'
import { CheckpointReader } from '../../../lib/checkpoint/checkpoint-reader.ts'
import { deleteCheckpoint } from '../../../lib/checkpoint/delete-checkpoint.ts'
import type { BlobStore } from '../../../lib/storage/blob-store.ts'
import { MemoryBlobStore } from '../../../lib/storage/memory-blob-store.ts'
import { ManualClock } from '../../../lib/testing/manual-clock.ts'
import { MAX_PARALLELISM } from '../state/backends.ts'
import { blobOf, contentsOfAll, newSubtasks, OPERATOR_ID, recordOf, Subtask } from './subtasks.ts'

const VALUES = [1, 2, 3, 5, 8, 13, 21, 34, 55, 89]

/** A checkpoint of two subtasks in a folder. */
async function save(store: BlobStore, folder: string, record: OperatorRecord): Promise<Subtask[]> {
  const subtasks = newSubtasks(2, VALUES)
  for (const [index, name] of record.subtasks.entries()) {
    if (name !== null) await store.put(`${folder}v-${index}-0-1-0`, blobOf(subtasks[index]!.save()))
  }
  const metadata: CheckpointMetadata = {
    formatVersion: FORMAT_VERSION,
    checkpointId: 1,
    timestamp: 0,
    jobId: 'job',
    jobName: 'job',
    isSavepoint: true,
    operators: [record],
    snapshots: Object.fromEntries(
      [0, 1].map((index) => [`v/${index}`, [{ name: `v-${index}-0-1-0`, byteLength: 1 }]]),
    ),
    enumerators: [{ id: 'source', state: new Uint8Array([1, 2]) }],
    inFlight: [],
  }
  await store.put(`${folder}${METADATA}`, encodeMetadata(metadata))
  return subtasks
}

const newStore = () => new MemoryBlobStore(new ManualClock())
const shareOf = (parallelism: number, index: number) => ({
  parallelism,
  maxParallelism: MAX_PARALLELISM,
  index,
})

t.test('checkpoint reader - gives each subtask its share, and reads each blob once', async (t) => {
  for (const folder of ['job/chk-1/', '']) {
    const store = newStore()
    const before = contentsOfAll(await save(store, folder, recordOf(2)))
    const reader = await CheckpointReader.open(store, folder)
    t.equal(reader.metadata.checkpointId, 1)
    const after = await Promise.all(
      [0, 1, 2].map(
        async (index) => new Subtask((await reader.read(OPERATOR_ID, shareOf(3, index)))!, 3, index),
      ),
    )
    const found = contentsOfAll(after)
    t.same(found.keyed, before.keyed)
    t.same(found.splits, before.splits)
    t.equal(store.stats.gets, 3, 'the metadata and two blobs')
  }
})

t.test('checkpoint reader - reads no more than it needs', async (t) => {
  const store = newStore()
  await save(store, '', recordOf(2, { hasUnion: false }))
  const reader = await CheckpointReader.open(store, '')
  await reader.read(OPERATOR_ID, shareOf(2, 1))
  t.equal(store.stats.gets, 2)
})

t.test('checkpoint reader - what the checkpoint does not have', async (t) => {
  const store = newStore()
  await save(store, '', recordOf(2, { subtasks: [null, 'v/1'], hasUnion: false }))
  const reader = await CheckpointReader.open(store, '')
  t.equal(await reader.read('another', shareOf(2, 0)), undefined)
  t.same(await reader.read(OPERATOR_ID, shareOf(2, 0)), { operatorState: [], keyed: [] }, 'it had finished')
  t.same([...reader.enumeratorState('source')!], [1, 2])
  t.equal(reader.enumeratorState('another'), undefined)
})

t.test('checkpoint reader - says what is wrong', async (t) => {
  const store = newStore()
  await t.rejects(CheckpointReader.open(store, 'job/chk-9/'), { code: 'BLOB_NOT_FOUND' })
  await store.put('bad/meta', new Uint8Array([0xc1]))
  await t.rejects(CheckpointReader.open(store, 'bad/'), {
    code: 'CHECKPOINT_DAMAGED',
    message: /memory: bad\/meta/,
  })
  await save(store, 'x/', recordOf(2))
  await store.put('x/v-1-0-1-0', new Uint8Array([0xc1]))
  const reader = await CheckpointReader.open(store, 'x/')
  await t.rejects(reader.read(OPERATOR_ID, shareOf(1, 0)), {
    code: 'CHECKPOINT_DAMAGED',
    message: /x\/v-1-0-1-0/,
  })
  await store.delete('x/v-1-0-1-0')
  const again = await CheckpointReader.open(store, 'x/')
  await t.rejects(again.read(OPERATOR_ID, shareOf(1, 0)), { code: 'BLOB_NOT_FOUND' })
  await t.rejects(again.read(OPERATOR_ID, { ...shareOf(1, 0), maxParallelism: 256 }), {
    code: 'STATE_INCOMPATIBLE',
  })
})

t.test('delete checkpoint - what is its own, and not what another needs', async (t) => {
  const store = newStore()
  await save(store, 'savepoint/', recordOf(2))
  await store.put('savepoint/notes', new Uint8Array(1))
  await deleteCheckpoint(store, 'savepoint/')
  t.same(
    (await store.list('')).map(({ path }) => path),
    ['savepoint/notes'],
  )
  const metadata = (await CheckpointReader.open(await savedStore(), '')).metadata
  for (const [id, names] of [
    [1, ['a', 'b']],
    [2, ['a', 'c']],
  ] as const) {
    const blobs = names.map((name) => ({ name, byteLength: 1 }))
    const meta = encodeMetadata({ ...metadata, isSavepoint: false, snapshots: { 'v/0': blobs } })
    await store.put(`job/chk-${id}/meta`, meta)
    for (const name of names) await store.put(`job/shared/${name}`, new Uint8Array(1))
  }
  await deleteCheckpoint(store, 'job/chk-2/')
  t.same(
    (await store.list('job/')).map(({ path }) => path),
    ['job/chk-1/meta', 'job/shared/a', 'job/shared/b'],
  )
})

async function savedStore(): Promise<BlobStore> {
  const store = newStore()
  await save(store, '', recordOf(2))
  return store
}
