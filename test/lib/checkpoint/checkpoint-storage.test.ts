import t from 'tap'
import { CheckpointStorage } from '../../../lib/checkpoint/checkpoint-storage.ts'
import { MemoryBlobStore, type MemoryBlobs } from '../../../lib/storage/memory-blob-store.ts'
import { ManualClock } from '../../../lib/testing/manual-clock.ts'

const CONTENT = new Uint8Array([1])

/** Stores by URI, and what was opened and closed. */
function stores() {
  const clock = new ManualClock(0)
  const log: string[] = []
  const blobs = new Map<string, MemoryBlobs>()
  let failures = 0
  const open = async (uri: string) => {
    if (failures > 0) {
      failures--
      throw new Error(`${uri} is away`)
    }
    log.push(`open ${uri}`)
    const known: MemoryBlobs = blobs.get(uri) ?? new Map()
    blobs.set(uri, known)
    const store = new MemoryBlobStore(clock, known)
    store.close = async () => void log.push(`close ${uri}`)
    return store
  }
  const pathsOf = (uri: string) => [...(blobs.get(uri)?.keys() ?? [])].sort()
  return { log, open, pathsOf, fail: () => failures++ }
}

t.test('checkpoint storage - the job’s own is opened once, and closed in the end', async (t) => {
  const { log, open, pathsOf } = stores()
  const storage = new CheckpointStorage('memory:own', open)
  t.same(log, [], 'not before it is needed')
  const [first, second] = ['job/chk-1/', 'job/chk-11/'].map((folder) => ({
    storageUri: 'memory:own',
    folder,
  }))
  await storage.put(first!, 'a', CONTENT)
  await storage.put(second!, 'meta', CONTENT)
  await storage.delete(first!)
  t.same(pathsOf('memory:own'), ['job/chk-11/meta'])
  await storage.close()
  t.same(log, ['open memory:own', 'close memory:own'])
  await t.rejects(storage.put(first!, 'a', CONTENT), { code: 'CHECKPOINT_FAILED' })
})

t.test('checkpoint storage - others are opened for one use, and closed also when it fails', async (t) => {
  const { log, open, pathsOf } = stores()
  const storage = new CheckpointStorage('memory:own', open)
  await storage.put({ storageUri: 'memory:savepoint', folder: '' }, 'meta', CONTENT)
  t.same(pathsOf('memory:savepoint'), ['meta'])
  await t.rejects(
    storage.use('memory:savepoint', async () => {
      throw new Error('in use')
    }),
    /in use/,
  )
  await storage.close()
  t.same(log, [
    'open memory:savepoint',
    'close memory:savepoint',
    'open memory:savepoint',
    'close memory:savepoint',
  ])
})

t.test('checkpoint storage - what could not be opened is tried again', async (t) => {
  const { open, pathsOf, fail } = stores()
  const storage = new CheckpointStorage('memory:own', open)
  const place = { storageUri: 'memory:own', folder: 'f/' }
  fail()
  await t.rejects(storage.put(place, 'a', CONTENT), /is away/)
  await storage.put(place, 'a', CONTENT)
  t.same(pathsOf('memory:own'), ['f/a'])
})
