/** Reading files: what is read, in which order, from which position on, and what is said when it cannot be read. */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { gzipSync } from 'node:zlib'
import fc from 'fast-check'
import t from 'tap'
import { csv } from '../../../../lib/connectors/files/csv.ts'
import type { FileFormat } from '../../../../lib/connectors/files/file-format.ts'
import { FileReader } from '../../../../lib/connectors/files/file-reader.ts'
import { type FilesOptions, files } from '../../../../lib/connectors/files/files.ts'
import { jsonLines } from '../../../../lib/connectors/files/json-lines.ts'
import { lines } from '../../../../lib/connectors/files/lines.ts'
import { ManualClock } from '../../../../lib/testing/manual-clock.ts'
import { t as type } from '../../../../lib/types/t.ts'
import { temporaryDirectory } from '../../../support/nats-server.ts'
import { runs } from '../../types/schema-arbitrary.ts'
import { readAll, SourceDriver } from '../source-driver.ts'

const order = type.object({ id: type.int64, item: type.string })

function write(directory: string, content: Record<string, string | Uint8Array>): void {
  for (const [name, text] of Object.entries(content)) {
    const path = join(directory, name)
    mkdirSync(join(path, '..'), { recursive: true })
    writeFileSync(path, text)
  }
}

function linesOf(path: string | URL, options: Partial<FilesOptions<string>> = {}): Promise<string[]> {
  return readAll(files({ path, format: lines(), ...options }))
}

t.test('files - a file, a directory and a pattern, in the order of names', async (t) => {
  const dir = temporaryDirectory(t)
  write(dir, {
    'b.txt': 'b1\nb2\n',
    'a.txt': 'a1\n',
    'sub/c.txt': 'c1\n',
    'x.log': 'x1\n',
    '.hidden': 'h\n',
    _tmp: 't\n',
  })
  t.same(await linesOf(join(dir, 'b.txt')), ['b1', 'b2'])
  t.same(await linesOf(pathToFileURL(join(dir, 'b.txt'))), ['b1', 'b2'])
  t.same(await linesOf(dir), ['a1', 'b1', 'b2', 'c1', 'x1'])
  t.same(await linesOf(join(dir, '*.txt')), ['a1', 'b1', 'b2'])
  t.same(await linesOf(join(dir, '**', '*.txt')), ['a1', 'b1', 'b2', 'c1'])
  t.same(await linesOf(join(dir, '**')), ['a1', 'b1', 'b2', 'c1', 'x1'])
  t.same(await linesOf(join(dir, 's?b', '?.txt')), ['c1'])
})

t.test('files - a name with the characters of a pattern is that name if it exists', async (t) => {
  const dir = temporaryDirectory(t)
  write(dir, { 'a*.txt': 'star\n', 'ab.txt': 'other\n' })
  t.same(await linesOf(join(dir, 'a*.txt')), ['star'])
})

t.test(
  'files - line ends of both kinds, last lines without, empty lines and files, byte order marks',
  async (t) => {
    const dir = temporaryDirectory(t)
    write(dir, { '1': 'a\r\nb\nc', '2': '', '3': '\n\n', '4': '\ufeffmark\nrest\ufeff\n', '5': 'end\r' })
    t.same(await linesOf(dir), ['a', 'b', 'c', '', '', 'mark', 'rest\ufeff', 'end'])
  },
)

t.test('files - characters and lines over the ends of blocks', async (t) => {
  const dir = temporaryDirectory(t)
  const texts = ['ä€𝄞'.repeat(70_000), 'x'.repeat(300_000), 'ß', '€'.repeat(100_000), 'end']
  write(dir, { wide: texts.join('\n') })
  t.same(await linesOf(join(dir, 'wide')), texts)
})

t.test('files - bytes that are not UTF-8 become U+FFFD and move nothing', async (t) => {
  const dir = temporaryDirectory(t)
  write(dir, { bad: Buffer.from('6162ff0a63c30ae282ac0a64', 'hex') })
  const source = files({ path: join(dir, 'bad'), format: lines() })
  const driver = new SourceDriver(source, { recordsMax: 1 })
  await driver.start()
  await driver.run(() => driver.records.length === 2)
  const snapshot = driver.snapshot()
  await driver.close()
  t.same(driver.values, ['ab\ufffd', 'c\ufffd'])
  t.same(await readAll(source, { restored: snapshot }), ['€', 'd'])
})

