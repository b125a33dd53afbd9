/** What every key-value store must do, as tests: V1 to V4 of key-value.ts. */
import type { Test } from 'tap'
import { type KeyValue, VALUE_BYTES_MAX } from '../../lib/ha/key-value.ts'

export interface KeyValueFixture {
  /** One more handle on the same store, as another process would have. */
  open(): Promise<KeyValue>
}

export function keyValueContract(
  t: Test,
  name: string,
  factory: (t: Test) => Promise<KeyValueFixture>,
): void {
  const bytes = (text: string) => new TextEncoder().encode(text)
  const textOf = (entry: { value: Uint8Array } | null) => entry && new TextDecoder().decode(entry.value)

  t.test(`${name} - what is written is read, by whoever asks`, async (t) => {
    const { open } = await factory(t)
    const [one, other] = [await open(), await open()]
    t.equal(await one.get('leader'), null)
    const first = await one.create('leader', bytes('a'))
    t.match(await other.get('leader'), { key: 'leader', revision: first })
    const second = await other.update('leader', bytes('b'), first!)
    t.ok(second! > first!, 'revisions grow')
    t.equal(textOf(await one.get('leader')), 'b')
    t.equal((await one.get('leader'))!.revision, second)
  })

  t.test(`${name} - a write that names an old revision changes nothing`, async (t) => {
    const { open } = await factory(t)
    const store = await open()
    const first = await store.create('k', bytes('a'))
    t.equal(await store.create('k', bytes('x')), null)
    const second = await store.update('k', bytes('b'), first!)
    t.equal(await store.update('k', bytes('x'), first!), null)
    t.equal(await store.update('absent', bytes('x'), 1), null)
    t.equal(await store.delete('k', first!), false)
    t.equal(textOf(await store.get('k')), 'b')
    t.equal(await store.delete('k', second!), true)
    t.equal(await store.get('k'), null)
    t.equal(await store.delete('k', second!), false)
    t.equal(await store.update('k', bytes('x'), second!), null, 'nor does one that names a deleted one')
  })

  t.test(`${name} - a key that is made again has a new revision`, async (t) => {
    const { open } = await factory(t)
    const store = await open()
    const first = await store.create('k', bytes('a'))
    await store.delete('k', first!)
    const again = await store.create('k', bytes('a'))
    t.ok(again! > first!)
    t.equal(await store.update('k', bytes('x'), first!), null)
  })

  t.test(`${name} - of many writers at once one succeeds`, async (t) => {
    const { open } = await factory(t)
    const stores = await Promise.all(Array.from({ length: 8 }, open))
    const created = await Promise.all(stores.map((store, i) => store.create('k', bytes(`${i}`))))
    t.equal(created.filter((revision) => revision !== null).length, 1)
    for (let round = 0; round < 5; round++) {
      const { revision } = (await stores[0]!.get('k'))!
      const updated = await Promise.all(
        stores.map((store, i) => store.update('k', bytes(`${round} ${i}`), revision)),
      )
      const winner = updated.findIndex((each) => each !== null)
      t.equal(updated.filter((each) => each !== null).length, 1)
      t.equal(textOf(await stores[7]!.get('k')), `${round} ${winner}`)
    }
  })

  t.test(`${name} - lists a folder, by key, and nothing beside it`, async (t) => {
    const { open } = await factory(t)
    const store = await open()
    t.same(await store.list('jobs'), [])
    for (const key of ['jobs.b', 'jobs.a', 'jobs', 'jobsx.c', 'other.a']) await store.create(key, bytes(key))
    const { revision } = (await store.get('jobs.b'))!
    await store.update('jobs.b', bytes('new'), revision)
    const entries = await store.list('jobs')
    t.same(
      entries.map((entry) => [entry.key, textOf(entry)]),
      [
        ['jobs.a', 'jobs.a'],
        ['jobs.b', 'new'],
      ],
    )
    t.same(entries[1], await store.get('jobs.b'))
  })

  t.test(`${name} - empty and large values, and what is no key or too large`, async (t) => {
    const { open } = await factory(t)
    const store = await open()
    await store.create('empty', new Uint8Array())
    t.equal((await store.get('empty'))!.value.length, 0)
    const large = new Uint8Array(VALUE_BYTES_MAX).map((_, i) => i)
    await store.create('large', large)
    t.strictSame(Buffer.from((await store.get('large'))!.value), Buffer.from(large))
    const tooLarge = new Uint8Array(VALUE_BYTES_MAX + 1)
    await t.rejects(store.create('more', tooLarge), {
      code: 'STORAGE_UNUSABLE',
      message: /at most 524288 bytes/,
    })
    for (const key of ['', 'a b', '*', 'a.>', 'a..b', '.a', 'x'.repeat(65)]) {
      await t.rejects(store.create(key, large), { code: 'STORAGE_UNUSABLE' }, JSON.stringify(key))
      await t.rejects(store.get(key), { code: 'STORAGE_UNUSABLE' })
    }
  })
}
