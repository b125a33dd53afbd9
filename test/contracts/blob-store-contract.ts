/**
 * What every blob store must do, as tests: B1 to B4 of blob-store.ts and the rest of the interface. An
 * implementation passes a factory, which makes one empty storage per test and any number of handles on it.
 */
import type { Test } from 'tap'
import type { BlobStore } from '../../lib/storage/blob-store.ts'
import { checkpointContract } from './checkpoint-contract.ts'

export interface BlobFixture {
  /** One more handle on the same storage, as another process would have. */
  open(): Promise<BlobStore>
}

export type BlobStoreFactory = (t: Test) => Promise<BlobFixture>

export interface BlobContractOptions {
  /** Size of the large blobs; choose one that the store takes apart. Default 2 MB. */
  readonly largeBytes?: number
  /** For wrappers that hide it. Default true. */
  readonly hasRange?: boolean
}

interface Area {
  readonly name: string
  readonly factory: BlobStoreFactory
  readonly largeBytes: number
}

export function blobStoreContract(
  t: Test,
  name: string,
  factory: BlobStoreFactory,
  { largeBytes = 2_000_000, hasRange = true }: BlobContractOptions = {},
): void {
  const area = { name, factory, largeBytes }
  readingAndWriting(t, area)
  sizes(t, area)
  paths(t, area)
  listing(t, area)
  deleting(t, area)
  beingFirst(t, area)
  atomicity(t, area)
  givingUp(t, area)
  housekeeping(t, area)
  if (hasRange) ranges(t, area)
  checkpointContract(t, name, factory)
}

export const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
export const text = (content: Uint8Array): string => new TextDecoder().decode(content)

/** Every byte depends on its place, so that swapped, lost and repeated pieces show. */
export function pattern(length: number, seed = 1): Uint8Array {
  const content = new Uint8Array(length)
  let state = seed
  for (let i = 0; i < length; i++) {
    state = (Math.imul(state, 1103515245) + 12345) | 0
    content[i] = state >>> 16
  }
  return content
}

function isSame(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0
}

function readingAndWriting(t: Test, { name, factory }: Area): void {
  t.test(`${name} - what was put is there for everybody, and replaced by the next put`, async (t) => {
    const { open } = await factory(t)
    const [a, b] = [await open(), await open()]
    await a.put('jobs/j-1/bundle.mjs', bytes('first'))
    t.equal(text(await b.get('jobs/j-1/bundle.mjs')), 'first')
    await b.put('jobs/j-1/bundle.mjs', bytes('and second'))
    t.equal(text(await a.get('jobs/j-1/bundle.mjs')), 'and second')
  })

  t.test(`${name} - what get gives is the caller's, and what put took stays the caller's`, async (t) => {
    const { open } = await factory(t)
    const store = await open()
    const content = Buffer.from('content')
    await store.put('a', content)
    content.fill(0)
    const first = await store.get('a')
    t.equal(text(first), 'content')
    first.fill(0)
    t.equal(text(await store.get('a')), 'content')
  })

  t.test(`${name} - a blob that is not there is an error that names it`, async (t) => {
    const { open } = await factory(t)
    const store = await open()
    await t.rejects(store.get('a/missing'), { code: 'BLOB_NOT_FOUND', message: /a\/missing/ })
    await store.put('a/other', bytes('x'))
    await t.rejects(store.get('a/missing'), { code: 'BLOB_NOT_FOUND' })
    await t.rejects(store.get('a'), { code: 'BLOB_NOT_FOUND' }, 'a folder is no blob')
  })
}

function sizes(t: Test, { name, factory, largeBytes }: Area): void {
  t.test(
    `${name} - nothing, a byte, windows of larger buffers and large blobs come back as they were`,
    async (t) => {
      const { open } = await factory(t)
      const store = await open()
      const large = pattern(largeBytes + 7)
      const contents = [new Uint8Array(0), bytes('x'), large.subarray(3, 1000), large]
      for (const content of contents) {
        await store.put('sizes/blob', content)
        const found = await store.get('sizes/blob')
        t.equal(found.length, content.length)
        t.ok(isSame(found, content), `${content.length} bytes`)
      }
    },
  )

  t.test(`${name} - pieces are put together, also where none fits a chunk`, async (t) => {
    const { open } = await factory(t)
    const store = await open()
    const whole = pattern(largeBytes + 11)
    const cuts = [0, 0, 1, 1000, 65_537, largeBytes >> 1, largeBytes, whole.length]
    const pieces = cuts.slice(1).map((end, i) => whole.subarray(cuts[i], end))
    await store.put('pieces', pieces)
    t.ok(isSame(await store.get('pieces'), whole))
    await store.put('pieces', [])
    t.equal((await store.get('pieces')).length, 0)
    t.equal(await store.putIfAbsent('other', pieces), true)
    t.ok(isSame(await store.get('other'), whole))
  })
}

