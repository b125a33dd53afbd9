/** The generator against the vectors that every implementation of the benchmark must meet. */
import { createHash } from 'node:crypto'
import fc from 'fast-check'
import t from 'tap'
import { Draws, mix32, streamStart } from '../../examples/nexmark/draws.ts'
import { NexmarkGenerator } from '../../examples/nexmark/generator.ts'
import type { Event } from '../../examples/nexmark/model.ts'
import { CHANNELS, HOT_CHANNELS, PADDING } from '../../examples/nexmark/tables.ts'

const BASE_TIME = 1_436_918_400_000
const NUMBER_OF_KIND = { person: 0, auction: 1, bid: 2 }

const unsigned = (value: number) => value >>> 0
const urlOf = (path: string, more = '') => `https://www.nexmark.com/${path}/item.htm?query=1${more}`

t.test('nexmark generator - numbers are those of the specification', async (t) => {
  t.same(
    [0, 1, 2, 2 ** 32 - 1].map((x) => unsigned(mix32(x))),
    [0, 114555507, 229111015, 3652544131],
  )
  const starts: [number, number][] = [
    [7, 0],
    [7, 4],
    [0, 0],
    [1, 2 ** 32 + 4],
  ]
  t.same(
    starts.map(([seed, n]) => unsigned(streamStart(seed, n))),
    [3043266960, 253601123, 2512131771, 1384124547],
  )
  const draws = new Draws(streamStart(7, 4))
  t.same(
    Array.from({ length: 5 }, () => draws.next()),
    [671056605, 2449635432, 3545269999, 3874892950, 1073589533],
  )
  const prices = new Draws(1)
  t.same(
    Array.from({ length: 5 }, () => prices.nextPrice()),
    [90611757, 1736973, 1490019, 50974, 4462196],
  )
})

t.test('nexmark generator - integers below a bound are exact', async (t) => {
  const exact = (state: number, k: number) => Number((BigInt(new Draws(state).next()) * BigInt(k)) >> 32n)
  fc.assert(
    fc.property(fc.integer(), fc.integer({ min: 1, max: 2 ** 21 }), (state, k) => {
      return new Draws(state).nextInt(k) === exact(state, k)
    }),
  )
  fc.assert(
    fc.property(fc.integer(), fc.integer({ min: 1, max: 2 ** 32 }), (state, k) => {
      return new Draws(state).nextIntLarge(k) === exact(state, k)
    }),
  )
  t.pass('200 cases')
})

t.test('nexmark generator - tables are those of the specification', async (t) => {
  t.same(
    HOT_CHANNELS.map(({ url }) => url),
    ['fcgt/val/onh', 'zwka/gbai/dyje', 'ftpn/jih/lfc', '__l/vfh/sme'].map((path) => urlOf(path)),
  )
  t.same(CHANNELS[0], { name: 'channel-0', url: urlOf('eiqy/zoyl/fcvf', '&channel_id=0') })
  t.ok(CHANNELS[2]!.url.endsWith('&channel_id=1073741824'))
  t.equal(PADDING.length, 2 ** 20)
  t.ok(PADDING.startsWith('wvapxgeaxdmfwnzfxpcveuqn') && PADDING.endsWith('ubylpyqi'))
})

t.test('nexmark generator - events are those of the specification', async (t) => {
  const generator = new NexmarkGenerator({ seed: 7 })
  t.match(generator.event(0), {
    kind: 'person',
    id: 1000,
    name: 'Anna Fisher',
    emailAddress: 'cyf@wla.com',
    creditCard: '9118 3840 1718 7741',
    city: 'Phoenix',
    state: 'ID',
    dateTime: BASE_TIME,
  })
  t.match(generator.event(1), {
    kind: 'auction',
    id: 1000,
    itemName: 'dmc xj',
    initialBid: 8489,
    reserve: 9549,
    expires: BASE_TIME + 299,
    seller: 1000,
    category: 11,
  })
  t.match(generator.event(5), {
    kind: 'bid',
    auction: 1000,
    bidder: 1008,
    price: 2631,
    channel: 'channel-2594',
    url: /&channel_id=1146093568$/,
  })
})

t.test('nexmark generator - a hundred thousand events have the known digest', async (t) => {
  const generator = new NexmarkGenerator({ seed: 7 })
  const hash = createHash('sha256')
  for (let n = 0; n < 100_000; n++) hash.update(`${describe(generator.event(n), n)}\n`)
  t.equal(hash.digest('hex'), '57943cbfeea598042ad470c45cb9d5302c4f6979ed124b6939e8204f455dbe47')
})

t.test('nexmark generator - events do not depend on those made before', async (t) => {
  const inOrder = new NexmarkGenerator({ seed: 7 })
  const others = new NexmarkGenerator({ seed: 7 })
  const expected = Array.from({ length: 500 }, (_, n) => inOrder.event(n))
  for (let n = 499; n >= 0; n--) t.same(others.event(n), expected[n])
})

t.test('nexmark generator - out-of-order groups are permuted, each in its place', async (t) => {
  const generator = new NexmarkGenerator({ outOfOrderGroupSize: 1000 })
  const numbers = Array.from({ length: 3000 }, (_, position) => generator.numberAt(position))
  t.not(numbers[1], 1)
  for (const group of [0, 1, 2]) {
    const sorted = numbers.slice(group * 1000, group * 1000 + 1000).sort((a, b) => a - b)
    t.same(
      sorted,
      Array.from({ length: 1000 }, (_, i) => group * 1000 + i),
    )
  }
  t.equal(new NexmarkGenerator().numberAt(77), 77)
  t.throws(() => new NexmarkGenerator({ outOfOrderGroupSize: 1906 }), /multiple of 953, found 1906/)
})

/** An event as the specification prints it. */
function describe({ kind, ...fields }: Event, n: number): string {
  return JSON.stringify({ type: NUMBER_OF_KIND[kind], n, ...fields })
}
