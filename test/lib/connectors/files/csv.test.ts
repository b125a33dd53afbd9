/** CSV: what is written is read back, what others write is read as they meant it, and errors say where they are. */
import fc from 'fast-check'
import t from 'tap'
import { type CsvOptions, csv } from '../../../../lib/connectors/files/csv.ts'
import { type FileFormat, MalformedRecord } from '../../../../lib/connectors/files/file-format.ts'
import { t as type } from '../../../../lib/types/t.ts'
import type { Infer, Type } from '../../../../lib/types/type.ts'
import { runs } from '../../types/schema-arbitrary.ts'

const cell = type.object({ a: type.string, b: type.string })

/** The records of a text; a header is its first line. */
function read<T>(format: FileFormat<T>, text: string): T[] {
  const lineEnd = text.indexOf('\n')
  const header = format.hasHeader ? text.slice(0, lineEnd).replace(/\r$/, '') : null
  const decoder = format.newDecoder(header)
  const records: T[] = []
  decoder.begin(format.hasHeader ? text.slice(lineEnd + 1) : text, true)
  while (decoder.read()) if (!decoder.isBlank) records.push(decoder.value)
  return records
}

function write<T>(format: FileFormat<T>, records: readonly T[], lineEnd = '\n'): string {
  const encoder = format.newEncoder()
  const all = [
    ...(encoder.header === null ? [] : [encoder.header]),
    ...records.map((record) => encoder.encode(record)),
  ]
  return all.map((line) => line + lineEnd).join('')
}

const readCells = (text: string, options: CsvOptions = {}) =>
  read(csv(cell, { header: false, ...options }), text).map(({ a, b }) => [a, b])

t.test('csv - cells, quotes, escaped quotes, line ends in quotes, both kinds of line end', async (t) => {
  t.same(readCells('1,2\n3,4\n'), [
    ['1', '2'],
    ['3', '4'],
  ])
  t.same(readCells('"1","2"\r\n"3",4'), [
    ['1', '2'],
    ['3', '4'],
  ])
  t.same(readCells('"a ""b"" c",""\n"x,y","l1\r\nl2\n"\n'), [
    ['a "b" c', ''],
    ['x,y', 'l1\r\nl2\n'],
  ])
  t.same(
    readCells('5" pipe, x "y" \n'),
    [['5" pipe', ' x "y" ']],
    'a quote inside a plain cell is a character',
  )
  t.same(readCells('a,b\n\n\r\nc,d\n\n'), [
    ['a', 'b'],
    ['c', 'd'],
  ])
  t.same(readCells(''), [])
})

t.test('csv - delimiters, and files without quotes', async (t) => {
  t.same(readCells('1;2,5\n"a;b";c', { delimiter: ';' }), [
    ['1', '2,5'],
    ['a;b', 'c'],
  ])
  t.same(readCells('a\t"b\n', { delimiter: '\t', quotes: false }), [['a', '"b']])
  t.ok(csv(cell, { quotes: false }).isSplittable)
  t.notOk(csv(cell).isSplittable, 'a line end may be within a cell')
})

t.test('csv - columns are found by name, in any order, and others are passed over', async (t) => {
  const point = type.object({
    x: type.int32,
    y: type.optional(type.int32),
    z: type.defaulted(type.string, 'none'),
  })
  t.same(read(csv(point), 'ignored,"y", x \nq,1,2\nq,,3\n'), [
    { x: 2, y: 1, z: 'none' },
    { x: 3, y: undefined, z: 'none' },
  ])
  t.same(Object.keys(read(csv(point), 'z,y,x\nw,1,2\n')[0]!), ['x', 'y', 'z'], 'declaration order')
  t.same(read(csv(point, { header: false, columns: ['y', 'x'] }), '1,2\n'), [{ x: 2, y: 1, z: 'none' }])
  const malformed = (text: string, message: RegExp) =>
    t.throws(() => read(csv(point), text), { name: 'MalformedRecord', message })
  malformed('y,X\n1,2\n', /the header lacks column "x"; it has y, X\. Did you mean "X"\?/)
  malformed('x,x\n1,2\n', /the header has column "x" twice/)
  malformed('x,y\n1\n', /expected 2 columns, found 1/)
  malformed('x,y\n1,2,3\n', /expected 2 columns, found 3/)
})

