/**
 * What every bus must do, as tests. An implementation passes a factory; it makes a fresh set of connected buses
 * per test. Only what the contract in bus.ts promises on an undisturbed connection is tested here.
 */
import type { Test } from 'tap'
import type { Bus, BusMessage } from '../../lib/bus/bus.ts'

export interface BusFixture {
  /** One more bus on the same network. */
  connect(options?: { requestsPendingMax?: number }): Promise<Bus>
  /** Waits for a promise of a bus; under virtual time, makes time pass meanwhile. */
  run<T>(promise: Promise<T>): Promise<T>
}

export type BusFactory = (t: Test) => Promise<BusFixture>

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
const text = (message: BusMessage): string => new TextDecoder().decode(message.payload)

interface Area {
  readonly name: string
  readonly factory: BusFactory
}

export function busContract(t: Test, name: string, factory: BusFactory): void {
  const area = { name, factory }
  publishing(t, area)
  subscribing(t, area)
  subscribingInTime(t, area)
  requesting(t, area)
  requestingInVain(t, area)
  limits(t, area)
  closing(t, area)
}

/** Collects what arrives until there are `count`. */
function collect(bus: Bus, subject: string, count: number): Promise<BusMessage[]> {
  return new Promise((resolve) => {
    const received: BusMessage[] = []
    bus.subscribe(subject, (message) => {
      received.push(message)
      if (received.length === count) resolve(received)
    })
  })
}

function publishing(t: Test, { name, factory }: Area): void {
  t.test(`${name} - per publisher and subject, messages arrive in order`, async (t) => {
    const { connect, run } = await factory(t)
    const [a, b, c] = [await connect(), await connect(), await connect()]
    const all = collect(c, 'order.*', 2000)
    await run(c.flush())
    for (let i = 0; i < 1000; i++) {
      a.publish('order.a', bytes(String(i)))
      b.publish('order.b', bytes(String(i)))
    }
    const received = await run(all)
    const expected = Array.from({ length: 1000 }, (_, i) => String(i))
    t.same(received.filter((m) => m.subject === 'order.a').map(text), expected)
    t.same(received.filter((m) => m.subject === 'order.b').map(text), expected)
  })

  t.test(`${name} - bytes arrive as they were, empty ones and windows of larger buffers too`, async (t) => {
    const { connect, run } = await factory(t)
    const [a, b] = [await connect(), await connect()]
    const all = collect(b, 'bytes', 3)
    await run(b.flush())
    const large = Uint8Array.from({ length: 256 }, (_, i) => i)
    a.publish('bytes', large)
    a.publish('bytes', large.subarray(10, 13))
    a.publish('bytes', new Uint8Array(0))
    const received = (await run(all)).map((message) => [...message.payload])
    t.same(received, [[...large], [10, 11, 12], []])
    t.equal(large.length, 256, 'the publisher still has its buffer')
  })

  t.test(`${name} - a handler is not called from within publish`, async (t) => {
    const { connect, run } = await factory(t)
    const a = await connect()
    let isPublishing = false
    const done = new Promise<boolean>((resolve) => a.subscribe('turn', () => resolve(isPublishing)))
    await run(a.flush())
    isPublishing = true
    a.publish('turn', bytes(''))
    isPublishing = false
    t.equal(await run(done), false)
  })

  t.test(`${name} - counters count both ways`, async (t) => {
    const { connect, run } = await factory(t)
    const [a, b] = [await connect(), await connect()]
    const all = collect(b, 'count', 2)
    await run(b.flush())
    a.publish('count', bytes('123'))
    a.publish('count', bytes('4567'))
    await run(all)
    t.match(a.stats, { published: 2, bytesOut: 7, delivered: 0, dropped: 0 })
    t.match(b.stats, { published: 0, delivered: 2, bytesIn: 7, dropped: 0 })
  })
}

function subscribing(t: Test, { name, factory }: Area): void {
  t.test(`${name} - wildcards match one token and the rest`, async (t) => {
    const { connect, run } = await factory(t)
    const [a, b] = [await connect(), await connect()]
    const seen: string[] = []
    for (const pattern of ['w.x', 'w.*', '*.x', 'w.>', '>', 'w.*.z']) {
      b.subscribe(pattern, (message) => seen.push(`${pattern} ${message.subject}`))
    }
    const last = collect(b, 'end', 1)
    await run(b.flush())
    for (const subject of ['w.x', 'w', 'w.y.z', 'v.x', 'end']) a.publish(subject, bytes(''))
    await run(last)
    t.same(seen.filter((line) => !line.endsWith(' end')).sort(), [
      '*.x v.x',
      '*.x w.x',
      '> v.x',
      '> w',
      '> w.x',
      '> w.y.z',
      'w.* w.x',
      'w.*.z w.y.z',
      'w.> w.x',
      'w.> w.y.z',
      'w.x w.x',
    ])
  })

  t.test(`${name} - every subscriber gets every message`, async (t) => {
    const { connect, run } = await factory(t)
    const [a, b, c] = [await connect(), await connect(), await connect()]
    const all = [collect(a, 'all', 1), collect(b, 'all', 1), collect(b, 'all', 1), collect(c, 'all', 1)]
    await run(Promise.all([a.flush(), b.flush(), c.flush()]))
    a.publish('all', bytes('x'))
    t.same((await run(Promise.all(all))).flat().map(text), ['x', 'x', 'x', 'x'])
  })
}

