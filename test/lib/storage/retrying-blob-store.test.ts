import t from 'tap'
import { systemClock } from '../../../lib/base/clock.ts'
import { SluiceError } from '../../../lib/base/errors.ts'
import { createLogger, type LogEntry, silentLogger } from '../../../lib/base/logger.ts'
import { SeededRandom } from '../../../lib/base/prng.ts'
import type { BlobStore } from '../../../lib/storage/blob-store.ts'
import { ChecksummedBlobStore } from '../../../lib/storage/checksummed-blob-store.ts'
import { MemoryBlobStore, type MemoryBlobs } from '../../../lib/storage/memory-blob-store.ts'
import { RetryingBlobStore, type RetryOptions } from '../../../lib/storage/retrying-blob-store.ts'
import { FaultyBlobStore } from '../../../lib/testing/faulty-blob-store.ts'
import { ManualClock } from '../../../lib/testing/manual-clock.ts'
import { blobStoreContract, bytes, text } from '../../contracts/blob-store-contract.ts'
import { runVirtually } from '../../support/virtual-time.ts'

blobStoreContract(t, 'retrying blob store', async () => {
  const blobs: MemoryBlobs = new Map()
  const options = { clock: systemClock, random: new SeededRandom(1), logger: silentLogger }
  return { open: async () => new RetryingBlobStore(new MemoryBlobStore(systemClock, blobs), options) }
})

blobStoreContract(
  t,
  'retrying blob store over a faulty one',
  async () => {
    const blobs: MemoryBlobs = new Map()
    const random = new SeededRandom(7)
    const faults = { clock: systemClock, random, failureRate: 0.2, lostAckRate: 0.2, delayMsMax: 2 }
    const retries = {
      clock: systemClock,
      random,
      logger: silentLogger,
      attemptsMax: 30,
      backoffMs: 0.1,
      backoffMsMax: 1,
    }
    return {
      async open() {
        const faulty = new FaultyBlobStore(new MemoryBlobStore(systemClock, blobs), faults)
        return new RetryingBlobStore(new ChecksummedBlobStore(faulty), retries)
      },
    }
  },
  { hasRange: false, largeBytes: 300_000 },
)

function setup(inner: BlobStore, options: Partial<RetryOptions> = {}) {
  const clock = new ManualClock()
  const entries: LogEntry[] = []
  const logger = createLogger(clock, 'debug', (entry) => entries.push(entry))
  const store = new RetryingBlobStore(inner, { clock, random: new SeededRandom(1), logger, ...options })
  return { clock, entries, store }
}

const failure = () => new SluiceError('STORAGE_FAILED', 'ordered')

/** A store in memory whose `put` and `get` do this first. */
function storeWith(first: (signal?: AbortSignal) => Promise<void>): MemoryBlobStore {
  const inner = new MemoryBlobStore(systemClock)
  return Object.assign(Object.create(inner), {
    async put(path: string, content: Uint8Array, options?: { signal?: AbortSignal }) {
      await first(options?.signal)
      await inner.put(path, content)
    },
    async get(path: string) {
      await first()
      return inner.get(path)
    },
    putIfAbsent: inner.putIfAbsent.bind(inner),
  })
}

t.test('retrying blob store - waits longer each time, up to a bound, and says so', async (t) => {
  const times: number[] = []
  const inner = storeWith(async () => {
    times.push(clock.monotonic())
    if (times.length < 7) throw failure()
  })
  const { clock, entries, store } = setup(inner, { attemptsMax: 7, backoffMs: 100, backoffMsMax: 800 })
  await runVirtually(clock, store.put('a', bytes('x')))
  const waits = times.slice(1).map((timeMs, i) => timeMs - times[i]!)
  const bounds = [100, 200, 400, 800, 800, 800]
  for (const [i, wait] of waits.entries())
    t.ok(wait >= bounds[i]! / 2 && wait <= bounds[i]!, `wait ${i}: ${wait} ms`)
  t.equal(store.retries, 6)
  t.match(entries[0], { level: 'warn', fields: { what: 'put', path: 'a', attempt: 1 } })
})

