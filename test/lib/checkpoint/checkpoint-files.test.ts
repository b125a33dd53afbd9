/** What is written is read again, and what is damaged or of another making is refused with a reason. */
import assert from 'node:assert/strict'
import fc from 'fast-check'
import { Packr } from 'msgpackr'
import t from 'tap'
import { SluiceError } from '../../../lib/base/errors.ts'
import {
  type CheckpointMetadata,
  checkpointFolder,
  decodeMetadata,
  decodeSubtask,
  encodeMetadata,
  encodeSubtask,
  FORMAT_VERSION,
  folderUri,
  subtaskBlob,
} from '../../../lib/checkpoint/checkpoint-files.ts'
import { runs } from '../types/schema-arbitrary.ts'
import { contentsOfAll, newSubtasks, recordOf, Subtask } from './subtasks.ts'

const metadata: CheckpointMetadata = {
  formatVersion: FORMAT_VERSION,
  checkpointId: 7,
  timestamp: 1_700_000_000_123,
  jobId: 'job',
  jobName: 'a job, größer',
  isSavepoint: false,
  operators: [recordOf(2), recordOf(1, { id: 'other', subtasks: [null], hasUnion: false })],
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

t.test('checkpoint files - a subtask goes on from its bytes', async () => {
  fc.assert(
    fc.property(fc.uniqueArray(fc.nat(1000), { maxLength: 30 }), (values) => {
      const [before] = newSubtasks(1, values)
      const snapshot = decodeSubtask(encodeSubtask(before!.save()), 'blob')
      const after = new Subtask(snapshot.operators[0]!, 1, 0)
      assert.deepEqual(contentsOfAll([after]), contentsOfAll([before!]))
    }),
    runs(100),
  )
})

t.test('checkpoint files - what is cut short is damaged, wherever it was cut', async (t) => {
  const files = [
    { bytes: encodeMetadata(metadata), decode: decodeMetadata },
    { bytes: encodeSubtask(newSubtasks(1, [1, 2, 3])[0]!.save()), decode: decodeSubtask },
  ]
  for (const { bytes, decode } of files) {
    for (let length = 0; length < bytes.length; length++) {
      const error = errorOf(() => decode(bytes.slice(0, length), 'a/blob'))
      assert.equal(error?.code, 'CHECKPOINT_DAMAGED', `${length} of ${bytes.length} bytes`)
      assert.match(error.message, /a\/blob/)
    }
    const longer = new Uint8Array([...bytes, 1])
    t.equal(errorOf(() => decode(longer, 'a/blob'))?.code, 'CHECKPOINT_DAMAGED', 'a byte too many')
  }
})

t.test('checkpoint files - any bytes are read or refused', async () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
      for (const decode of [decodeMetadata, decodeSubtask]) {
        const error = errorOf(() => decode(bytes, 'blob'))
        assert(error === null || ['CHECKPOINT_DAMAGED', 'STATE_INCOMPATIBLE'].includes(error.code))
      }
    }),
    runs(1000),
  )
})

t.test('checkpoint files - one is not taken for the other', async (t) => {
  const notOurs = { code: 'CHECKPOINT_DAMAGED', message: /is not part of a checkpoint/ }
  t.throws(() => decodeMetadata(encodeSubtask({ operators: [], watermark: 0, inputs: [] }), 'x'), notOurs)
  t.throws(() => decodeSubtask(encodeMetadata(metadata), 'x'), notOurs)
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
  t.equal(`${checkpointFolder('job', 12)}${subtaskBlob('v', 3, 1, 12)}`, 'job/chk-12/v-3-1-12')
  t.equal(folderUri('file:///data', 'savepoints/x'), 'file:///data/savepoints/x')
  t.equal(folderUri('file:///data/', 'x'), 'file:///data/x')
  t.equal(folderUri('s3://bucket/base?region=eu', 'x'), 's3://bucket/base/x?region=eu')
})
