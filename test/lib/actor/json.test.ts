/** What a person with the `nats` command line sees. */
import t from 'tap'
import { handling } from '../../../lib/actor/behavior.ts'
import { SluiceError } from '../../../lib/base/errors.ts'
import { virtualNetwork } from './virtual-system.ts'

type Shop = {
  list: { request: object; reply: readonly string[] }
  price: { request: { item: string }; reply: unknown }
}

async function shop() {
  const network = virtualNetwork()
  const handlers = handling<Shop>({
    list: (_, sender) => sender.reply(['tea', 'cake']),
    price: ({ item }, sender) => {
      if (item === 'all')
        sender.reply({
          map: new Map([['tea', 2n]]),
          set: new Set([1]),
          bytes: new Uint8Array([255]),
          huge: 2n ** 70n,
        })
      else sender.fail(new SluiceError('BLOB_NOT_FOUND', `no ${item} here`, { details: { item } }))
    },
  })
  network.system.spawn('shop', handlers)
  const request = async (subject: string, text: string) => {
    const answer = await network.run(network.outside.request(subject, new TextEncoder().encode(text), 1000))
    return JSON.parse(new TextDecoder().decode(answer.payload))
  }
  return { ...network, request }
}

t.test('json - an empty request and one in JSON are answered in JSON', async (t) => {
  const { request } = await shop()
  t.same(await request('shop.list', ''), { value: ['tea', 'cake'] })
  t.same(await request('shop.list', '{}'), { value: ['tea', 'cake'] })
})

t.test('json - errors are records with code, message and details', async (t) => {
  const { request } = await shop()
  t.match(await request('shop.price', '{"item":"rum"}'), {
    error: { code: 'BLOB_NOT_FOUND', message: 'no rum here', details: { item: 'rum' } },
  })
  t.match(await request('shop.price', '{"item":'), { error: { code: 'DECODE_FAILED' } })
  t.match(await request('shop.open', '{}'), { error: { code: 'UNSUPPORTED' } })
})

t.test('json - values JSON does not have become the nearest it has', async (t) => {
  const { request } = await shop()
  t.same(await request('shop.price', '{"item":"all"}'), {
    value: { map: { tea: 2 }, set: [1], bytes: '/w==', huge: String(2n ** 70n) },
  })
})

t.test(
  'json - the kind is the subject\u2019s, whatever the fields say, and prototypes are left alone',
  async (t) => {
    const { request } = await shop()
    t.same(await request('shop.list', '{"kind":"price","__proto__":{"item":"rum"}}'), {
      value: ['tea', 'cake'],
    })
    t.equal(({} as { item?: string }).item, undefined)
  },
)

t.test('json - two can tell each other apart: between actors it is MessagePack', async (t) => {
  const { system, run, broker } = await shop()
  const first: number[] = []
  broker.connect().subscribe('shop.*', ({ payload }) => first.push(payload[0]!))
  t.same(await run(system.ask(system.ref<Shop>('shop'), { kind: 'list' }, 1000)), ['tea', 'cake'])
  t.not(first[0], '{'.charCodeAt(0))
})
