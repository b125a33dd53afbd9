/** Writing files: names, formats, restores after every kind of failure, and what is left behind. */
import { mkdirSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import t, { type Test } from 'tap'
import { systemClock } from '../../../../lib/base/clock.ts'
import type { LogFields } from '../../../../lib/base/logger.ts'
import { silentLogger } from '../../../../lib/base/logger.ts'
import { csv } from '../../../../lib/connectors/files/csv.ts'
import { fileError } from '../../../../lib/connectors/files/file-error.ts'
import { type FileSinkOptions, fileSink } from '../../../../lib/connectors/files/file-sink.ts'
import { files } from '../../../../lib/connectors/files/files.ts'
import { jsonLines } from '../../../../lib/connectors/files/json-lines.ts'
import { isLeftOver } from '../../../../lib/connectors/files/left-over-parts.ts'
import { lines } from '../../../../lib/connectors/files/lines.ts'
import { bucketPath } from '../../../../lib/connectors/files/part-path.ts'
import type { Sink } from '../../../../lib/function/sink.ts'
import { ManualClock } from '../../../../lib/testing/manual-clock.ts'
import { t as type } from '../../../../lib/types/t.ts'
import { temporaryDirectory } from '../../../support/nats-server.ts'
import { runs } from '../../types/schema-arbitrary.ts'
import { SinkDriver, type SinkDriverOptions, type SinkSnapshot } from '../sink-driver.ts'
import { readAll } from '../source-driver.ts'

const order = type.object({ id: type.int64, item: type.string })

function textSink(path: string, options: Partial<FileSinkOptions<string>> = {}) {
  return fileSink({ path, format: lines(), ...options })
}

/** Closed with the test: a writer that is left open would keep the process alive. */
async function open<I, W, C>(t: Test, sink: Sink<I, W, C>, options: SinkDriverOptions = {}) {
  const driver = await SinkDriver.open(sink, options)
  t.teardown(() => driver.close())
  return driver
}

/** Everything below a directory: relative path -> content. */
function contents(directory: string, prefix = ''): Record<string, string> {
  const found: Record<string, string> = {}
  for (const entry of readdirSync(directory, { withFileTypes: true })) {
    const name = `${prefix}${entry.name}`
    if (entry.isDirectory()) Object.assign(found, contents(join(directory, entry.name), `${name}/`))
    else found[name] = readFileSync(join(directory, entry.name), 'utf8')
  }
  return found
}

const visible = (directory: string) =>
  Object.fromEntries(Object.entries(contents(directory)).filter(([name]) => !/(^|\/)\./.test(name)))
const hidden = (directory: string) => Object.keys(contents(directory)).filter((name) => /(^|\/)\./.test(name))

t.test('file sink - without checkpoints, files appear at the end, with all names in place', async (t) => {
  const dir = temporaryDirectory(t)
  const sink = fileSink({
    path: join(dir, 'out/put'),
    format: csv(order),
    suffix: '.csv',
    bucket: ({ id }) => `day=${id % 2}`,
  })
  const driver = await open(t, sink, { jobId: 'j1', uid: 'u', hasCheckpoints: false, subtaskIndex: 3 })
  for (const id of [1, 2, 3]) driver.write({ id, item: `"${id}"` })
  await driver.flush()
  t.same(visible(dir), {})
  await driver.finish()
  t.same(hidden(dir), [])
  const found = visible(dir)
  t.match(Object.keys(found).sort(), [
    /^out\/put\/day=0\/part-3-1-j1-u-0\.csv$/,
    /^out\/put\/day=1\/part-3-0-j1-u-0\.csv$/,
  ])
  t.same(Object.values(found).sort(), ['id,item\n1,"""1"""\n3,"""3"""\n', 'id,item\n2,"""2"""\n'])
  const back = await readAll(files({ path: join(dir, 'out'), format: csv(order) }))
  t.same(back.map(({ id }) => id).sort(), [1, 2, 3])
})

/** Buckets `0`, `10`, `20` ... of ten ms; the number in front of a text is its time. */
const ofTens: Partial<FileSinkOptions<string>> = {
  bucket: (text) => `${Math.floor(Number.parseInt(text, 10) / 10) * 10}`,
  rolling: 'on-checkpoint',
  success: { endOf: (bucket) => Number(bucket) + 10, delay: 5 },
}

const marked = (dir: string) =>
  Object.keys(visible(dir))
    .filter((name) => name.endsWith('_SUCCESS'))
    .map((name) => name.split('/').at(-2))
    .sort()

t.test('file sink - a bucket is marked with the checkpoint after event time has passed it', async (t) => {
  const dir = temporaryDirectory(t)
  const driver = await open(t, textSink(dir, ofTens))
  driver.write('3')
  driver.write('12')
  driver.watermark(14)
  await driver.checkpoint(1)
  await driver.complete(1)
  t.same(marked(dir), [], 'the delay has not passed')
  driver.write('4')
  driver.watermark(15)
  await driver.checkpoint(2)
  t.same(marked(dir), [], 'its last part is not visible')
  await driver.complete(2)
  t.same(marked(dir), ['0'])
  t.equal(Object.values(visible(dir)).join(''), '3\n4\n12\n')
  driver.watermark(Number.POSITIVE_INFINITY)
  await driver.checkpoint(3, true)
  await driver.complete(3)
  t.same(marked(dir), ['0', '10'])
})

t.test(
  'file sink - a bucket is completed even if its last record was written by a failed attempt',
  async (t) => {
    const dir = temporaryDirectory(t)
    const failed = await open(t, textSink(dir, { ...ofTens, rolling: { partBytes: '1mb' } }))
    failed.write('3')
    const restored = await failed.checkpoint(1)
    await failed.close()
    const driver = await open(t, textSink(dir, { ...ofTens, rolling: { partBytes: '1mb' } }), {
      attempt: 1,
      restored,
    })
    driver.watermark(15)
    const again = await driver.checkpoint(2)
    await driver.close()
    t.same(marked(dir), [])
    await open(t, textSink(dir, ofTens), { attempt: 2, restored: again })
    t.same(marked(dir), ['0'], 'what was pre-committed is committed when it is restored')
    t.same(hidden(dir), [], 'its part with it, though not yet due by size')
  },
)

t.test('file sink - a job that goes on elsewhere marks buckets it has not written to there', async (t) => {
  const [before, after] = [temporaryDirectory(t), temporaryDirectory(t)]
  const driver = await open(t, textSink(before, ofTens))
  driver.write('3')
  const restored = await driver.checkpoint(1)
  await driver.complete(1)
  const next = await open(t, textSink(after, ofTens), {
    jobId: 'next',
    restored: { ...restored, pending: [] },
  })
  next.watermark(Number.POSITIVE_INFINITY)
  await next.checkpoint(2, true)
  await next.complete(2)
  t.same(marked(after), ['0'])
})

t.test('file sink - options that make no sense are refused', async (t) => {
  const invalid = { code: 'CONFIG_INVALID' }
  t.throws(() => textSink('x', { prefix: 'a/b' }), invalid)
  t.throws(() => textSink('x', { prefix: '.a' }), invalid)
  t.throws(() => textSink('x', { suffix: '/../x' }), invalid)
  t.throws(() => textSink('x', { openPartsMax: 0 }), invalid)
  t.throws(() => textSink('x', { bufferBytesMax: 0 }), invalid)
  t.throws(() => textSink('x', { rolling: { rolloverInterval: 0 } }), invalid)
  t.throws(() => textSink('x', { rolling: { partBytes: '1 apple' } }), invalid)
  t.throws(() => textSink('x', { success: { endOf: () => 0, file: '../x' } }), invalid)
  t.throws(() => textSink('x', { success: { endOf: () => 0, delay: -1 } }), invalid)
})

t.test('file sink - buckets stay below the path', async (t) => {
  t.equal(bucketPath('2024-01-01/10 h'), '2024-01-01/10 h')
  t.equal(bucketPath('städte/köln'), 'städte/köln')
  t.equal(bucketPath(''), '')
  t.equal(bucketPath('../../etc'), '--/--/etc')
  t.equal(bucketPath('/etc/passwd'), 'etc/passwd')
  t.equal(bucketPath('a\\..\\b:c*\n'), 'a/--/b-c--')
  t.equal(bucketPath('.hidden/_tmp/x.y'), '-hidden/-tmp/x.y')
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom(...'./\\_ -aé€\0\n:*'), maxLength: 30 }), (bucket) => {
      const path = bucketPath(bucket)
      return (
        path.split('/').every((name) => path === '' || (!/^[._]|\0/.test(name) && name !== '')) &&
        bucketPath(path) === path
      )
    }),
  )
  const dir = temporaryDirectory(t)
  const driver = await open(t, textSink(join(dir, 'out'), { bucket: (value) => value }), {
    hasCheckpoints: false,
  })
  driver.write('../../escaped')
  driver.write('--/--/escaped')
  await driver.finish()
  t.match(
    Object.keys(visible(dir)),
    [/^out\/--\/--\/escaped\/part-0-0-/],
    'names that become the same share a bucket',
  )
})