function paths(t: Test, { name, factory }: Area): void {
  t.test(`${name} - paths that are none are refused, by whatever call`, async (t) => {
    const { open } = await factory(t)
    const store = await open()
    const bad = [
      '',
      '/a',
      'a/',
      'a//b',
      '..',
      'a/../b',
      './a',
      '.a',
      'a/.b',
      'a b',
      'a\\b',
      'ä',
      'a\0',
      'x'.repeat(600),
    ]
    for (const path of [...bad, `${'y'.repeat(200)}/a`]) {
      const refused = { code: 'STORAGE_UNUSABLE', message: /expected a blob path/ }
      await t.rejects(store.put(path, bytes('x')), refused, `put ${JSON.stringify(path)}`)
      await t.rejects(store.putIfAbsent(path, bytes('x')), refused)
      await t.rejects(store.get(path), refused)
      await t.rejects(store.delete(path), refused)
      if (path !== '' && path !== 'a/') await t.rejects(store.list(path), refused)
    }
    t.same(await store.list(''), [])
  })

  t.test(`${name} - paths of any depth and length within the bounds work`, async (t) => {
    const { open } = await factory(t)
    const store = await open()
    const long = `${'d'.repeat(128)}/`.repeat(3) + 'f'.repeat(125)
    const good = ['a/b-c_1.d', '0', 'A', 'a/B/c/D/e/F/g', '-x', '_', 'a..b', long]
    for (const path of good) await store.put(path, bytes(path))
    for (const path of good) t.equal(text(await store.get(path)), path)
    t.same(
      (await store.list('')).map(({ path }) => path),
      [...good].sort(),
    )
  })
}

function listing(t: Test, { name, factory }: Area): void {
  t.test(`${name} - lists by the beginning of the path, in order, with sizes and times`, async (t) => {
    const { open } = await factory(t)
    const [a, b] = [await open(), await open()]
    const beforeMs = Date.now()
    const all = [
      'job-1/chk-1/meta',
      'job-1/chk-10/meta',
      'job-1/chk-2/meta',
      'job-1/chk-2/s',
      'job-10/x',
      'top',
    ]
    for (const [i, path] of [...all].reverse().entries()) await a.put(path, pattern(i))
    const paths = async (prefix: string) => (await b.list(prefix)).map(({ path }) => path)
    t.same(await paths(''), all)
    t.same(await paths('job-1/chk-1'), all.slice(0, 2))
    t.same(await paths('job-1/chk-1/'), all.slice(0, 1))
    t.same(await paths('job-1/'), all.slice(0, 4))
    t.same(await paths('job-1'), all.slice(0, 5))
    t.same(await paths('top'), ['top'])
    t.same(await paths('none'), [])
    t.same(await paths('none/'), [])
    const [entry] = await b.list('job-1/chk-1/meta')
    t.equal(entry?.byteLength, 5)
    const modifiedMs = entry?.modifiedMs ?? 0
    t.ok(modifiedMs >= beforeMs - 2000 && modifiedMs <= Date.now() + 2000, `modified at ${modifiedMs}`)
  })

  t.test(`${name} - lists what stays while other blobs come and go`, async (t) => {
    const { open } = await factory(t)
    const [a, b] = [await open(), await open()]
    const stay = Array.from({ length: 12 }, (_, i) => `d${i % 3}/stay-${i}`).sort()
    for (const path of stay) await a.put(path, bytes('x'))
    let isDone = false
    const churn = async () => {
      for (let i = 0; !isDone; i++) {
        await a.put(`d${i % 3}/go/${i}`, bytes('x'))
        await a.put(stay[i % stay.length]!, bytes('y'))
        await a.delete(`d${i % 3}/go/${i}`)
      }
    }
    const churning = churn()
    for (let i = 0; i < 5; i++) {
      const found = (await b.list('')).map(({ path }) => path).filter((path) => path.includes('stay'))
      t.same(found, stay)
    }
    isDone = true
    await churning
  })
}

