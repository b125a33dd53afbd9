/** What every {@link KeyValueStore} has to do, K1 to K4. */
import t, { type Test } from 'tap'
import type { KeyValueStore, StoreScan, StoreWrite } from '../../lib/storage/key-value-store.ts'

const bytes = (text: string): Uint8Array => Buffer.from(text, 'latin1')
const text = (value: Uint8Array | undefined): string | undefined =>
  value === undefined ? undefined : Buffer.from(value).toString('latin1')
const put = (key: string, value: string): StoreWrite => ({
  type: 'put',
  key: bytes(key),
  value: bytes(value),
})
const del = (key: string): StoreWrite => ({ type: 'del', key: bytes(key) })
const range = (from: string, to: string) => ({ from: bytes(from), to: bytes(to) })

function write(store: KeyValueStore, ...batch: StoreWrite[]): Promise<void> {
  return new Promise((resolve, reject) => {
    store.write(batch, (error) => (error === null ? resolve() : reject(error)))
  })
}

function getMany(
  store: KeyValueStore,
  keys: readonly string[],
): Promise<readonly (Uint8Array | undefined)[]> {
  return new Promise((resolve, reject) => {
    store.getMany(keys.map(bytes), (error, rows) => (error === null ? resolve(rows) : reject(error)))
  })
}

function rowsOf(scan: StoreScan): string[] {
  const rows: string[] = []
  for (let page = scan.next(); page.length > 0; page = scan.next()) {
    for (const [key, value] of page) rows.push(`${text(key)}=${text(value)}`)
  }
  scan.close()
  return rows
}

/** `open` gives an empty store. */
export function testKeyValueStore(name: string, open: () => Promise<KeyValueStore>): void {
  const test = (what: string, body: (t: Test, store: KeyValueStore) => Promise<void>) => {
    t.test(`${name} - ${what}`, async (t) => {
      const store = await open()
      try {
        await body(t, store)
      } finally {
        await store.close()
      }
    })
  }

  test('what has been written is there until it is deleted', async (t, store) => {
    t.equal(store.get(bytes('a')), undefined)
    await write(store, put('a', '1'), put('b', ''))
    t.equal(text(store.get(bytes('a'))), '1')
    t.equal(text(store.get(bytes('b'))), '', 'an empty value is a value')
    t.same((await getMany(store, ['b', 'x', 'a'])).map(text), ['', undefined, '1'])
    await write(store, del('a'), del('absent'), put('b', '2'))
    t.equal(store.get(bytes('a')), undefined)
    t.equal(text(store.get(bytes('b'))), '2')
  })

  test('rows are scanned byte by byte in order, page by page', async (t, store) => {
    await write(
      store,
      ...['b', '\xff', 'a\x00', 'a', '\x00', 'ab', 'b\xff'].map((key) => put(key, key.length.toString())),
    )
    t.same(rowsOf(store.scan(range('a', 'b\xff'), 2)), ['a=1', 'a\x00=2', 'ab=2', 'b=1'])
    t.same(rowsOf(store.scan(range('c', 'd'), 2)), [])
    const scan = store.scan(range('a', '\xff'), 2)
    t.equal(scan.next().length, 2)
    scan.close()
  })

  test('a scan and a snapshot do not see what is written after they were made', async (t, store) => {
    await write(store, put('a', '1'), put('b', '1'))
    const [scan, snapshot] = [store.scan(range('a', 'z'), 1), store.snapshot()]
    await write(store, put('a', '2'), del('b'), put('c', '2'))
    t.equal(text(snapshot.get(bytes('a'))), '1')
    t.equal(text(snapshot.get(bytes('b'))), '1')
    t.equal(snapshot.get(bytes('c')), undefined)
    snapshot.close()
    t.same(rowsOf(scan), ['a=1', 'b=1'])
    t.same(rowsOf(store.scan(range('a', 'z'), 10)), ['a=2', 'c=2'])
  })

  test('several scans at once do not get in each other\u2019s way', async (t, store) => {
    await write(store, ...Array.from({ length: 50 }, (_, i) => put(`k${String(i).padStart(2, '0')}`, `${i}`)))
    const scans = [0, 1, 2].map((i) => store.scan(range(`k${i}0`, 'l'), 7))
    const counts = [0, 0, 0]
    for (let left = true; left; ) {
      left = false
      for (const [i, scan] of scans.entries()) {
        const { length } = scan.next()
        counts[i]! += length
        left ||= length > 0
      }
    }
    for (const scan of scans) scan.close()
    t.same(counts, [50, 40, 30])
  })

  test('a range is cleared, and nothing beside it', async (t, store) => {
    await write(store, put('a', '1'), put('b', '1'), put('c', '1'))
    store.clear(range('b', 'c'))
    // There is no saying when; what is written later does not overtake it for ever.
    for (let i = 0; i < 1000 && store.get(bytes('b')) !== undefined; i++) await write(store, put('d', `${i}`))
    t.equal(store.get(bytes('b')), undefined)
    t.equal(text(store.get(bytes('a'))), '1')
    t.equal(text(store.get(bytes('c'))), '1')
  })

  test('closing twice is closing once', async (t, store) => {
    await write(store, put('a', '1'))
    await Promise.all([store.close(), store.close()])
    t.pass()
  })
}
