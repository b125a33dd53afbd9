import t from 'tap'
import { systemClock } from '../../../lib/base/clock.ts'
import { SeededRandom } from '../../../lib/base/prng.ts'
import { MemoryBlobStore } from '../../../lib/storage/memory-blob-store.ts'
import { FaultyBlobStore } from '../../../lib/testing/faulty-blob-store.ts'
import { ManualClock } from '../../../lib/testing/manual-clock.ts'
import { blobStoreContract, bytes } from '../../contracts/blob-store-contract.ts'
import { runVirtually } from '../../support/virtual-time.ts'

blobStoreContract(
  t,
  'faulty blob store without faults',
  async () => {
    const blobs = new Map()
    const faults = { clock: systemClock, random: new SeededRandom(1) }
    return { open: async () => new FaultyBlobStore(new MemoryBlobStore(systemClock, blobs), faults) }
  },
  { hasRange: false, largeBytes: 200_000 },
)

/** What became of each of 200 puts: whether it said so, and whether it is there. */
async function outcomes(
  seed: number,
  faults: { failureRate?: number; lostAckRate?: number; delayMsMax?: number },
) {
  const clock = new ManualClock()
  const inner = new MemoryBlobStore(clock)
  const store = new FaultyBlobStore(inner, { clock, random: new SeededRandom(seed), ...faults })
  const found: string[] = []
  for (let i = 0; i < 200; i++) {
    const put = store.put(`b${i}`, bytes('x')).then(
      () => 'acknowledged',
      (error) => error.code,
    )
    const said = await runVirtually(clock, put)
    const isThere = (await inner.list(`b${i}`)).some(({ path }) => path === `b${i}`)
    found.push(`${said}${isThere ? ', there' : ', not there'}`)
  }
  return { found, elapsedMs: clock.monotonic() }
}

t.test('faulty blob store - fails before and after the effect, by the seed', async (t) => {
  const { found } = await outcomes(1, { failureRate: 0.3, lostAckRate: 0.3 })
  t.same([...new Set(found)].sort(), [
    'STORAGE_FAILED, not there',
    'STORAGE_FAILED, there',
    'acknowledged, there',
  ])
  t.same((await outcomes(1, { failureRate: 0.3, lostAckRate: 0.3 })).found, found, 'the same again')
  t.notSame((await outcomes(2, { failureRate: 0.3, lostAckRate: 0.3 })).found, found, 'another seed')
})

t.test('faulty blob store - delays up to the bound', async (t) => {
  const { elapsedMs } = await outcomes(1, { delayMsMax: 100 })
  t.ok(elapsedMs > 200 * 30 && elapsedMs < 200 * 70, `${elapsedMs} ms for 200 puts`)
})
