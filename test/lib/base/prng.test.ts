import t from 'tap'
import { newId, TOKEN_PATTERN, toToken } from '../../../lib/base/ids.ts'
import { SeededRandom, systemRandom } from '../../../lib/base/prng.ts'

t.test('prng - the same seed gives the same numbers, another seed others', async (t) => {
  const draw = (seed: number) => {
    const random = new SeededRandom(seed)
    return Array.from({ length: 20 }, () => random.nextUint32())
  }
  t.same(draw(1), draw(1))
  t.notSame(draw(1), draw(2))
  t.notSame(draw(1), draw(1 + 2 ** 32), 'the upper half of the seed counts')
})

t.test('prng - numbers are spread evenly within their bounds', async (t) => {
  const random = new SeededRandom(7)
  const counts = new Array<number>(10).fill(0)
  for (let i = 0; i < 100_000; i++) counts[random.nextInt(10)]!++
  t.ok(
    counts.every((count) => Math.abs(count - 10_000) < 500),
    counts.join(' '),
  )
  const floats = Array.from({ length: 1000 }, () => random.nextFloat())
  t.ok(floats.every((float) => float >= 0 && float < 1))
  t.equal(random.nextInt(1), 0)
})

t.test('prng - two processes do not share a sequence', async (t) => {
  t.not(systemRandom().nextUint32(), systemRandom().nextUint32())
})

t.test('ids - are short tokens, reproducible from a seed', async (t) => {
  t.equal(newId(new SeededRandom(3)), newId(new SeededRandom(3)))
  t.not(newId(new SeededRandom(3)), newId(new SeededRandom(4)))
  const random = new SeededRandom(1)
  const ids = Array.from({ length: 1000 }, (_, i) => newId(i % 2 === 0 ? random : undefined))
  t.equal(new Set(ids).size, 1000)
  t.ok(ids.every((id) => TOKEN_PATTERN.test(id) && /^[2-9a-z]{12}$/.test(id)))
})

t.test('ids - any name becomes one subject token', async (t) => {
  const names = ['plain', 'my job.v2 > *', 'ключ', '', '...', 'x'.repeat(100)]
  t.same(names.map(toToken).slice(0, 5), ['plain', 'my-job-v2-', '-', '-', '-'])
  t.ok(names.every((name) => TOKEN_PATTERN.test(toToken(name))))
})
