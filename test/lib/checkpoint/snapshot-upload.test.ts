/** Snapshots that are stored while they are being written: in what order, how much at once, what is left of them. */
import t from 'tap'
import { decodePart, mergeParts } from '../../../lib/checkpoint/snapshot-blob.ts'
import type { Link } from '../../../lib/checkpoint/snapshot-chain.ts'
import { SnapshotUpload, UploadLane } from '../../../lib/checkpoint/snapshot-upload.ts'
import type { StateChunk } from '../../../lib/state/state-chunk.ts'

const LINK: Link = { kind: 'base', isFolding: false }
const MB = 2 ** 20
const REST = { operators: [{ id: 'op', operatorState: [], keyed: [] }], watermark: 0, inputs: [] }

const chunkOf = (byteLength: number, mark: number): StateChunk => ({
  table: 'value',
  layout: 'flat',
  schema: null,
  isDeletion: false,
  rowCount: 1,
  rows: new Uint8Array(byteLength).fill(mark),
})

/** A store whose puts end when the test says so. */
class HandStore {
  readonly blobs = new Map<string, Uint8Array>()
  readonly waiting: { readonly name: string; end(error?: Error): void }[] = []
  readonly deleted: string[] = []
  lane = new UploadLane()
  changes = 0

  upload(link = LINK, prefix = 'b'): SnapshotUpload {
    return new SnapshotUpload({
      link,
      lane: this.lane,
      nameOf: (number) => `${prefix}${number}`,
      put: (name, content, signal) =>
        new Promise((resolve, reject) => {
          signal.addEventListener('abort', () => reject(signal.reason))
          const end = (error?: Error) => {
            if (error !== undefined) reject(error)
            else {
              this.blobs.set(name, content.slice())
              resolve()
            }
          }
          this.waiting.push({ name, end })
        }),
      delete: async (name) => {
        this.deleted.push(name)
        this.blobs.delete(name)
      },
      onChange: () => {
        this.changes++
      },
    })
  }

  async endAll(): Promise<void> {
    await settled()
    while (this.waiting.length > 0) {
      this.waiting.shift()!.end()
      await settled()
    }
  }
}

const settled = () => new Promise<void>((resolve) => setImmediate(resolve))

t.test('snapshot upload - what went in comes out', async (t) => {
  const store = new HandStore()
  const upload = store.upload()
  upload.add('op', chunkOf(3, 1))
  upload.add('other', chunkOf(5, 2))
  upload.add('op', chunkOf(0, 3))
  upload.finish(REST)
  await store.endAll()
  const stored = await upload.done
  t.equal(stored.blobs.length, 1)
  t.equal(stored.blobs[0]!.byteLength, store.blobs.get('b0')!.length)
  const { operators } = mergeParts([decodePart(store.blobs.get('b0')!, 'b0')], 'x')
  t.same(
    operators[0]!.keyed.map(({ rows }) => [...rows]),
    [[1, 1, 1], []],
  )
})

t.test('snapshot upload - a large state goes in pieces, and waits when storage is slow', async (t) => {
  const store = new HandStore()
  const upload = store.upload()
  let added = 0
  while (upload.state === 'ready' && added < 100) {
    upload.add('op', chunkOf(MB, added++))
    await settled()
  }
  t.equal(upload.state, 'busy')
  t.ok(added >= 20 && added < 40, `${added} MB are in memory`)
  t.equal(store.waiting.length, 8, 'at once')
  store.waiting.shift()!.end()
  await settled()
  t.equal(upload.state, 'ready')
  t.equal(store.changes, 1)
  upload.finish(REST)
  await store.endAll()
  const { blobs } = await upload.done
  const parts = blobs.map(({ name }) => decodePart(store.blobs.get(name)!, name))
  const [operator] = mergeParts(parts, 'x').operators
  t.same(
    operator!.keyed.map(({ rows }) => rows[0]),
    Array.from({ length: added }, (_, mark) => mark),
    'in order',
  )
})

t.test('snapshot upload - one blob that cannot be stored fails it, and nothing is left', async (t) => {
  const store = new HandStore()
  const upload = store.upload()
  for (let i = 0; i < 3; i++) upload.add('op', chunkOf(5 * MB, i))
  await settled()
  store.waiting[0]!.end()
  store.waiting[1]!.end(new Error('the disk is full'))
  await t.rejects(upload.done, /the disk is full/)
  t.equal(upload.state, 'closed')
  t.ok(store.changes > 0, 'the task hears of it')
  upload.finish(REST)
  await settled()
  t.same(store.deleted, ['b0', 'b1', 'b2'], 'also those of which it is not known')
  t.equal(store.blobs.size, 0)
})

t.test('snapshot upload - one that is given up leaves nothing, one that is done stays', async (t) => {
  const store = new HandStore()
  const upload = store.upload()
  upload.add('op', chunkOf(5 * MB, 1))
  await upload.giveUp()
  await t.rejects(upload.done, { code: 'CHECKPOINT_FAILED' })
  t.same(store.deleted, ['b0'])
  const other = store.upload(LINK, 'c')
  other.finish(REST)
  await settled()
  store.waiting.at(-1)!.end()
  await other.done
  await other.giveUp()
  t.ok(store.blobs.has('c0'))
})

t.test('snapshot blob - what is cut short is damaged, wherever it was cut', async (t) => {
  const store = new HandStore()
  const upload = store.upload()
  upload.add('op', chunkOf(3, 1))
  upload.finish(REST)
  await store.endAll()
  const bytes = store.blobs.get('b0')!
  for (let length = 0; length < bytes.length; length++) {
    const read = () => mergeParts([decodePart(bytes.slice(0, length), 'a/blob')], 'a/blob')
    t.throws(read, { code: 'CHECKPOINT_DAMAGED', message: /a\/blob/ }, `${length} bytes`)
  }
  t.throws(() => decodePart(new Uint8Array([...bytes, 1]), 'a/blob'), { code: 'CHECKPOINT_DAMAGED' })
})