t.test('file sink - buckets know time and watermark', async (t) => {
  const dir = temporaryDirectory(t)
  const clock = new ManualClock(5000)
  const sink = textSink(dir, {
    bucket: (_, { timestamp, nowMs, watermark }) => `${timestamp} ${nowMs} ${watermark}`,
  })
  const driver = await open(t, sink, { clock, hasCheckpoints: false })
  driver.write('a', 7)
  await driver.finish()
  t.match(Object.keys(visible(dir)), [/^7 5000 -Infinity\/part-/])
})

t.test('file sink - committing again does nothing; a part that is gone is an error', async (t) => {
  const dir = temporaryDirectory(t)
  const sink = textSink(dir, { rolling: 'on-checkpoint' })
  const driver = await open(t, sink)
  driver.write('a')
  const snapshot = await driver.checkpoint(1)
  await driver.complete(1)
  const before = contents(dir)
  const again = await open(t, sink, { restored: snapshot, attempt: 1 })
  t.same(contents(dir), before)
  again.write('b')
  const damaged = await again.checkpoint(2)
  await again.close()
  for (const name of hidden(dir)) rmSync(join(dir, name))
  await t.rejects(open(t, sink, { restored: damaged, attempt: 2 }), {
    code: 'CONNECTOR_FAILED',
    message: /a finished part is gone: neither .*\.inprogress nor .* exists/,
  })
})

