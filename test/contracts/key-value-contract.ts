/**
 * What every key-value store must do, as tests: K1 and K2 of key-value-store.ts and the rest of the interface. An
 * implementation passes a factory, which makes one empty storage per test and any number of handles on it.
 */
import type { Test } from 'tap'
import { type KeyValueStore, VALUE_BYTES_MAX } from '../../lib/ha/key-value-store.ts'

export interface KeyValueFixture {
  /** One more handle on the same storage, as another process would have. */
  open(): Promise<KeyValueStore>
}

export type KeyValueFactory = (t: Test) => Promise<KeyValueFixture>

interface Area {
  readonly name: string
  readonly factory: KeyValueFactory
}

export function keyValueContract(t: Test, name: string, factory: KeyValueFactory): void {
  const area = { name, factory }
  writing(t, area)
  comparing(t, area)
  deleting(t, area)
  listing(t, area)
  watching(t, area)
  limits(t, area)
}

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
const text = (value: Uint8Array | undefined): string | undefined => value && new TextDecoder().decode(value)

function writing(t: Test, { name, factory }: Area): void {
  t.test(`${name} - what one handle creates and updates the others read`, async (t) => {
    const { open } = await factory(t)
    const [a, b] = [await open(), await open()]
    t.equal(await b.get('jobs.j-1'), undefined)
    const first = await a.create('jobs.j-1', bytes('one'))
    t.equal(typeof first, 'number')
    t.same(await b.get('jobs.j-1'), { value: bytes('one'), revision: first })
    const second = await b.update('jobs.j-1', bytes('two'), first!)
    t.ok(second! > first!)
    const found = await a.get('jobs.j-1')
    t.equal(text(found?.value), 'two')
    t.equal(found?.revision, second)
  })

  t.test(`${name} - any bytes, none, and memory of one's own`, async (t) => {
    const { open } = await factory(t)
    const store = await open()
    const all = Uint8Array.from({ length: 256 }, (_, i) => i)
    const given = Buffer.from(all)
    await store.create('all', given)
    given.fill(0)
    const found = await store.get('all')
    t.same(found?.value, all)
    found?.value.fill(0)
    t.same((await store.get('all'))?.value, all)
    await store.create('none', new Uint8Array(0))
    t.equal((await store.get('none'))?.value.length, 0)
  })
}

function comparing(t: Test, { name, factory }: Area): void {
  t.test(`${name} - what exists is not created again`, async (t) => {
    const { open } = await factory(t)
    const [a, b] = [await open(), await open()]
    const first = await a.create('k', bytes('1'))
    t.equal(await b.create('k', bytes('2')), undefined)
    t.same(await a.get('k'), { value: bytes('1'), revision: first })
  })

  t.test(`${name} - an update needs the current revision`, async (t) => {
    const { open } = await factory(t)
    const store = await open()
    const first = await store.create('k', bytes('1'))
    const second = await store.update('k', bytes('2'), first!)
    t.equal(await store.update('k', bytes('3'), first!), undefined, 'one that has passed')
    t.equal(await store.update('k', bytes('3'), second! + 1), undefined, 'one that has not been')
    t.equal(await store.update('k', bytes('3'), 0), undefined)
    t.equal(await store.update('missing', bytes('3'), 1), undefined, 'and a key')
    t.equal(text((await store.get('k'))?.value), '2')
    t.equal(await store.get('missing'), undefined)
  })

  t.test(`${name} - K1: of those who write at once one is let through`, async (t) => {
    const { open } = await factory(t)
    const stores = [await open(), await open(), await open()]
    const write = (attempt: (store: KeyValueStore, i: number) => Promise<number | undefined>) =>
      Promise.all(Array.from({ length: 9 }, (_, i) => attempt(stores[i % 3]!, i)))
    const winnerOf = (answers: readonly (number | undefined)[]) => {
      t.equal(answers.filter((revision) => revision !== undefined).length, 1)
      return answers.findIndex((revision) => revision !== undefined)
    }
    let winner = winnerOf(await write((store, i) => store.create('k', bytes(`create ${i}`))))
    t.equal(text((await stores[0]!.get('k'))?.value), `create ${winner}`)
    for (let round = 0; round < 5; round++) {
      const { revision } = (await stores[0]!.get('k'))!
      winner = winnerOf(await write((store, i) => store.update('k', bytes(`${round} ${i}`), revision)))
      t.equal(text((await stores[1]!.get('k'))?.value), `${round} ${winner}`)
    }
  })
}

function deleting(t: Test, { name, factory }: Area): void {
  t.test(`${name} - deletes what is there, once, and with the right revision only`, async (t) => {
    const { open } = await factory(t)
    const [a, b] = [await open(), await open()]
    t.equal(await a.delete('k'), false)
    t.equal(await a.delete('k', 1), false)
    const first = await a.create('k', bytes('1'))
    const second = await a.update('k', bytes('2'), first!)
    t.equal(await b.delete('k', first), false)
    t.equal(await b.delete('k', second! + 1), false)
    t.equal(text((await a.get('k'))?.value), '2')
    t.equal(await b.delete('k', second), true)
    t.equal(await a.get('k'), undefined)
    t.equal(await a.delete('k'), false)
    t.same(await a.keys(''), [])
  })

  t.test(`${name} - K2: what is created after a deletion has a greater revision`, async (t) => {
    const { open } = await factory(t)
    const store = await open()
    const first = await store.create('k', bytes('1'))
    t.equal(await store.delete('k'), true)
    t.equal(await store.update('k', bytes('2'), first!), undefined, 'a deleted key cannot be updated')
    const again = await store.create('k', bytes('3'))
    t.ok(again! > first!)
    t.equal(await store.create('k', bytes('4')), undefined)
    t.equal(text((await store.get('k'))?.value), '3')
  })
}

