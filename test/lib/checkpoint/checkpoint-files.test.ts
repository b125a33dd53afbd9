/** What is written is read again, and what is damaged or of another making is refused with a reason. */
import assert from 'node:assert/strict'
import fc from 'fast-check'
import { Packr } from 'msgpackr'
import t from 'tap'
import { SluiceError } from '../../../lib/base/errors.ts'
import {
  blobFolder,
  blobName,
  type CheckpointMetadata,
  checkpointFolder,
  checkpointIdOf,
  decodeMetadata,
  encodeMetadata,
  FORMAT_VERSION,
  folderUri,
  originOf,
  sharedFolder,
} from '../../../lib/checkpoint/checkpoint-files.ts'
import { runs } from '../types/schema-arbitrary.ts'
import { recordOf } from './subtasks.ts'

const metadata: CheckpointMetadata = {
  formatVersion: FORMAT_VERSION,
  checkpointId: 7,
  timestamp: 1_700_000_000_123,
  jobId: 'job',
  jobName: 'a job, größer',
  isSavepoint: false,
  operators: [recordOf(2), recordOf(1, { id: 'other', subtasks: [null], hasUnion: false })],
  snapshots: { 'v/0': [{ name: 'v-0-1-3-0', byteLength: 12 }], 'v/1': [] },
  enumerators: [{ id: 'source', state: new Uint8Array([0, 255, 7]) }],
  inFlight: [],
}

function errorOf(action: () => unknown): SluiceError | null {
  try {
    action()
    return null
  } catch (error) {
    assert(error instanceof SluiceError, String(error))
    return error
  }
}

t.test('checkpoint files - metadata comes back as it was', async (t) => {
  const found = decodeMetadata(encodeMetadata(metadata), 'meta')
  const state = found.enumerators[0]!.state
  t.same({ ...found, enumerators: [{ id: 'source', state: new Uint8Array(state) }] }, metadata)
  t.ok(state instanceof Uint8Array)
})

t.test('checkpoint files - metadata that is cut short is damaged, wherever it was cut', async (t) => {
  const bytes = encodeMetadata(metadata)
  for (let length = 0; length < bytes.length; length++) {
    const error = errorOf(() => decodeMetadata(bytes.slice(0, length), 'a/blob'))
    assert.equal(error?.code, 'CHECKPOINT_DAMAGED', `${length} of ${bytes.length} bytes`)
    assert.match(error.message, /a\/blob/)
  }
  const longer = new Uint8Array([...bytes, 1])
  t.equal(errorOf(() => decodeMetadata(longer, 'a/blob'))?.code, 'CHECKPOINT_DAMAGED', 'a byte too many')
})

t.test('checkpoint files - any bytes are read or refused', async () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
      const error = errorOf(() => decodeMetadata(bytes, 'blob'))
      assert(error === null || ['CHECKPOINT_DAMAGED', 'STATE_INCOMPATIBLE'].includes(error.code))
    }),
    runs(1000),
  )
})

t.test('checkpoint files - what is no metadata is not taken for it', async (t) => {
  const notOurs = { code: 'CHECKPOINT_DAMAGED', message: /is not part of a checkpoint/ }
  t.throws(() => decodeMetadata(new Packr().pack({ operators: [] }), 'x'), notOurs)
  t.throws(() => decodeMetadata(new Packr().pack(null), 'x'), notOurs)
  t.throws(() => decodeMetadata(new Packr().pack('meta'), 'x'), notOurs)
})

t.test('checkpoint files - another format is refused by its number', async (t) => {
  const bytes = encodeMetadata({ ...metadata, formatVersion: FORMAT_VERSION + 1 })
  t.throws(() => decodeMetadata(bytes, 'job/chk-7/meta'), {
    code: 'STATE_INCOMPATIBLE',
    message: `job/chk-7/meta has format ${FORMAT_VERSION + 1}, this version of Sluice reads format ${FORMAT_VERSION}`,
  })
})

t.test('checkpoint files - names', async (t) => {
  const name = blobName({ vertexId: 'a-1-2-3', index: 3, attempt: 7, checkpointId: 12 }, 2)
  t.equal(name, 'a-1-2-3-3-7-12-2')
  t.same(originOf(name), { vertexId: 'a-1-2-3', index: 3, attempt: 7, checkpointId: 12 })
  t.equal(originOf('meta'), undefined)
  t.equal(checkpointFolder('job', 12), 'job/chk-12/')
  t.equal(checkpointIdOf('chk-12/meta'), 12)
  t.equal(checkpointIdOf('shared/chk-12/meta'), undefined)
  t.equal(blobFolder(metadata, checkpointFolder('job', 12)), sharedFolder('job'))
  t.equal(blobFolder(metadata, 'chk-12/'), 'shared/')
  t.equal(blobFolder({ ...metadata, isSavepoint: true }, ''), '')
  t.equal(folderUri('file:///data', 'savepoints/x'), 'file:///data/savepoints/x')
  t.equal(folderUri('file:///data/', 'x'), 'file:///data/x')
  t.equal(folderUri('s3://bucket/base?region=eu', 'x'), 's3://bucket/base/x?region=eu')
})