t.test('file sink - parts that a snapshot needs must be as it left them', async (t) => {
  const dir = temporaryDirectory(t)
  const sink = textSink(dir)
  const first = await open(t, sink)
  first.write('some text')
  const restored = await first.checkpoint(1)
  const [name] = hidden(dir)
  truncateSync(join(dir, name!), 4)
  await t.rejects(open(t, sink, { restored, attempt: 1 }), {
    code: 'CONNECTOR_FAILED',
    message:
      /the restored snapshot has 10 bytes of .*\.inprogress, but it has 4 bytes; was the directory changed by hand\?/,
  })
  await first.close()
})

t.test('file sink - restoring a snapshot older than the last leaves alone what is finished', async (t) => {
  const dir = temporaryDirectory(t)
  const sink = textSink(dir)
  const first = await open(t, sink)
  first.write('a')
  const older = await first.checkpoint(1)
  first.write('b')
  await first.checkpoint(2, true)
  await first.complete(2)
  await first.close()
  const warnings: LogFields[] = []
  const log = { ...silentLogger, warn: (_: string, fields: LogFields = {}) => void warnings.push(fields) }
  const second = await open(t, sink, { restored: older, attempt: 1, log })
  second.write('b again')
  await second.checkpoint(3, true)
  await second.complete(3)
  await second.close()
  t.same(Object.values(visible(dir)).sort(), ['a\nb\n', 'b again\n'])
  t.equal(warnings.length, 1)
})