function subscribingInTime(t: Test, { name, factory }: Area): void {
  t.test(`${name} - what was published before subscribing is not seen`, async (t) => {
    const { connect, run } = await factory(t)
    const a = await connect()
    a.publish('late', bytes('before'))
    const next = collect(a, 'late', 1)
    await run(a.flush())
    a.publish('late', bytes('after'))
    t.same((await run(next)).map(text), ['after'])
  })

  t.test(`${name} - after unsubscribe nothing arrives`, async (t) => {
    const { connect, run } = await factory(t)
    const a = await connect()
    const seen: string[] = []
    const subscription = a.subscribe('gone', (message) => seen.push(text(message)))
    const first = collect(a, 'gone', 1)
    await run(a.flush())
    a.publish('gone', bytes('1'))
    await run(first)
    a.publish('gone', bytes('2'))
    subscription.unsubscribe()
    subscription.unsubscribe()
    a.publish('gone', bytes('3'))
    const end = collect(a, 'end', 1)
    await run(a.flush())
    a.publish('end', bytes(''))
    await run(end)
    t.same(seen, ['1'])
  })

  t.test(`${name} - a handler that throws costs nobody a message`, async (t) => {
    const { connect, run } = await factory(t)
    const [a, b] = [await connect(), await connect()]
    b.subscribe('bad.*', () => {
      throw new Error('handler')
    })
    const good = collect(b, 'bad.*', 2)
    await run(b.flush())
    a.publish('bad.1', bytes('1'))
    a.publish('bad.2', bytes('2'))
    t.same((await run(good)).map(text), ['1', '2'])
  })
}

function requesting(t: Test, { name, factory }: Area): void {
  t.test(`${name} - a request gets the first answer`, async (t) => {
    const { connect, run } = await factory(t)
    const [a, b] = [await connect(), await connect()]
    const responded: boolean[] = []
    b.subscribe('echo', (message) => {
      responded.push(message.respond(bytes(`${text(message)}!`)), message.respond(bytes('second')))
    })
    await run(b.flush())
    t.equal(text(await run(a.request('echo', bytes('hi'), 5000))), 'hi!')
    t.same(responded, [true, true])
    t.equal(text(await run(a.request('echo', bytes('again'), 5000))), 'again!')
  })

  t.test(`${name} - answering a message that asks for nothing does nothing`, async (t) => {
    const { connect, run } = await factory(t)
    const a = await connect()
    const all = collect(a, 'plain', 1)
    await run(a.flush())
    a.publish('plain', bytes(''))
    const message = (await run(all))[0]!
    t.equal(message.replyTo, undefined)
    t.equal(message.respond(bytes('')), false)
  })

  t.test(`${name} - publish carries a reply subject`, async (t) => {
    const { connect, run } = await factory(t)
    const [a, b] = [await connect(), await connect()]
    b.subscribe('question', (message) => message.respond(bytes('answer')))
    const answers = collect(a, 'my.answers', 1)
    await run(Promise.all([a.flush(), b.flush()]))
    a.publish('question', bytes(''), 'my.answers')
    t.same((await run(answers)).map(text), ['answer'])
  })
}

function requestingInVain(t: Test, { name, factory }: Area): void {
  t.test(`${name} - a request nobody listens to fails at once`, async (t) => {
    const { connect, run } = await factory(t)
    const [a, b] = [await connect(), await connect()]
    const long = 60_000
    await t.rejects(run(a.request('nobody', bytes(''), long)), { code: 'NO_RESPONDERS', message: /nobody/ })
    const subscription = b.subscribe('nobody', () => {})
    await run(b.flush())
    subscription.unsubscribe()
    await run(b.flush())
    await t.rejects(
      run(a.request('nobody', bytes(''), long)),
      { code: 'NO_RESPONDERS' },
      'nor after unsubscribe',
    )
  })

  t.test(`${name} - a request that is not answered times out, and a late answer is ignored`, async (t) => {
    const { connect, run } = await factory(t)
    const [a, b] = [await connect(), await connect()]
    const asked = collect(b, 'slow', 1)
    await run(b.flush())
    await t.rejects(run(a.request('slow', bytes(''), 30)), { code: 'TIMEOUT', message: /slow within 30 ms/ })
    b.subscribe('echo', (message) => message.respond(message.payload))
    await run(b.flush())
    const late = (await run(asked))[0]!
    late.respond(bytes('late'))
    t.equal(text(await run(a.request('echo', bytes('next'), 5000))), 'next')
  })

  t.test(`${name} - many requests at once get their own answers`, async (t) => {
    const { connect, run } = await factory(t)
    const [a, b] = [await connect(), await connect()]
    const held: BusMessage[] = []
    b.subscribe('many', (message) => {
      held.push(message)
      if (held.length === 1000) for (const each of held.reverse()) each.respond(each.payload)
    })
    await run(b.flush())
    const numbers = Array.from({ length: 1000 }, (_, i) => String(i))
    const answers = await run(Promise.all(numbers.map((n) => a.request('many', bytes(n), 20_000))))
    t.same(answers.map(text), numbers)
  })
}

