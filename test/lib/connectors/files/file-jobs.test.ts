/** Whole jobs over files. */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { runLocal } from '../../../../actors/run-local.ts'
import { job } from '../../../../lib/api/job.ts'
import { collectSink } from '../../../../lib/connectors/collect.ts'
import { csv } from '../../../../lib/connectors/files/csv.ts'
import { fileSink } from '../../../../lib/connectors/files/file-sink.ts'
import { files } from '../../../../lib/connectors/files/files.ts'
import { jsonLines } from '../../../../lib/connectors/files/json-lines.ts'
import { lines } from '../../../../lib/connectors/files/lines.ts'
import { generator } from '../../../../lib/connectors/generator.ts'
import type { Collector } from '../../../../lib/function/functions.ts'
import { t as type } from '../../../../lib/types/t.ts'
import type { Infer } from '../../../../lib/types/type.ts'
import { temporaryDirectory } from '../../../support/nats-server.ts'

const count = type.object({ word: type.string, count: type.int32 })

function countWords(line: string, out: Collector<Infer<typeof count>>): void {
  for (const word of line.split(' ')) if (word !== '') out.collect({ word, count: 1 })
}

t.test('file jobs - words of a directory, counted into files, read back', async (t) => {
  const dir = temporaryDirectory(t)
  mkdirSync(join(dir, 'in'))
  for (let i = 0; i < 6; i++) writeFileSync(join(dir, 'in', `${i}.txt`), `a b\n${'b '.repeat(i)}\n`)
  const counting = job('count', (env) => {
    env
      .source(files({ path: join(dir, 'in'), format: lines(), splitBytes: 5 }))
      .flatMap(countWords, { type: count })
      .keyBy(({ word }) => word)
      .reduce((a, b) => ({ word: a.word, count: a.count + b.count }))
      .sinkTo(
        fileSink({ path: join(dir, 'out'), format: csv(count), bucket: ({ word }) => word, suffix: '.csv' }),
      )
  })
  await runLocal(counting, { parallelism: 2, threads: 'never' })
  t.same(readdirSync(join(dir, 'out')).sort(), ['a', 'b'])
  const rows = collectSink<{ word: string; count: number }>({ type: count })
  const reading = job('read', (env) => {
    env.source(files({ path: join(dir, 'out', '**', '*.csv'), format: csv(count) })).sinkTo(rows)
  })
  await runLocal(reading, { parallelism: 2, threads: 'never' })
  const most = (word: string) =>
    Math.max(...rows.items.filter((row) => row.word === word).map((row) => row.count))
  t.equal(most('a'), 6)
  t.equal(most('b'), 6 + 15)
})

t.test('file jobs - a path that does not exist fails the job, naming it', async (t) => {
  const missing = join(temporaryDirectory(t), 'nothing')
  const failing = job('fail', (env) =>
    env.source(files({ path: missing, format: lines() })).sinkTo(collectSink()),
  )
  await t.rejects(runLocal(failing), {
    code: 'CONNECTOR_FAILED',
    message: new RegExp(`cannot read ${missing}: no such file or directory`),
  })
})

t.test('file jobs - a restarted job writes its results once', async (t) => {
  const dir = temporaryDirectory(t)
  let failures = 0
  const failing = job('restart', (env) => {
    env
      .source(generator({ count: 1000, generate: (i) => i, type: type.int32 }))
      .map((i) => {
        if (i === 900 && failures++ < 2) throw new Error('on purpose')
        return { i }
      })
      .sinkTo(fileSink({ path: dir, format: jsonLines() }))
  })
  await runLocal(failing, { restart: { kind: 'fixed-delay', attempts: 2, delayMs: 1 } })
  const found = readdirSync(dir).flatMap((name) =>
    readFileSync(join(dir, name), 'utf8').split('\n').slice(0, -1),
  )
  t.equal(found.length, 1000)
  t.same(
    readdirSync(dir).filter((name) => name.startsWith('.')),
    [],
  )
})

t.test('collect - at most so many records', async (t) => {
  const rows = collectSink<number>({ itemsMax: 10 })
  const many = job('many', (env) => env.source(generator({ count: 11, generate: (i) => i })).sinkTo(rows))
  await t.rejects(runLocal(many), { code: 'CONNECTOR_FAILED', message: /at most 10 records/ })
  t.same(rows.items, [])
})