t.test('retrying blob store - ends with the last error after so many attempts', async (t) => {
  let count = 0
  const { clock, store } = setup(
    storeWith(async () => {
      count++
      throw new SluiceError('STORAGE_FAILED', `attempt ${count}`)
    }),
    { attemptsMax: 4 },
  )
  await t.rejects(runVirtually(clock, store.put('a', bytes('x'))), {
    code: 'STORAGE_FAILED',
    message: 'attempt 4',
  })
  t.equal(count, 4)
})

t.test('retrying blob store - R1: what a retry cannot mend is not retried', async (t) => {
  for (const code of ['STORAGE_UNUSABLE', 'CHECKPOINT_DAMAGED', 'BLOB_NOT_FOUND'] as const) {
    const inner = storeWith(async () => {
      throw new SluiceError(code, 'ordered')
    })
    const { store } = setup(inner)
    await t.rejects(store.get('a'), { code })
    t.equal(store.retries, 0)
  }
  const bug = new TypeError('a bug')
  const { store } = setup(storeWith(() => Promise.reject(bug)))
  await t.rejects(store.put('a', bytes('')), bug)
})

t.test('retrying blob store - the time of a call is bounded, also when nobody answers', async (t) => {
  let signal: AbortSignal | undefined
  const silent = storeWith((given) => {
    signal = given
    return new Promise(() => {})
  })
  const { clock, store } = setup(silent, { totalMsMax: 5000 })
  const tooLate = { code: 'STORAGE_FAILED', message: /"a": memory: has not answered within 5000 ms/ }
  await t.rejects(runVirtually(clock, store.put('a', bytes('x'))), tooLate)
  t.equal(clock.monotonic(), 5000)
  t.equal(signal?.aborted, true, 'the attempt is told')
  await t.rejects(runVirtually(clock, store.get('a')), tooLate)

  const failing = setup(
    storeWith(() => Promise.reject(failure())),
    { totalMsMax: 1000, attemptsMax: 1000 },
  )
  await t.rejects(runVirtually(failing.clock, failing.store.put('a', bytes('x'))), /ordered/)
  t.ok(failing.clock.monotonic() <= 1000)
  t.equal(failing.clock.timerCount, 0)
})

t.test('retrying blob store - the caller can give up while it waits and while it tries', async (t) => {
  const reason = new Error('the checkpoint was abandoned')
  const failing = setup(storeWith(() => Promise.reject(failure())))
  const waiting = new AbortController()
  const put = failing.store.put('a', bytes('x'), { signal: waiting.signal })
  await failing.clock.settle()
  waiting.abort(reason)
  await t.rejects(put, reason)
  t.equal(failing.clock.timerCount, 0)

  const silent = setup(storeWith(() => new Promise(() => {})))
  const trying = new AbortController()
  const second = silent.store.put('a', bytes('x'), { signal: trying.signal })
  trying.abort(reason)
  await t.rejects(second, reason)
  t.equal(silent.clock.timerCount, 0)
})

t.test('retrying blob store - R2: who was first is found out when the answer was lost', async (t) => {
  const inner = new MemoryBlobStore(systemClock)
  let isLost = true
  const lossy = Object.assign(Object.create(inner), {
    async putIfAbsent(path: string, content: Uint8Array) {
      const isFirst = await inner.putIfAbsent(path, content)
      if (!isLost) return isFirst
      isLost = false
      throw failure()
    },
    get: inner.get.bind(inner),
  })
  const { clock, store } = setup(lossy)
  t.equal(await runVirtually(clock, store.putIfAbsent('a', bytes('mine'))), true, 'ours took effect')
  isLost = true
  t.equal(await runVirtually(clock, store.putIfAbsent('a', bytes('other'))), false, 'it is not ours')
  isLost = false
  t.equal(
    await runVirtually(clock, store.putIfAbsent('a', bytes('mine'))),
    false,
    'without a failure there is no doubt',
  )
  t.equal(text(await inner.get('a')), 'mine')
})

t.test('retrying blob store - offers ranges when the store inside does', async (t) => {
  const inner = new MemoryBlobStore(systemClock)
  await inner.put('a', bytes('0123456789'))
  const { store } = setup(inner)
  t.equal(text((await store.getRange?.('a', 2, 3)) ?? bytes('')), '234')
  t.equal(setup(new ChecksummedBlobStore(inner)).store.getRange, undefined)
})
