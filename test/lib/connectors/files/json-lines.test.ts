/** JSON lines: values JSON has no word for, what is read generously and what is refused. */
import fc from 'fast-check'
import t from 'tap'
import type { FileFormat } from '../../../../lib/connectors/files/file-format.ts'
import { jsonLines } from '../../../../lib/connectors/files/json-lines.ts'
import { jsonReader, toJsonText } from '../../../../lib/connectors/files/json-value.ts'
import { lines } from '../../../../lib/connectors/files/lines.ts'
import { t as type } from '../../../../lib/types/t.ts'
import type { Type } from '../../../../lib/types/type.ts'
import { runs } from '../../types/schema-arbitrary.ts'

function read<T>(format: FileFormat<T>, text: string): T[] {
  const decoder = format.newDecoder(null)
  const records: T[] = []
  decoder.begin(text, true)
  while (decoder.read()) if (!decoder.isBlank) records.push(decoder.value)
  return records
}

t.test('json lines - one value a line, empty lines are none', async (t) => {
  t.same(read(jsonLines(), '{"a":1}\r\n\n[2]\n  \n"x"'), [{ a: 1 }, [2], 'x'])
  t.throws(() => read(jsonLines(), '{"a":\n'), { name: 'MalformedRecord', message: /JSON.*, in "{\\"a\\":"/ })
})

t.test('json - what JSON has no word for', async (t) => {
  t.equal(
    toJsonText({ n: 1n, m: new Map([['k', 2n]]), i: Number.NEGATIVE_INFINITY }),
    '{"n":"1","m":{"k":"2"},"i":"-Infinity"}',
  )
  t.equal(toJsonText(new Map([[1, 'a']])), '[[1,"a"]]')
  t.equal(toJsonText([Uint8Array.of(1, 2), Buffer.from('x'), new Set([1])]), '["AQI=","eA==",[1]]')
  t.equal(toJsonText({ a: undefined, at: new Date(0) }), '{"at":"1970-01-01T00:00:00.000Z"}')
  t.throws(() => toJsonText(undefined), { message: 'expected a value with a JSON form, found undefined' })
  const plain = { a: [1, { b: 'c' }] }
  toJsonText(plain)
  t.same(plain, { a: [1, { b: 'c' }] }, 'the record is left as it is')
})

t.test('json - generous where the meaning is clear, strict elsewhere', async (t) => {
  const from = (of: Type<unknown>, json: unknown) => jsonReader(of)(json)
  const refused = (of: Type<unknown>, json: unknown, message: string) =>
    t.throws(() => from(of, json), { code: 'TYPE_MISMATCH', message })
  t.equal(from(type.timestamp, '2024-01-01T00:00:00Z'), Date.UTC(2024, 0, 1))
  t.equal(from(type.timestamp, 5), 5)
  refused(type.timestamp, '2024', "value: expected timestamp (ms or ISO 8601), found string '2024'")
  t.equal(from(type.bigint, 5), 5n)
  t.equal(from(type.bigint, '+12345678901234567890'), 12345678901234567890n)
  refused(type.bigint, 1.5, 'value: expected bigint (an integer, or digits in a string), found number 1.5')
  t.equal(from(type.float64, 'Infinity'), Number.POSITIVE_INFINITY)
  refused(type.float64, '1', "value: expected float64, found string '1'")
  refused(type.int32, 1.5, 'value: expected int32, found number 1.5')
  refused(type.bytes, 'é', "value: expected bytes (base64), found string 'é'")
  refused(
    type.list(type.tuple(type.int32, type.string)),
    [
      [1, 'a'],
      [2, 3],
    ],
    '[1][1]: expected string, found number 3',
  )
  refused(type.map(type.string, type.int32), { a: 'b' }, "{value}: expected int32, found string 'b'")
  refused(
    type.map(type.int32, type.int32),
    [[1]],
    'value: expected a map (an object, or a list of pairs), found a list of 1',
  )
  const shape = type.object({
    id: type.int32,
    note: type.optional(type.string),
    level: type.defaulted(type.int32, 3),
    of: type.nullable(type.string),
  })
  t.same(from(shape, { id: 1, note: null, of: null, more: true }), {
    id: 1,
    note: undefined,
    level: 3,
    of: null,
  })
  t.same(
    Object.keys(from(shape, { of: 'x', id: 1 }) as object),
    ['id', 'note', 'level', 'of'],
    'declaration order',
  )
  refused(shape, { id: 1 }, 'of: expected string, found undefined')
  const event = type.union('kind', { a: type.object({ x: type.int32 }), b: type.object({ y: type.string }) })
  t.same(from(event, { kind: 'b', y: 'q', x: 1 }), { kind: 'b', y: 'q' })
  refused(event, { kind: 'c' }, "kind: expected 'a' | 'b', found string 'c'")
  refused(event, [], "kind: expected 'a' | 'b', found undefined")
  t.throws(() => jsonLines(type.object({ a: type.list(type.avro('string')) })), { code: 'UNSUPPORTED' })
})

t.test('json - what is written is read back', async (t) => {
  const all = type.object({
    text: type.string,
    real: type.float64,
    huge: type.bigint,
    bytes: type.bytes,
    maybe: type.optional(type.timestamp),
    pairs: type.map(type.int32, type.list(type.float64)),
    names: type.map(type.string, type.nullable(type.bigint)),
    tuple: type.tuple(type.boolean, type.literal('x', 'y')),
    kind: type.union('k', { a: type.object({ v: type.bytes }), b: type.object({}) }),
    fallback: type.defaulted(type.list(type.int32), [1]),
  })
  const record = fc.record({
    text: fc.string({ unit: fc.constantFrom('a', '"', '\n', '\ud800', '€', '\u2028') }),
    real: fc.double().map((value) => value + 0),
    huge: fc.bigInt(),
    bytes: fc.uint8Array({ maxLength: 5 }).map((bytes) => new Uint8Array(bytes)),
    maybe: fc.option(fc.maxSafeInteger(), { nil: undefined }),
    pairs: fc
      .array(
        fc.tuple(
          fc.integer(),
          fc.array(
            fc.double().map((value) => value + 0),
            { maxLength: 3 },
          ),
        ),
        { maxLength: 3 },
      )
      .map((e) => new Map(e)),
    names: fc
      .array(fc.tuple(fc.oneof(fc.string(), fc.constant('__proto__')), fc.option(fc.bigInt())), {
        maxLength: 3,
      })
      .map((e) => new Map(e)),
    tuple: fc.tuple(fc.boolean(), fc.constantFrom('x' as const, 'y' as const)),
    kind: fc.oneof(
      fc.uint8Array({ maxLength: 3 }).map((v) => ({ k: 'a' as const, v: new Uint8Array(v) })),
      fc.constant({ k: 'b' as const }),
    ),
    fallback: fc.array(fc.integer(), { maxLength: 2 }),
  })
  fc.assert(
    fc.property(fc.array(record, { maxLength: 4 }), (records) => {
      const format = jsonLines(all)
      const encoder = format.newEncoder()
      t.same(read(format, records.map((each) => `${encoder.encode(each as never)}\n`).join('')), records)
    }),
    runs(150),
  )
})

t.test('lines - strings are written as they are', async (t) => {
  const encoder = lines().newEncoder()
  t.equal(encoder.encode('a\tb'), 'a\tb')
  t.equal(encoder.header, null)
})