t.test('files - UTF-16 is refused', async (t) => {
  const dir = temporaryDirectory(t)
  write(dir, { wide: Buffer.from('\ufeffabc\n', 'utf16le') })
  await t.rejects(linesOf(dir), { code: 'DECODE_FAILED', message: /wide is text in UTF-16/ })
})

t.test('files - gzip is decompressed and restored in the middle', async (t) => {
  const dir = temporaryDirectory(t)
  const expected = Array.from({ length: 5000 }, (_, i) => `line ${i} ${'ü'.repeat(i % 7)}`)
  write(dir, { 'data.gz': gzipSync(`${expected.join('\n')}\n`) })
  const source = files({ path: dir, format: lines(), splitBytes: 1000 })
  t.same(await readAll(source), expected)
  const driver = new SourceDriver(source)
  await driver.start()
  await driver.run(() => driver.records.length >= 1234)
  const restored = driver.snapshot()
  await driver.close()
  t.same([...driver.values, ...(await readAll(source, { restored }))], expected)
  write(dir, { 'data.gz': Buffer.from('this is not gzip') })
  await t.rejects(readAll(source), { code: 'CONNECTOR_FAILED', message: /cannot decompress .*data\.gz/ })
})

t.test('files - what is missing is named at the start', async (t) => {
  const dir = temporaryDirectory(t)
  const missing = join(dir, 'orders.csv')
  await t.rejects(linesOf(missing), {
    code: 'CONNECTOR_FAILED',
    message: `cannot read ${missing}: no such file or directory`,
  })
  await t.rejects(linesOf(join(dir, 'none', '*.csv')), {
    message: `cannot read ${join(dir, 'none')}: no such file or directory`,
  })
  await t.rejects(linesOf(join(dir, '*.csv')), {
    message: `cannot read ${join(dir, '*.csv')}: no file matches the pattern`,
  })
  t.same(await linesOf(dir), [], 'an empty directory is no mistake')
})

t.test('files - a file that shrinks while it is read fails', async (t) => {
  const dir = temporaryDirectory(t)
  write(dir, { log: 'a\nb\nc\n' })
  const driver = new SourceDriver(files({ path: dir, format: lines() }))
  await driver.start()
  const snapshot = driver.snapshot()
  await driver.close()
  write(dir, { log: 'a\n' })
  await t.rejects(readAll(files({ path: dir, format: lines() }), { restored: snapshot }), {
    message: /log: expected at least 6 bytes, found 2: the file was changed/,
  })
})

t.test('files - options that make no sense are refused', async (t) => {
  t.throws(() => files({ path: '.', format: lines(), watch: 0 }), { code: 'CONFIG_INVALID' })
  t.throws(() => files({ path: '.', format: lines(), splitBytes: '0b' }), { code: 'CONFIG_INVALID' })
  t.throws(() => files({ path: '.', format: lines(), watch: 'soon' }), { code: 'CONFIG_INVALID' })
})

t.test('files - more files than allowed fail', async (t) => {
  const dir = temporaryDirectory(t)
  write(dir, { a: '1', b: '2', c: '3' })
  await t.rejects(linesOf(dir, { filesMax: 2 }), { code: 'CONNECTOR_FAILED', message: /more than 2 files/ })
})

t.test('files - a record longer than allowed fails naming its place', async (t) => {
  const dir = temporaryDirectory(t)
  write(dir, { long: `short\n${'x'.repeat(700_000)}` })
  await t.rejects(linesOf(dir, { recordBytesMax: '300kb' }), {
    code: 'RECORD_TOO_LARGE',
    message: /long: the record at byte 6 is longer than 300 KB/,
  })
})

t.test('files - several subtasks share the files', async (t) => {
  const dir = temporaryDirectory(t)
  const names = Array.from({ length: 20 }, (_, i) => `part-${String(i).padStart(2, '0')}`)
  write(dir, Object.fromEntries(names.map((name) => [name, `${name}\n`])))
  const driver = new SourceDriver(files({ path: dir, format: lines() }), { parallelism: 3 })
  await driver.start()
  await driver.run()
  await driver.close()
  t.same(driver.values.sort(), names)
  t.same(new Set(driver.records.map(({ subtaskIndex }) => subtaskIndex)).size, 3)
  t.equal(driver.released.length, 20, 'every split is released')
})

