import { closeSync, existsSync, fstatSync, openSync, readdirSync, writeSync } from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { systemClock } from '../../../lib/base/clock.ts'
import { toToken } from '../../../lib/base/ids.ts'
import { LevelStore } from '../../../lib/storage/level-store.ts'
import {
  openCopies,
  openWorkingState,
  removeLeftOverCopies,
  removeLeftOverState,
} from '../../../lib/storage/state-directory.ts'
import { MemoryKeyValueStore } from '../../../lib/testing/memory-key-value-store.ts'
import { testKeyValueStore } from '../../contracts/key-value-store-contract.ts'

const OPTIONS = { blockCacheBytes: 2 ** 20, writeBufferBytes: 2 ** 16 }
let count = 0
const directory = t.testdir()

testKeyValueStore('LevelDB', () => LevelStore.open(join(directory, `${count++}`), OPTIONS))
testKeyValueStore('memory', async () => new MemoryKeyValueStore('soon'))

t.test('working state - has a directory of the process, and leaves none', async (t) => {
  const root = join(t.testdir(), 'state')
  const [first, second] = [await openWorkingState(root, 2 ** 20), await openWorkingState(root, 2 ** 20)]
  const [own] = readdirSync(root)
  t.equal(own, `${toToken(hostname())}-${process.pid}`)
  t.equal(readdirSync(join(root, own!)).length, 2)
  await first.close()
  t.equal(readdirSync(join(root, own!)).length, 1)
  await second.close()
  t.same(readdirSync(root), [])
})

t.test(
  'working state - what dead processes of this host have left is removed, and nothing else',
  async (t) => {
    const host = toToken(hostname())
    // No process has a number as large as this.
    const dead = `${host}-999999999`
    const others = [`${host}-${process.pid}`, 'elsewhere-1', `${host}-notes`]
    const root = t.testdir(
      Object.fromEntries([dead, ...others].map((name) => [name, { store: { file: 'x' } }])),
    )
    await removeLeftOverState(root)
    t.same(readdirSync(root).sort(), [...others].sort())
    await removeLeftOverState(join(root, 'absent'))
  },
)

t.test('working state - copies are in a directory of the slot, and go with the thread', async (t) => {
  const root = join(t.testdir(), 'state')
  const content = new Uint8Array([1, 2, 3])
  const [first, other] = [openCopies(root, 1, systemClock), openCopies(root, 12, systemClock)]
  for (const store of [first, other]) await store.put('job/shared/a', content)
  const [own] = readdirSync(root)
  t.equal(readdirSync(join(root, own!)).length, 2)
  await removeLeftOverCopies(root, 1)
  await t.rejects(first.get('job/shared/a'), { code: 'BLOB_NOT_FOUND' })
  t.same(await other.get('job/shared/a'), content)
  const again = openCopies(root, 1, systemClock)
  await again.put('job/shared/b', content)
  await first.close()
  t.same(await again.get('job/shared/b'), content, 'one that is closed late takes nothing along')
  for (const store of [again, other]) await store.close()
  t.same(readdirSync(root), [])
})

t.test('working state - a place that cannot be used is refused by name', async (t) => {
  const root = t.testdir({ file: 'not a directory' })
  await t.rejects(openWorkingState(join(root, 'file'), 2 ** 20), {
    code: 'STORAGE_UNUSABLE',
    message: /no state can be kept in .*file.*set state.directory/,
  })
})

/** In place: LevelDB has mapped the files into memory. */
function damageTables(location: string): void {
  for (const name of readdirSync(location).filter((each) => each.endsWith('.ldb'))) {
    try {
      const file = openSync(join(location, name), 'r+')
      writeSync(file, Buffer.alloc(fstatSync(file).size, 0xff))
      closeSync(file)
    } catch {
      // It was there a moment ago, and has been put into another.
    }
  }
}

t.test('LevelDB - what is damaged is told, with its path', async (t) => {
  const location = join(t.testdir(), 'store')
  const store = await LevelStore.open(location, OPTIONS)
  const value = Buffer.alloc(1000, 'x')
  for (let i = 0; i < 300; i++) {
    await new Promise<void>((resolve, reject) => {
      const write = { type: 'put', key: Buffer.from(`key ${i % 100}`), value } as const
      store.write([write], (error) => (error === null ? resolve() : reject(error)))
    })
  }
  const scanAll = () => {
    const scan = store.scan({ from: Buffer.from('key'), to: Buffer.from('kez') }, 1000)
    while (scan.next().length > 0);
  }
  let error: unknown = null
  // LevelDB may be putting tables together into others meanwhile: until none is left that is whole.
  for (let round = 0; round < 100 && error === null; round++) {
    damageTables(location)
    try {
      scanAll()
    } catch (thrown) {
      error = thrown
    }
  }
  t.match(error, {
    code: 'STORAGE_FAILED',
    message: new RegExp(`keyed state in ${location} cannot be read`),
  })
  await store.close()
  t.notOk(existsSync(location))
})