function listing(t: Test, { name, factory }: Area): void {
  t.test(`${name} - keys by the beginning of their text, in order`, async (t) => {
    const { open } = await factory(t)
    const [a, b] = [await open(), await open()]
    t.same(await a.keys(''), [])
    t.same(await a.keys('jobs.'), [])
    const keys = ['jobs.1.chk', 'jobs.1.state', 'jobs.10.state', 'jobs.2', 'leader', 'leaders']
    for (const key of [...keys].reverse()) await a.create(key, bytes(key))
    t.same(await b.keys(''), keys)
    t.same(await b.keys('jobs.'), keys.slice(0, 4))
    t.same(await b.keys('jobs.1'), keys.slice(0, 3))
    t.same(await b.keys('jobs.1.'), keys.slice(0, 2))
    t.same(await b.keys('leader'), keys.slice(4))
    t.same(await b.keys('none'), [])
    for (const key of keys) await b.delete(key)
    t.same(await a.keys(''), [])
  })
}

/** What a watch tells, as text; waits until it has told something. */
function record(store: KeyValueStore, prefix: string) {
  const told: string[] = []
  let wake = () => {}
  const subscription = store.watch(prefix, (key, entry) => {
    told.push(`${key}=${text(entry?.value) ?? 'deleted'}`)
    wake()
  })
  const until = async (line: string) => {
    while (!told.includes(line)) {
      await new Promise<void>((resolve) => {
        wake = resolve
      })
    }
  }
  return { told, until, subscription }
}

function watching(t: Test, { name, factory }: Area): void {
  t.test(`${name} - a watch tells what is there, then what changes`, async (t) => {
    const { open } = await factory(t)
    const [a, b] = [await open(), await open()]
    await a.create('jobs.1', bytes('old'))
    await a.create('other', bytes('x'))
    const { told, until } = record(b, 'jobs.')
    await until('jobs.1=old')
    const { revision } = (await a.get('jobs.1'))!
    await a.update('jobs.1', bytes('new'), revision)
    await a.create('jobs.2', bytes('born'))
    await a.create('others', bytes('y'))
    await a.delete('jobs.1')
    await a.create('jobs.3', bytes('last'))
    await until('jobs.3=last')
    t.same(told, ['jobs.1=old', 'jobs.1=new', 'jobs.2=born', 'jobs.1=deleted', 'jobs.3=last'])
  })

  t.test(`${name} - a watch that ended tells nothing, the others go on`, async (t) => {
    const { open } = await factory(t)
    const [a, b] = [await open(), await open()]
    const first = record(a, '')
    const second = record(b, '')
    await a.create('k', bytes('1'))
    await Promise.all([first.until('k=1'), second.until('k=1')])
    first.subscription.unsubscribe()
    first.subscription.unsubscribe()
    await b.create('l', bytes('2'))
    await second.until('l=2')
    t.same(first.told, ['k=1'])
    await b.close()
    await a.create('m', bytes('3'))
    const third = record(a, '')
    await third.until('m=3')
    t.same(second.told, ['k=1', 'l=2'], 'closing the store ends its watches')
  })

  t.test(`${name} - a listener is not called from within watch`, async (t) => {
    const { open } = await factory(t)
    const store = await open()
    await store.create('k', bytes('1'))
    let isWatching = true
    const wasWatching = new Promise<boolean>((resolve) => store.watch('', () => resolve(isWatching)))
    isWatching = false
    t.equal(await wasWatching, false)
  })
}

function limits(t: Test, { name, factory }: Area): void {
  t.test(`${name} - keys that are none and values that are no small facts are refused`, async (t) => {
    const { open } = await factory(t)
    const store = await open()
    const refused = { code: 'STORAGE_UNUSABLE', message: /expected a key/ }
    for (const key of ['', '.', 'a.', '.a', 'a..b', 'a b', 'a/b', 'a*', '>', 'ä', 'x'.repeat(201)]) {
      await t.rejects(store.get(key), refused, JSON.stringify(key))
      await t.rejects(store.create(key, bytes('')), refused)
      await t.rejects(store.update(key, bytes(''), 1), refused)
      await t.rejects(store.delete(key), refused)
      if (key !== '' && key !== 'a.') await t.rejects(store.keys(key), refused)
      if (key !== '' && key !== 'a.') t.throws(() => store.watch(key, () => {}), refused)
    }
    const large = { code: 'PAYLOAD_TOO_LARGE', message: /"large".*262145/ }
    await t.rejects(store.create('large', new Uint8Array(VALUE_BYTES_MAX + 1)), large)
    t.ok(await store.create('large', new Uint8Array(VALUE_BYTES_MAX)))
  })

  t.test(`${name} - nothing works after close, and close works twice`, async (t) => {
    const { open } = await factory(t)
    const store = await open()
    await store.create('k', bytes('1'))
    await store.close()
    await store.close()
    const closed = { code: 'STORAGE_UNUSABLE', message: /closed/ }
    await t.rejects(store.get('k'), closed)
    await t.rejects(store.create('l', bytes('')), closed)
    await t.rejects(store.keys(''), closed)
    t.throws(() => store.watch('', () => {}), closed)
    t.equal(text((await (await open()).get('k'))?.value), '1')
  })
}