t.test('files - malformed records fail with file, line and reason', async (t) => {
  const dir = temporaryDirectory(t)
  write(dir, {
    'a.jsonl': `${'{"id":1,"item":"x"}\n'.repeat(30_000)}{"id":"two","item":"y"}\n`,
    'b.jsonl': '{"id":\n',
  })
  const read = (name: string, format: FileFormat<unknown>) =>
    readAll(files({ path: join(dir, name), format }))
  await t.rejects(read('a.jsonl', jsonLines(order)), {
    code: 'DECODE_FAILED',
    message: /a\.jsonl, line 30001: id: expected int64 \(a safe integer\), found string 'two', in "{\\"id/,
    details: { line: 30001 },
  })
  await t.rejects(read('b.jsonl', jsonLines(order)), { message: /b\.jsonl, line 1: .*JSON/ })
  write(dir, {
    'c.csv': 'id,item\n1,"two\nlines"\nx,y\n',
    'd.csv': 'id,thing\n1,2\n',
    'e.csv': 'id,item\n1,"open\n',
  })
  await t.rejects(read('c.csv', csv(order)), {
    message: `${join(dir, 'c.csv')}, line 4: column "id": expected int64, found "x"`,
  })
  await t.rejects(read('d.csv', csv(order)), {
    message: /d\.csv, line 1: the header lacks column "item"; it has id, thing/,
  })
  await t.rejects(read('e.csv', csv(order)), {
    message: /e\.csv, line 2: a quote is opened and never closed/,
  })
})

t.test('files - malformed records are skipped and counted if asked for', async (t) => {
  const dir = temporaryDirectory(t)
  write(dir, { 'a.csv': 'item,id\n"a",1\n"b" x,2\nb\nc,3\n\nd,4.5\ne,5\n"open' })
  const driver = new SourceDriver(files({ path: dir, format: csv(order), onError: 'skip' }))
  await driver.start()
  await driver.run()
  await driver.close()
  t.same(driver.values, [
    { id: 1, item: 'a' },
    { id: 3, item: 'c' },
    { id: 5, item: 'e' },
  ])
  t.equal(driver.metrics.read().malformed_records_total, 4)
})

t.test(
  'files - a snapshot taken before a malformed record fails the job does not pass it over',
  async (t) => {
    const dir = temporaryDirectory(t)
    write(dir, { 'a.jsonl': '1\n2\nx\n4\n' })
    const source = files({ path: dir, format: jsonLines(type.int32) })
    const driver = new SourceDriver(source)
    await driver.start()
    await t.rejects(driver.run(), { message: /line 3/ })
    const restored = driver.snapshot()
    await driver.close()
    t.same(driver.values, [1, 2])
    await t.rejects(readAll(source, { restored }), { message: /line 3/ })
  },
)

t.test('files - quoted line ends over the ends of blocks', async (t) => {
  const dir = temporaryDirectory(t)
  const text = type.object({ id: type.int32, text: type.string })
  const records = Array.from({ length: 40 }, (_, id) => ({
    id,
    text: `"${'many,\n"lines"\r\n'.repeat(3000)}`,
  }))
  const encoder = csv(text).newEncoder()
  write(dir, { 'big.csv': [encoder.header, ...records.map((record) => encoder.encode(record))].join('\n') })
  t.same(await readAll(files({ path: dir, format: csv(text) })), records)
})

t.test('files - watching finds new files, once each, and survives a restore', async (t) => {
  const dir = temporaryDirectory(t)
  const clock = new ManualClock()
  const source = files({ path: dir, format: lines(), watch: '1s' })
  t.notOk(source.isBounded)
  write(dir, { a: 'a\n', empty: '' })
  const first = new SourceDriver(source, { clock })
  await first.start()
  await first.run(() => first.records.length === 1)
  write(dir, { b: 'b\n', empty: 'not any more\n' })
  await driveUntil(first, clock, 3)
  await clock.advance(3000)
  t.same(first.values, ['a', 'b', 'not any more'], 'in the order of names')
  const restored = first.snapshot()
  await first.close()
  write(dir, { c: 'c\n' })
  rmSync(join(dir, 'a'))
  const second = new SourceDriver(source, { clock, restored })
  await second.start()
  await driveUntil(second, clock, 1)
  write(dir, { a: 'a again\n' })
  await driveUntil(second, clock, 2)
  t.same(second.values, ['c', 'a again'])
  rmSync(dir, { recursive: true })
  await t.rejects(passVirtually(clock, second.run()), { code: 'CONNECTOR_FAILED', message: /no such file/ })
  await second.close()
  t.equal(clock.timerCount, 0)
})