t.test('csv - after a malformed record, reading goes on with the next', async (t) => {
  const decoder = csv(cell, { header: false }).newDecoder(null)
  decoder.begin('a,b\n"x" y,c\nd\n"e","f"\n"open,', true)
  const seen: unknown[] = []
  for (;;) {
    try {
      if (!decoder.read()) break
      seen.push(decoder.value)
    } catch (error) {
      seen.push(error instanceof MalformedRecord ? error.message : error)
    }
  }
  t.match(seen, [
    { a: 'a' },
    /expected a delimiter after a closing quote, found "\\" y,c/,
    'expected 2 columns, found 1',
    { a: 'e' },
    /a quote is opened and never closed: "\\"open,"/,
  ])
})

t.test('csv - text that ends within a record is left for later', async (t) => {
  const decoder = csv(cell, { header: false }).newDecoder(null)
  decoder.begin('a,b\n"c\n', false)
  t.ok(decoder.read())
  t.notOk(decoder.read())
  t.equal(decoder.position, 4)
  decoder.begin('"c\n",d\n', false)
  t.ok(decoder.read())
  t.same(decoder.value, { a: 'c\n', b: 'd' })
  t.notOk(decoder.read())
})

t.test('csv - cells are converted to their types, or refused with column and value', async (t) => {
  const convert = (of: Type<unknown>, text: string): unknown => {
    const format = csv(type.object({ v: of, w: type.string }), { header: false })
    return (read(format, `"${text.replaceAll('"', '""')}",w`)[0] as { v: unknown }).v
  }
  const refused = (of: Type<unknown>, text: string, expected: string) =>
    t.throws(() => convert(of, text), {
      message: `column "v": expected ${expected}, found ${JSON.stringify(text)}`,
    })
  t.equal(convert(type.int32, '-12'), -12)
  t.equal(convert(type.int32, ' 7 '), 7)
  for (const text of ['', 'x', '1.5', '2147483648', '0x10', '1 2', 'NaN']) refused(type.int32, text, 'int32')
  t.equal(convert(type.int64, '9007199254740991'), 9007199254740991)
  refused(type.int64, '9007199254740993', 'int64')
  t.equal(convert(type.float64, '1e-3'), 0.001)
  t.equal(convert(type.float64, '.5'), 0.5)
  t.equal(convert(type.float64, '-Infinity'), Number.NEGATIVE_INFINITY)
  t.ok(Number.isNaN(convert(type.float64, 'NaN')))
  t.ok(Object.is(convert(type.float64, '-0'), -0))
  for (const text of ['', ' ', 'one', '0b1', '1,5']) refused(type.float64, text, 'float64')
  t.equal(convert(type.boolean, 'true'), true)
  refused(type.boolean, 'yes', 'true or false')
  t.equal(convert(type.bigint, '-123456789012345678901234567890'), -123456789012345678901234567890n)
  refused(type.bigint, '1.0', 'bigint')
  t.equal(convert(type.timestamp, '1700000000000'), 1700000000000)
  t.equal(convert(type.timestamp, '2024-02-29'), Date.UTC(2024, 1, 29))
  t.equal(
    convert(type.timestamp, '2024-02-29T12:30'),
    Date.UTC(2024, 1, 29, 12, 30),
    'UTC, whatever the host',
  )
  t.equal(convert(type.timestamp, '2024-02-29 12:30:01.5+01:00'), Date.UTC(2024, 1, 29, 11, 30, 1, 500))
  refused(type.timestamp, 'yesterday', 'timestamp (ms or ISO 8601)')
  t.equal(convert(type.literal('a', 'b'), 'b'), 'b')
  refused(type.literal('a', 'b'), 'c', "'a' | 'b'")
  t.same(convert(type.bytes, 'AQI='), Uint8Array.of(1, 2))
  refused(type.bytes, '!', 'bytes (base64)')
  t.same(convert(type.list(type.int32), '[1, 2]'), [1, 2])
  refused(type.list(type.int32), '[1, "2"]', 'list as JSON')
  t.equal(convert(type.nullable(type.string), ''), '', 'in quotes, an empty string')
  t.same(
    read(csv(type.object({ a: type.nullable(type.int32), b: type.string }), { header: false }), ',x\n'),
    [{ a: null, b: 'x' }],
  )
})