function deleting(t: Test, { name, factory }: Area): void {
  t.test(`${name} - deletes, again and what is not there as well`, async (t) => {
    const { open } = await factory(t)
    const [a, b] = [await open(), await open()]
    await a.put('x/y/one', bytes('1'))
    await a.put('x/y/two', bytes('2'))
    await b.delete('x/y/one')
    await a.delete('x/y/one')
    await a.delete('x/nothing/here')
    await t.rejects(a.get('x/y/one'), { code: 'BLOB_NOT_FOUND' })
    t.equal(text(await a.get('x/y/two')), '2')
    await a.delete('x/y/two')
    t.same(await b.list(''), [])
    await b.put('x', bytes('a folder that is empty is none'))
    t.equal(text(await a.get('x')), 'a folder that is empty is none')
  })

  t.test(`${name} - deleting in a folder does not disturb who writes into it`, async (t) => {
    const { open } = await factory(t)
    const [a, b] = [await open(), await open()]
    for (let i = 0; i < 10; i++) {
      await a.put(`f/g/old-${i}`, bytes('old'))
      await Promise.all([a.delete(`f/g/old-${i}`), b.put(`f/g/h/new-${i}`, bytes('new'))])
      t.equal(text(await a.get(`f/g/h/new-${i}`)), 'new')
      await b.delete(`f/g/h/new-${i}`)
    }
  })
}

function beingFirst(t: Test, { name, factory }: Area): void {
  t.test(`${name} - of those who put if absent at once, one is first, and its content stays`, async (t) => {
    const { open } = await factory(t)
    const stores = [await open(), await open(), await open()]
    for (let round = 0; round < 3; round++) {
      const path = `first/round-${round}`
      const callers = Array.from({ length: 5 }, (_, i) => `caller ${i}`)
      const answers = await Promise.all(
        callers.map((caller, i) => stores[i % stores.length]!.putIfAbsent(path, bytes(caller))),
      )
      const winners = callers.filter((_, i) => answers[i])
      t.equal(winners.length, 1, `round ${round}`)
      t.equal(text(await stores[round % stores.length]!.get(path)), winners[0])
    }
  })

  t.test(`${name} - nobody is first where a blob is; after its deletion somebody is`, async (t) => {
    const { open } = await factory(t)
    const [a, b] = [await open(), await open()]
    await a.put('lock', bytes('put'))
    t.equal(await b.putIfAbsent('lock', bytes('late')), false)
    t.equal(text(await b.get('lock')), 'put')
    await a.delete('lock')
    t.equal(await b.putIfAbsent('lock', bytes('again')), true)
    t.equal(await a.putIfAbsent('lock', bytes('too late')), false)
    t.equal(text(await a.get('lock')), 'again')
    t.same(
      (await a.list('')).map(({ path }) => path),
      ['lock'],
      'nothing else is left',
    )
  })
}

function atomicity(t: Test, { name, factory, largeBytes }: Area): void {
  t.test(`${name} - readers see whole blobs while several writers replace them`, async (t) => {
    const { open } = await factory(t)
    const stores = [await open(), await open(), await open(), await open()]
    const size = Math.ceil(largeBytes / 3)
    const versions = Array.from({ length: 6 }, (_, i) => new Uint8Array(size + i).fill(i))
    await stores[0]!.put('live', versions[0]!)
    let isDone = false
    const write = async (store: BlobStore, own: readonly Uint8Array[]) => {
      for (let round = 0; round < 3; round++) for (const version of own) await store.put('live', version)
    }
    const read = async (store: BlobStore) => {
      let count = 0
      while (!isDone || count === 0) {
        const found = await store.get('live')
        const version = versions[found[0]!]!
        if (!isSame(found, version)) t.fail(`a blob of ${found.length} bytes that nobody wrote`)
        count++
      }
    }
    const reading = [read(stores[2]!), read(stores[3]!)]
    await Promise.all([write(stores[0]!, versions.slice(0, 3)), write(stores[1]!, versions.slice(3))])
    isDone = true
    await Promise.all(reading)
    t.same((await stores[0]!.list('')).length, 1)
  })

  t.test(`${name} - who reads while the blob is deleted gets all of it or nothing`, async (t) => {
    const { open } = await factory(t)
    const [a, b] = [await open(), await open()]
    const content = pattern(largeBytes)
    for (let round = 0; round < 3; round++) {
      await a.put('gone', content)
      const reading = b.get('gone').then(
        (found) => isSame(found, content),
        (error) => error.code === 'BLOB_NOT_FOUND',
      )
      const [isRight] = await Promise.all([reading, a.delete('gone')])
      t.ok(isRight, `round ${round}`)
    }
  })
}