function limits(t: Test, { name, factory }: Area): void {
  t.test(`${name} - requests beyond the bound fail at once and do not disturb the others`, async (t) => {
    const { connect, run } = await factory(t)
    const [a, b] = [await connect({ requestsPendingMax: 3 }), await connect()]
    const asked = collect(b, 'bound', 3)
    await run(b.flush())
    const pending = ['1', '2', '3'].map((n) => a.request('bound', bytes(n), 20_000))
    await t.rejects(a.request('bound', bytes('4'), 20_000), { code: 'BUS_OVERLOADED' })
    for (const message of await run(asked)) message.respond(message.payload)
    t.same((await run(Promise.all(pending))).map(text), ['1', '2', '3'])
    const again = a.request('nobody', bytes(''), 20_000)
    await t.rejects(run(again), { code: 'NO_RESPONDERS' }, 'there is room again')
  })

  t.test(
    `${name} - a payload of the greatest size arrives, a greater one is refused with both sizes`,
    async (t) => {
      const { connect, run } = await factory(t)
      const [a, b] = [await connect(), await connect()]
      const max = a.payloadBytesMax
      t.ok(max > 0 && max === b.payloadBytesMax)
      const all = collect(b, 'large', 1)
      await run(b.flush())
      const tooLarge = { code: 'PAYLOAD_TOO_LARGE', message: new RegExp(`large.*\\(${max + 1} bytes\\)`) }
      t.throws(() => a.publish('large', new Uint8Array(max + 1)), tooLarge)
      await t.rejects(a.request('large', new Uint8Array(max + 1), 1000), tooLarge)
      const payload = new Uint8Array(max)
      payload[max - 1] = 7
      a.publish('large', payload)
      const received = (await run(all))[0]!.payload
      t.equal(received.length, max)
      t.equal(received[max - 1], 7)
    },
  )
}

function closing(t: Test, { name, factory }: Area): void {
  t.test(`${name} - close fails what is pending and is final`, async (t) => {
    const { connect, run } = await factory(t)
    const [a, b] = [await connect(), await connect()]
    const statuses: string[] = []
    a.onStatus((status) => statuses.push(status))
    const asked = collect(b, 'never', 1)
    await run(b.flush())
    const pending = t.rejects(a.request('never', bytes(''), 60_000), { code: 'BUS_CLOSED' })
    await run(asked)
    await run(a.close())
    await pending
    await run(a.close())
    t.same(statuses, ['closed'])
    a.publish('never', bytes(''))
    t.equal(a.stats.dropped, 1, 'what is published later is counted as dropped')
    t.throws(() => a.subscribe('never', () => {}), { code: 'BUS_CLOSED' })
    await t.rejects(run(a.request('never', bytes(''), 1000)), { code: 'BUS_CLOSED' })
    await t.rejects(run(a.flush()), { code: 'BUS_CLOSED' })
  })

  t.test(
    `${name} - close ends the subscriptions, and what was published before it still arrives`,
    async (t) => {
      const { connect, run } = await factory(t)
      const [a, b, c] = [await connect(), await connect(), await connect()]
      a.subscribe('mine', () => {})
      const all = collect(b, 'last.words', 1)
      await run(Promise.all([a.flush(), b.flush()]))
      a.publish('last.words', bytes('bye'))
      await run(a.close())
      t.same((await run(all)).map(text), ['bye'])
      await t.rejects(run(c.request('mine', bytes(''), 60_000)), { code: 'NO_RESPONDERS' })
    },
  )

  t.test(`${name} - a status listener that was removed hears nothing`, async (t) => {
    const { connect, run } = await factory(t)
    const a = await connect()
    const statuses: string[] = []
    const remove = a.onStatus((status) => statuses.push(status))
    remove()
    await run(a.close())
    t.same(statuses, [])
  })
}
