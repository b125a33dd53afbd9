/** Times that are none: what a job fails with, and where it says that happened. */
import t from 'tap'
import type { StreamEnvironment } from '../../lib/api/stream-environment.ts'
import { failureOf } from '../../lib/client/cluster-client.ts'
import { collection, generator } from '../../lib/connectors/generator.ts'
import {
  ascendingTimestamps,
  boundedOutOfOrderness,
  punctuated,
  watermarkGenerator,
} from '../../lib/time/watermark-strategy.ts'
import { t as types } from '../../lib/types/t.ts'
import { graphOf, numbers } from '../support/build-graph.ts'
import { runJob } from './virtual-jobs.ts'

const ITEMS = [1, 2, 3.5, 4]

async function failure(define: (env: StreamEnvironment) => void): Promise<Error | undefined> {
  return failureOf(await runJob(define))
}

const floats = collection(ITEMS, types.float64)

t.test('timestamps - one that is no whole number fails the job, and the record is named', async (t) => {
  for (const bad of [3.5, Number.NaN, Number.POSITIVE_INFINITY, undefined as never]) {
    const strategy = ascendingTimestamps<number>((n) => (n === 3.5 ? bad : n))
    const onSource = await failure((env) =>
      env.source(floats, { name: 'numbers', watermarks: strategy }).print(),
    )
    t.match(onSource, {
      code: 'TIMESTAMP_INVALID',
      message: new RegExp(`record 3 of the source: operator "numbers": .*found ${bad}`),
    })
    const onStream = await failure((env) =>
      env
        .source(floats)
        .rebalance()
        .watermarks(strategy, { name: 'late', startNewChain: true })
        .filter(() => false)
        .print(),
    )
    t.match(onStream, {
      code: 'TIMESTAMP_INVALID',
      message: new RegExp(`record 2 from subtask 0 of input 1: operator "late": .*found ${bad}`),
    })
  }
})

t.test('timestamps - neither may the source itself give one', async (t) => {
  const source = generator({ count: 4, generate: (i) => ITEMS[i]!, timestamp: (n) => n, name: 'numbers' })
  const error = await failure((env) =>
    env
      .source(source)
      .filter(() => false)
      .print(),
  )
  t.match(error, {
    code: 'TIMESTAMP_INVALID',
    message: /record 3 of the source: operator "numbers": .*found 3\.5/,
  })
})

t.test('watermarks - one that is no time fails the job, whoever made it', async (t) => {
  const punctuating = punctuated<number>(
    (n) => (n === 4 ? Number.NaN : n - 1),
    (n) => Math.floor(n),
  )
  const generating = watermarkGenerator<number>(
    () => ({ onEvent() {}, onPeriodicEmit: (output) => output.emitWatermark(0.5) }),
    (n) => Math.floor(n),
  )
  for (const strategy of [punctuating, generating]) {
    const onSource = await failure((env) =>
      env
        .source(floats, { watermarks: strategy })
        .filter(() => false)
        .print(),
    )
    t.match(onSource, { code: 'TIMESTAMP_INVALID', message: /a watermark must be an integer/ })
    const onStream = await failure((env) =>
      env
        .source(floats)
        .map((n) => n)
        .watermarks(strategy)
        .filter(() => false)
        .print(),
    )
    t.match(onStream, { code: 'TIMESTAMP_INVALID', message: /a watermark must be an integer/ })
  }
})

t.test('durations - negative ones are refused when the graph is built', async (t) => {
  const strategies = [
    () => boundedOutOfOrderness<number>('-1s'),
    () => boundedOutOfOrderness<number>('1s').withIdleness('-5s'),
    () => boundedOutOfOrderness<number>('1s').withAlignment('g', '-5s'),
    () => boundedOutOfOrderness<number>('1s').withAlignment('g', '5s', '-1ms'),
    () => boundedOutOfOrderness<number>('1s').withAlignment('', '5s'),
  ]
  for (const strategy of strategies) {
    t.throws(() => graphOf((env) => env.source(numbers(1)).watermarks(strategy())), { code: 'GRAPH_INVALID' })
  }
  for (const duration of [Number.NaN, 'soon', '5 parsecs']) {
    t.throws(() => boundedOutOfOrderness(duration), { code: 'CONFIG_INVALID' })
  }
})