t.test('file sink - what failed attempts left over is removed, and nothing else', async (t) => {
  const dir = temporaryDirectory(t)
  const sink = textSink(dir, { bucket: (value) => value.slice(0, 1) })
  const first = await open(t, sink)
  first.write('a1')
  const restored = await first.checkpoint(1)
  first.write('a2')
  first.write('b1')
  await first.flush()
  const second = await open(t, sink, { restored, attempt: 1 })
  second.write('c1')
  await second.flush()
  const others = await open(t, sink, { subtaskIndex: 1 })
  const stranger = await open(t, sink, { uid: 'other' })
  for (const driver of [others, stranger]) {
    driver.write('x1')
    await driver.flush()
  }
  writeFileSync(join(dir, '.part-0-9-mine-0.inprogress'), '')
  const third = await open(t, sink, { restored, attempt: 2 })
  await third.close()
  const after = hidden(dir)
  t.same(
    after.map((name) => name[0]).sort(),
    ['.', 'a', 'x', 'x'],
    'b1 of the first attempt has gone, and c1 of the second',
  )
  t.same(
    after.filter((name) => name.startsWith('a/')).map((name) => readFileSync(join(dir, name), 'utf8')),
    ['a1\n'],
    'the part of the snapshot goes on where the snapshot was taken',
  )
})

t.test(
  'left over parts - begun after the snapshot, by a subtask it is of, in an attempt that has ended',
  async (t) => {
    const known = [{ subtask: 1, attempt: 2, nextPart: 5 }]
    const of = (subtask: number, attempt: number, number: number) =>
      isLeftOver({ subtask, attempt, number }, known, 4)
    t.ok(of(1, 2, 5))
    t.ok(of(1, 3, 0))
    t.notOk(of(1, 2, 4), 'in the snapshot')
    t.notOk(of(1, 1, 9), 'of an earlier attempt: in the snapshot, or to be committed')
    t.notOk(of(1, 4, 0), 'of this attempt')
    t.notOk(of(0, 3, 0), 'of a subtask some other writer looks after')
  },
)

t.test('file sink - a part rolled while a checkpoint is being taken is in its snapshot', async (t) => {
  const dir = temporaryDirectory(t)
  const clock = new ManualClock()
  const sink = textSink(dir, { rolling: { rolloverInterval: 10 } })
  const driver = await open(t, sink, { clock })
  driver.write('a')
  const restored = await driver.checkpoint(1, false, () => clock.advance(10))
  await driver.close()
  const again = await open(t, sink, { clock, restored, attempt: 1 })
  again.write('b')
  await again.checkpoint(2, true)
  await again.complete(2)
  t.same(Object.values(visible(dir)), ['a\nb\n'])
})

t.test('file sink - a job without checkpoints removes what its earlier attempts left', async (t) => {
  const dir = temporaryDirectory(t)
  const sink = textSink(dir)
  const first = await open(t, sink, { hasCheckpoints: false })
  first.write('a')
  await first.flush()
  t.equal(hidden(dir).length, 1)
  const second = await open(t, sink, { hasCheckpoints: false, attempt: 1 })
  second.write('a')
  await second.finish()
  t.same(hidden(dir), [])
  t.same(Object.values(visible(dir)), ['a\n'])
})