function givingUp(t: Test, { name, factory, largeBytes }: Area): void {
  t.test(
    `${name} - a put that is given up rejects with the reason and leaves the old blob or the new`,
    async (t) => {
      const { open } = await factory(t)
      const store = await open()
      const reason = new Error('the checkpoint was abandoned')
      const aborted = AbortSignal.abort(reason)
      await t.rejects(store.put('new', bytes('x'), { signal: aborted }), reason)
      await t.rejects(store.putIfAbsent('new', bytes('x'), { signal: aborted }), reason)
      t.same(await store.list(''), [])

      const [old, next] = [pattern(largeBytes, 2), pattern(largeBytes, 3)]
      await store.put('blob', old)
      for (const turns of [0, 1, 3, 10]) {
        const controller = new AbortController()
        const putting = store.put('blob', next, { signal: controller.signal }).catch((error) => error)
        for (let i = 0; i < turns; i++) await new Promise((resolve) => setImmediate(resolve))
        controller.abort(reason)
        const error = await putting
        t.ok(error === undefined || error === reason, `after ${turns} turns`)
        const found = await store.get('blob')
        t.ok(isSame(found, next) || (error === reason && isSame(found, old)))
      }
      t.equal((await store.list('')).length, 1)
    },
  )
}

function housekeeping(t: Test, { name, factory }: Area): void {
  t.test(`${name} - check passes and leaves nothing behind`, async (t) => {
    const { open } = await factory(t)
    const store = await open()
    await store.put('mine', bytes('x'))
    await Promise.all([store.check(), store.check()])
    t.same(
      (await store.list('')).map(({ path }) => path),
      ['mine'],
    )
  })

  t.test(`${name} - counts what it did`, async (t) => {
    const { open } = await factory(t)
    const store = await open()
    const before = { ...store.stats }
    await store.put('count', bytes('12345'))
    await store.putIfAbsent('count', bytes('1234567'))
    await store.get('count')
    await store.list('')
    await store.delete('count')
    const did = (key: keyof typeof before) => store.stats[key] - before[key]
    t.same([did('puts'), did('gets'), did('lists'), did('deletes')], [2, 1, 1, 1])
    t.ok(did('bytesWritten') >= 5 && did('bytesWritten') < 30, 'a refused put writes nothing')
    t.ok(did('bytesRead') >= 5 && did('bytesRead') < 30)
  })

  t.test(`${name} - nothing works after close, and close works twice`, async (t) => {
    const { open } = await factory(t)
    const store = await open()
    await store.put('a', bytes('x'))
    await store.close()
    await store.close()
    await t.rejects(store.get('a'), { code: 'STORAGE_UNUSABLE', message: /closed/ })
    await t.rejects(store.put('a', bytes('y')), { code: 'STORAGE_UNUSABLE' })
    await t.rejects(store.list(''), { code: 'STORAGE_UNUSABLE' })
    t.equal(text(await (await open()).get('a')), 'x', 'others go on')
  })
}

function ranges(t: Test, { name, factory, largeBytes }: Area): void {
  t.test(`${name} - parts of a blob, short where it ends, empty behind its end`, async (t) => {
    const { open } = await factory(t)
    const store = await open()
    const content = pattern(largeBytes)
    await store.put('range', content)
    const cases: [offset: number, length: number][] = [
      [0, 10],
      [largeBytes >> 1, 70_000],
      [largeBytes - 5, 5],
      [largeBytes - 5, 100],
      [largeBytes, 1],
      [largeBytes + 10, 10],
      [17, 0],
      [0, largeBytes],
    ]
    const range = (path: string, offset: number, length: number) => {
      if (store.getRange === undefined) throw new Error('a store with ranges')
      return store.getRange(path, offset, length)
    }
    for (const [offset, length] of cases) {
      const found = await range('range', offset, length)
      t.ok(isSame(found, content.subarray(offset, offset + length)), `${length} from ${offset}`)
    }
    await t.rejects(range('missing', 0, 10), { code: 'BLOB_NOT_FOUND' })
    await t.rejects(range('missing', 0, 0), { code: 'BLOB_NOT_FOUND' })
  })
}
