/** What options accept, and what they make of it. */
import fc from 'fast-check'
import t from 'tap'
import { bytes, duration, flag, number, oneOf, text } from '../../../lib/config/option.ts'

const place = { hostname: 'host', pid: 7, home: '/home/ann', env: {}, cluster: 'c1' }

t.test('option - text is not empty and fits its pattern', async (t) => {
  const option = text({ fallback: 'x', doc: '' })
  t.equal(option.parse('a'), 'a')
  for (const wrong of ['', 5, true, null, ['a'], {}]) t.equal(option.parse(wrong), undefined)
  const token = text({ fallback: undefined, doc: '', pattern: /^[a-z]+$/, expected: 'small letters' })
  t.equal(token.parse('ab'), 'ab')
  t.equal(token.parse('aB'), undefined)
  t.equal(token.expected, 'small letters')
})

t.test('option - numbers are integers within their bounds, unless fractions are allowed', async (t) => {
  const slots = number({ fallback: 1, min: 1, max: 8, doc: '' })
  for (const value of [1, 8, '3', ' 3 ']) t.equal(slots.parse(value), Number(value))
  for (const wrong of [0, 9, 1.5, '1.5', '', 'x', '3x', Number.NaN, true, null])
    t.equal(slots.parse(wrong), undefined)
  const attempts = number({ fallback: undefined, min: 0, isInteger: false, doc: '' })
  t.equal(attempts.parse('Infinity'), Number.POSITIVE_INFINITY)
  t.equal(attempts.parse('0.5'), 0.5)
  t.equal(attempts.parse(-1), undefined)
  t.equal(slots.expected, 'an integer from 1 to 8')
  t.equal(attempts.expected, 'a number, not negative')
})

t.test('option - flags are said in a few ways, and in no others', async (t) => {
  const option = flag({ fallback: false, doc: '' })
  for (const value of [true, 'true', 'yes', '1']) t.equal(option.parse(value), true)
  for (const value of [false, 'false', 'no', '0']) t.equal(option.parse(value), false)
  for (const wrong of ['', 'on', 'TRUE', 1, 0, null]) t.equal(option.parse(wrong), undefined)
})

t.test('option - durations and sizes: every form of one value is the same value', async (t) => {
  const wait = duration({ fallback: '5s', doc: '' })
  const size = bytes({ fallback: '64mb', doc: '' })
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 1_000_000 }), (count) => {
      const isSame = (values: unknown[]) => new Set(values).size === 1
      return (
        isSame([wait.parse(count), wait.parse(`${count}`), wait.parse(`${count}ms`), count]) &&
        isSame([wait.parse(`${count}s`), wait.parse(`${count * 1000} ms`), count * 1000]) &&
        isSame([size.parse(count), size.parse(`${count}b`), count]) &&
        isSame([size.parse(`${count}kb`), size.parse(count * 1024)])
      )
    }),
  )
  t.equal(wait.defaultValue(place), 5000)
  t.equal(size.defaultValue(place), 64 * 1024 * 1024)
  for (const wrong of ['', '5 weeks', '-1s', null, true, {}]) t.equal(wait.parse(wrong), undefined)
  for (const wrong of ['', '5tb5', 0, -1, null]) t.equal(size.parse(wrong), undefined)
  t.equal(duration({ fallback: '1s', min: '10ms', doc: '' }).parse('9ms'), undefined)
})

t.test('option - a choice is one of the choices, to the letter', async (t) => {
  const option = oneOf(['auto', 'json'], { fallback: 'auto', doc: '' })
  t.equal(option.parse('json'), 'json')
  for (const wrong of ['JSON', '', 'js', 1, null]) t.equal(option.parse(wrong), undefined)
  t.equal(option.expected, 'one of auto, json')
})

t.test('option - what is secret is not shown', async (t) => {
  const option = text({ fallback: undefined, isSecret: true, doc: '' })
  t.notMatch(option.show('s3cret'), 's3cret')
  t.equal(option.show(undefined), '')
})