t.test('file sink - a writer that is closed takes with it what no snapshot has', async (t) => {
  const dir = temporaryDirectory(t)
  const driver = await open(t, textSink(dir, { bucket: (value) => value }))
  driver.write('a')
  await driver.checkpoint(1)
  driver.write('b')
  await driver.flush()
  t.equal(hidden(dir).length, 2)
  await driver.close()
  t.match(hidden(dir), [/^a\//])
})

t.test('file sink - a part taken over from another job is copied', async (t) => {
  const dir = temporaryDirectory(t)
  const sink = textSink(dir)
  const first = await open(t, sink, { jobId: 'old' })
  first.write('a')
  const savepoint = await first.checkpoint(1)
  first.write('b')
  const second = await open(t, sink, { jobId: 'new', restored: savepoint })
  second.write('c')
  await second.checkpoint(2, true)
  await second.complete(2)
  await second.close()
  await first.checkpoint(2, true)
  await first.complete(2)
  await first.close()
  t.same(Object.values(visible(dir)).sort(), ['a\nb\n', 'a\nc\n'], 'both jobs go on')
})

t.test(
  'file sink - too many parts in progress: the one not written to for longest is finished',
  async (t) => {
    const dir = temporaryDirectory(t)
    const clock = new ManualClock()
    const driver = await open(t, textSink(dir, { bucket: (value) => value, openPartsMax: 2 }), { clock })
    for (const bucket of ['a', 'b', 'a', 'c', 'b']) {
      driver.write(bucket)
      await clock.advance(10)
    }
    await driver.checkpoint(1)
    await driver.complete(1)
    t.same(
      Object.keys(visible(dir)).map((name) => name[0]),
      ['a', 'b'],
      'b made room for c, a for b',
    )
    await driver.close()
  },
)

t.test('file sink - more than the buffer may hold has to wait for the disk', async (t) => {
  const dir = temporaryDirectory(t)
  const driver = await open(t, textSink(dir, { bufferBytesMax: 1000 }), { hasCheckpoints: false })
  t.equal(driver.whenReady(), undefined)
  const record = 'x'.repeat(200_000)
  driver.write(record)
  driver.write('another buffer')
  const ready = driver.whenReady()
  t.type(ready, Promise)
  await ready
  t.equal(driver.whenReady(), undefined)
  await driver.finish()
  t.same(Object.values(visible(dir)), [`${record}\nanother buffer\n`])
})

t.test('file sink - errors name the path and what to do', async (t) => {
  const dir = temporaryDirectory(t)
  writeFileSync(join(dir, 'file'), '')
  const driver = await open(t, textSink(join(dir, 'file', 'out')))
  driver.write('a')
  const error = {
    code: 'CONNECTOR_FAILED',
    message: /^cannot write .*file\/out\/\.part-0-0-.*: a part of the path is a file/,
  }
  await t.rejects(driver.checkpoint(1), error)
  t.match(driver.errors, [error])
  await driver.close()
  const unasked = await open(t, textSink(join(dir, 'file', 'out')))
  unasked.write('a')
  while (unasked.errors.length === 0) await new Promise<void>((resolve) => systemClock.defer(resolve))
  t.match(unasked.errors, [error], 'reported as soon as it happens')
  const of = (code: string) =>
    fileError('write', '/data/part-0', Object.assign(new Error('x'), { code })).message
  t.equal(of('ENOSPC'), 'cannot write /data/part-0: the disk is full; free some space or choose another path')
  t.equal(
    of('EACCES'),
    'cannot write /data/part-0: permission denied; let the user that runs the job have access',
  )
  t.equal(fileError('read', '/x', new Error('odd')).message, 'cannot read /x: odd')
})

t.test('file sink - json of values without type', async (t) => {
  const dir = temporaryDirectory(t)
  const driver = await open(t, fileSink({ path: dir, format: jsonLines() }), { hasCheckpoints: false })
  driver.write({ big: 10n, at: new Map([['a', Number.NaN]]) })
  await driver.finish()
  t.same(Object.values(visible(dir)), ['{"big":"10","at":{"a":"NaN"}}\n'])
})

/** What happens to a job between two checkpoints. */
type Event =
  | { readonly kind: 'write'; readonly count: number }
  | { readonly kind: 'time'; readonly ms: number }
  | { readonly kind: 'checkpoint'; readonly isCompleted: boolean; readonly isNotified: boolean }
  | { readonly kind: 'crash'; readonly parallelism: number; readonly isClosed: boolean }

const event = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constant('write' as const), count: fc.integer({ min: 1, max: 5 }) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('time' as const), ms: fc.constantFrom(10, 1000, 70_000) }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('checkpoint' as const),
      isCompleted: fc.boolean(),
      isNotified: fc.boolean(),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('crash' as const),
      parallelism: fc.integer({ min: 1, max: 3 }),
      isClosed: fc.boolean(),
    }),
  },
)

