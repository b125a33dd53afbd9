import t from 'tap'
import { systemClock } from '../../../lib/base/clock.ts'
import { SeededRandom } from '../../../lib/base/prng.ts'
import { MemoryKeyValueStore, MemoryKeyValues } from '../../../lib/ha/memory-key-value-store.ts'
import { FaultyKeyValueStore } from '../../../lib/testing/faulty-key-value-store.ts'
import { ManualClock } from '../../../lib/testing/manual-clock.ts'
import { keyValueContract } from '../../contracts/key-value-contract.ts'
import { runVirtually } from '../../support/virtual-time.ts'

keyValueContract(t, 'faulty key-value store without faults', async () => {
  const shared = new MemoryKeyValues()
  const faults = { clock: systemClock, random: new SeededRandom(1), delayMsMax: 0 }
  return { open: async () => new FaultyKeyValueStore(new MemoryKeyValueStore(shared), faults) }
})

/** What became of each of 300 updates: what was answered, and whether it is there once things are calm. */
async function outcomes(seed: number): Promise<string[]> {
  const clock = new ManualClock()
  const inner = new MemoryKeyValueStore()
  const faults = { clock, random: new SeededRandom(seed), lossRate: 0.2, duplicateRate: 0.3, timeoutMs: 500 }
  const store = new FaultyKeyValueStore(inner, faults)
  const found: string[] = []
  let revision = (await inner.create('k', Uint8Array.of(0)))!
  for (let i = 1; i <= 300; i++) {
    const update = store.update('k', Uint8Array.of(i & 255), revision).then(
      (revision) => (revision === undefined ? 'refused' : 'acknowledged'),
      (error) => error.code,
    )
    const said = await runVirtually(clock, update)
    await clock.advance(1000)
    const now = (await inner.get('k'))!
    found.push(`${said}${now.revision === revision ? ', not there' : ', there'}`)
    revision = now.revision
  }
  return found
}

t.test(
  'faulty key-value store - loses requests and answers, and repeats requests, by the seed',
  async (t) => {
    const found = await outcomes(1)
    t.same([...new Set(found)].sort(), [
      'STORAGE_FAILED, not there',
      'STORAGE_FAILED, there',
      'acknowledged, there',
      'refused, there',
    ])
    t.same(await outcomes(1), found, 'the same again')
    t.notSame(await outcomes(2), found, 'another seed')
  },
)
