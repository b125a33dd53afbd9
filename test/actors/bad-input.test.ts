/** What jobs make of records and functions that cannot work: an error that says where, which, and what to do. */
import t from 'tap'
import { runLocal } from '../../actors/run-local.ts'
import { job } from '../../lib/api/job.ts'
import type { StreamEnvironment } from '../../lib/api/stream-environment.ts'
import { generator } from '../../lib/connectors/generator.ts'
import { ascendingTimestamps } from '../../lib/time/watermark-strategy.ts'
import { t as types } from '../../lib/types/t.ts'
import { session, sliding, tumbling } from '../../lib/window/window-assigner.ts'
import { listSink } from './virtual-jobs.ts'

const numbers = (env: StreamEnvironment) =>
  env.source(generator({ count: 10, type: types.int64, generate: (n) => n }), {
    name: 'numbers',
    uid: 'numbers',
  })

const promised = (() => Promise.resolve(1)) as never

const cases: [string, (env: StreamEnvironment) => void, { code: string; message: RegExp }][] = [
  [
    'no timestamps, tumbling',
    (env) =>
      numbers(env)
        .keyBy((n) => n)
        .window(tumbling('1s'))
        .reduce((a, b) => a + b, { name: 'sums', uid: 'sums' }),
    {
      code: 'TIMESTAMP_MISSING',
      message: /operator "sums".*record 1 of the source.*set a watermark strategy/,
    },
  ],
  [
    'no timestamps, sessions',
    (env) =>
      numbers(env)
        .keyBy((n) => n)
        .window(session('1s'))
        .reduce((a, b) => a + b, { name: 'visits' }),
    { code: 'TIMESTAMP_MISSING', message: /operator "visits".*set a watermark strategy/ },
  ],
  [
    'no timestamps, the whole stream',
    (env) =>
      numbers(env)
        .windowAll(sliding('4s', '1s'))
        .reduce((a, b) => a + b),
    { code: 'TIMESTAMP_MISSING', message: /operator "pre-aggregate".*set a watermark strategy/ },
  ],
  [
    'no timestamps, window join',
    (env) =>
      numbers(env)
        .keyBy((n) => n)
        .join(numbersAgain(env))
        .window(tumbling('1s'))
        .map((a) => a, { name: 'pairs' }),
    { code: 'TIMESTAMP_MISSING', message: /operator "pairs".*set a watermark strategy/ },
  ],
  [
    'a timestamp that is not a number',
    (env) => numbers(env).watermarks(ascendingTimestamps((n) => (n === 7 ? Number.NaN : n))),
    { code: 'TIMESTAMP_INVALID', message: /operator "numbers" .*record 8 of the source.*found NaN/ },
  ],
  [
    'half a millisecond',
    (env) =>
      numbers(env)
        .map((n) => n, { type: types.int64 })
        .watermarks(
          ascendingTimestamps((n) => n / 2),
          { name: 'times' },
        )
        .sinkTo(listSink([])),
    { code: 'TIMESTAMP_INVALID', message: /operator "times" .*record 2 of the source.*found 0.5/ },
  ],
  [
    'a session gap of nothing',
    (env) =>
      numbers(env)
        .watermarks(ascendingTimestamps((n) => n))
        .keyBy((n) => n)
        .window(session((n: number) => 3 - n))
        .reduce((a, b) => a + b, { name: 'visits' }),
    {
      code: 'GRAPH_INVALID',
      message: /operator "visits".*record 4 of the source.*gap must be a positive.*found 0/,
    },
  ],
  [
    'a promise from map',
    (env) => numbers(env).map(promised, { name: 'lookup' } as never),
    { code: 'USER_FUNCTION_FAILED', message: /operator "lookup".*returned a promise.*mapAsync/ },
  ],
  [
    'a promise from filter',
    (env) => numbers(env).filter(promised, { name: 'choice' }),
    { code: 'USER_FUNCTION_FAILED', message: /operator "choice".*filter function.*returned a promise/ },
  ],
  [
    'a promise from flatMap',
    (env) => numbers(env).flatMap(promised, { name: 'parts' }),
    { code: 'USER_FUNCTION_FAILED', message: /operator "parts".*flatMap function.*returned a promise/ },
  ],
  [
    'a promise from process',
    (env) => numbers(env).process({ processElement: promised }, { name: 'work' }),
    { code: 'USER_FUNCTION_FAILED', message: /operator "work".*process function.*returned a promise/ },
  ],
  [
    'a promise from a keyed process function',
    (env) =>
      numbers(env)
        .keyBy((n) => n)
        .process({ processElement: promised }, { name: 'work' }),
    { code: 'USER_FUNCTION_FAILED', message: /operator "work".*process function.*returned a promise/ },
  ],
]

function numbersAgain(env: StreamEnvironment) {
  return env.source(generator({ count: 1, type: types.int64, generate: (n) => n })).keyBy((n) => n)
}

for (const [name, define, expected] of cases) {
  t.test(`bad input - ${name}`, async (t) => {
    await t.rejects(runLocal(job('bad', define)), expected)
  })
}