t.test('file sink - every record once, whatever fails and however the parallelism changes', async (t) => {
  const root = temporaryDirectory(t)
  let count = 0
  const rolling = fc.constantFrom('on-checkpoint' as const, { partBytes: 8 }, { partBytes: 1000 })
  await fc.assert(
    fc.asyncProperty(fc.array(event, { maxLength: 20 }), rolling, async (events, policy) => {
      const dir = join(root, String(count++))
      mkdirSync(dir)
      const job = new SinkJob(textSink(dir, { rolling: policy, bucket: (value) => `b${Number(value) % 3}` }))
      await job.open(1)
      for (const each of events) await job.on(each)
      await job.end()
      const found = Object.values(visible(dir)).flatMap((text) => text.split('\n').slice(0, -1))
      t.same(
        found.map(Number).sort((a, b) => a - b),
        Array.from({ length: job.written }, (_, i) => i),
      )
      t.ok(
        Object.entries(visible(dir)).every(([name, text]) =>
          text
            .split('\n')
            .slice(0, -1)
            .every((value) => name.startsWith(`b${Number(value) % 3}/`)),
        ),
      )
    }),
    runs(60),
  )
})

/** A job that writes the numbers from 0 on, and after a crash goes on where the last complete checkpoint was. */
class SinkJob {
  written = 0
  readonly #sink: ReturnType<typeof textSink>
  readonly #clock = new ManualClock()
  #drivers: SinkDriver<string, unknown, unknown>[] = []
  #zombies: SinkDriver<string, unknown, unknown>[] = []
  #attempt = 0
  #checkpointId = 0
  #completed: { readonly position: number; readonly subtasks: readonly SinkSnapshot[] } = {
    position: 0,
    subtasks: [],
  }

  constructor(sink: ReturnType<typeof textSink>) {
    this.#sink = sink
  }

  /** Elements of list states go to subtasks in contiguous runs; those of the two states independently. */
  async open(parallelism: number): Promise<void> {
    const writers = this.#completed.subtasks.flatMap(({ writer }) => writer)
    const pending = this.#completed.subtasks.flatMap((subtask) => subtask.pending)
    const attempt = this.#attempt++
    const part = <E>(all: readonly E[], index: number) =>
      all.filter((_, i) => Math.floor((i * parallelism) / all.length) === index)
    this.#drivers = []
    for (let index = 0; index < parallelism; index++) {
      const options: SinkDriverOptions = { clock: this.#clock, parallelism, subtaskIndex: index, attempt }
      const restored = { writer: part(writers, index), pending: part([...pending].reverse(), index) }
      this.#drivers.push(await SinkDriver.open(this.#sink as never, { ...options, restored }))
    }
  }

  async on(each: Event): Promise<void> {
    if (each.kind === 'write') {
      for (let i = 0; i < each.count; i++, this.written++) {
        this.#drivers[this.written % this.#drivers.length]!.write(String(this.written))
      }
    } else if (each.kind === 'time') await this.#clock.advance(each.ms)
    else if (each.kind === 'checkpoint') await this.#checkpoint(each.isCompleted, each.isNotified, false)
    else {
      // Without a close, what the zombie still has in hand goes to the disk all the same.
      await Promise.all(this.#drivers.map((driver) => (each.isClosed ? driver.close() : driver.flush())))
      if (!each.isClosed) this.#zombies.push(...this.#drivers)
      this.written = this.#completed.position
      await this.open(each.parallelism)
    }
  }

  async end(): Promise<void> {
    await this.#checkpoint(true, true, true)
    for (const driver of [...this.#drivers, ...this.#zombies]) await driver.close()
  }

  async #checkpoint(isCompleted: boolean, isNotified: boolean, isEnd: boolean): Promise<void> {
    const id = ++this.#checkpointId
    const subtasks = await Promise.all(this.#drivers.map((driver) => driver.checkpoint(id, isEnd)))
    if (!isCompleted) return
    this.#completed = { position: this.written, subtasks }
    if (isNotified) await Promise.all(this.#drivers.map((driver) => driver.complete(id)))
  }
}