/** Lets virtual time pass, beside which the file system goes at its own pace, until the promise has settled. */
async function passVirtually<T>(clock: ManualClock, promise: Promise<T>): Promise<T> {
  let isSettled = false
  promise.then(
    () => (isSettled = true),
    () => (isSettled = true),
  )
  while (!isSettled) await clock.advance(100)
  return promise
}

/** Lets virtual seconds pass until the source has given so many records. */
function driveUntil<T>(
  driver: SourceDriver<T, { readonly id: string }, unknown>,
  clock: ManualClock,
  count: number,
): Promise<void> {
  return passVirtually(
    clock,
    driver.run(() => driver.records.length >= count),
  )
}

t.test('files - cut anywhere and restored from any position, each record comes once', async (t) => {
  const dir = temporaryDirectory(t)
  const text = fc.string({
    unit: fc.constantFrom('a', 'b', ' ', '"', ',', 'é', '€', '𝄞', '\r'),
    maxLength: 12,
  })
  const line = text.map((value) => value.replace(/\r+$/, ''))
  let count = 0
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.array(line, { maxLength: 12 }), { minLength: 1, maxLength: 3 }),
      fc.boolean(),
      fc.integer({ min: 1, max: 40 }),
      fc.integer({ min: 1, max: 40 }),
      fc.array(fc.nat({ max: 12 }), { maxLength: 4 }),
      fc.integer({ min: 1, max: 3 }),
      async (contents, hasLastEnd, splitBytes, blockBytes, stops, parallelism) => {
        const path = join(dir, String(count++))
        mkdirSync(path)
        const expected: string[] = []
        contents.forEach((list, i) => {
          const whole = list.join('\n') + (hasLastEnd && list.length > 0 ? '\n' : '')
          writeFileSync(join(path, String(i)), whole)
          const isLastLineThere = hasLastEnd || list.at(-1) !== ''
          expected.push(...(isLastLineThere ? list : list.slice(0, -1)))
        })
        const source = withBlocks({ path, format: lines(), splitBytes }, blockBytes)
        t.same((await readInPieces(source, stops, parallelism)).sort(), expected.sort())
      },
    ),
    runs(150),
  )
})

t.test('files - csv restored from any position, each record comes once', async (t) => {
  const dir = temporaryDirectory(t)
  const pair = type.object({ id: type.int32, text: type.nullable(type.string) })
  const text = fc.string({ unit: fc.constantFrom('a', '"', ',', '\n', '\r', '€'), maxLength: 8 })
  let count = 0
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.oneof(text, fc.constant(null)), { maxLength: 12 }),
      fc.array(fc.nat({ max: 6 }), { maxLength: 5 }),
      fc.boolean(),
      fc.integer({ min: 1, max: 60 }),
      async (texts, stops, header, blockBytes) => {
        const path = join(dir, `${count++}.csv`)
        const format = csv(pair, { header })
        const encoder = format.newEncoder()
        const records = texts.map((value, id) => ({ id, text: value }))
        const all = [...(header ? [encoder.header!] : []), ...records.map((record) => encoder.encode(record))]
        writeFileSync(path, all.join('\n'))
        t.same(await readInPieces(withBlocks({ path, format }, blockBytes), stops, 1), records)
      },
    ),
    runs(150),
  )
})

/** The source, with blocks so small that every few records there is the end of one. */
function withBlocks<T>(options: FilesOptions<T>, blockBytes: number): ReturnType<typeof files<T>> {
  const reader = { format: options.format, onError: 'fail', recordBytesMax: 1_000_000, blockBytes } as const
  return { ...files(options), createReader: (context) => new FileReader(reader, context) }
}

/** Reads a source, starting anew from a snapshot after so many records each time. */
async function readInPieces<T>(
  source: ReturnType<typeof files<T>>,
  stops: readonly number[],
  parallelism: number,
): Promise<T[]> {
  const values: T[] = []
  let restored: ReturnType<SourceDriver<T, never, never>['snapshot']> | undefined
  for (const stop of [...stops, Number.POSITIVE_INFINITY]) {
    const driver = new SourceDriver(source, {
      parallelism,
      recordsMax: 1,
      ...(restored === undefined ? {} : { restored }),
    })
    await driver.start()
    await driver.run(() => driver.records.length >= stop)
    restored = driver.snapshot()
    await driver.close()
    values.push(...driver.values)
  }
  return values
}