t.test('csv - types and options that cannot work are refused at once', async (t) => {
  const invalid = (message: RegExp, make: () => unknown) => t.throws(make, { code: 'GRAPH_INVALID', message })
  invalid(/needs the type of an object/, () => csv(type.list(type.string)))
  invalid(/delimiter of one character/, () => csv(cell, { delimiter: '::' }))
  invalid(/delimiter of one character/, () => csv(cell, { delimiter: '"' }))
  invalid(/field "b" is not among the columns a, B\. Did you mean "B"\?/, () =>
    csv(cell, { columns: ['a', 'B'] }),
  )
  invalid(/distinct column names/, () => csv(cell, { columns: ['a', 'b', 'a'] }))
  t.throws(() => csv(type.object({ a: type.avro('string') })), { code: 'UNSUPPORTED', message: /field "a"/ })
})

t.test('csv - without quotes, what needs them cannot be written', async (t) => {
  const encoder = csv(cell, { quotes: false }).newEncoder()
  t.equal(encoder.encode({ a: '"', b: '' }), '",')
  t.throws(() => encoder.encode({ a: 'x', b: 'y,z' }), {
    code: 'TYPE_MISMATCH',
    message: /csv column "b".*"y,z"/,
  })
})

t.test('csv - a column of its own may be empty, and is a record all the same', async (t) => {
  const single = csv(type.object({ v: type.nullable(type.string) }), { header: false })
  const records = [{ v: null }, { v: '' }, { v: 'x' }, { v: null }]
  t.equal(write(single, records), '\n""\nx\n\n')
  t.same(read(single, write(single, records)), records)
})

t.test('csv - what is written is read back', async (t) => {
  const all = type.object({
    text: type.string,
    empty: type.nullable(type.string),
    maybe: type.optional(type.string),
    fallback: type.defaulted(type.string, 'x'),
    flag: type.boolean,
    small: type.int32,
    large: type.int64,
    real: type.float64,
    huge: type.bigint,
    at: type.timestamp,
    bytes: type.bytes,
    kind: type.literal('a', 'b,"c"\n'),
    list: type.list(type.nullable(type.string)),
    map: type.map(type.int32, type.bigint),
  })
  const text = fc.string({
    unit: fc.constantFrom('a', ' ', '"', ',', ';', '\n', '\r', '\ufeff', 'é', '𝄞'),
    maxLength: 6,
  })
  const record = fc.record({
    text,
    empty: fc.option(text),
    maybe: fc.option(text, { nil: undefined }),
    fallback: text,
    flag: fc.boolean(),
    small: fc.integer().map((value) => value + 0),
    large: fc.maxSafeInteger().map((value) => value + 0),
    real: fc.double(),
    huge: fc.bigInt(),
    at: fc.maxSafeInteger().map((value) => value + 0),
    bytes: fc.uint8Array({ maxLength: 4 }).map((bytes) => new Uint8Array(bytes)),
    kind: fc.constantFrom('a' as const, 'b,"c"\n' as const),
    list: fc.array(fc.option(text), { maxLength: 3 }),
    map: fc.array(fc.tuple(fc.integer(), fc.bigInt()), { maxLength: 3 }).map((entries) => new Map(entries)),
  })
  fc.assert(
    fc.property(
      fc.array(record, { maxLength: 5 }),
      fc.boolean(),
      fc.constantFrom(',', ';', '\t'),
      fc.constantFrom('\n', '\r\n'),
      (records, header, delimiter, lineEnd) => {
        const format = csv(all, { header, delimiter })
        t.same(read(format, write(format, records as Infer<typeof all>[], lineEnd)), records)
      },
    ),
    runs(200),
  )
})
