/**
 * State that is read ahead, in whole jobs: with caches of a few entries, at any parallelism, over channels of every
 * kind, through checkpoints and failures, every key has been counted as often as it came; and on LevelDB itself.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import t from 'tap'
import { runLocal } from '../../actors/run-local.ts'
import { job } from '../../lib/api/job.ts'
import type { StreamEnvironment } from '../../lib/api/stream-environment.ts'
import type { Key } from '../../lib/base/hash.ts'
import { collection, generator } from '../../lib/connectors/generator.ts'
import type { Collector } from '../../lib/function/functions.ts'
import type { KeyedContext, KeyedProcessFunction } from '../../lib/function/process-functions.ts'
import type { RuntimeContext } from '../../lib/function/runtime-context.ts'
import type { ListState, ValueState } from '../../lib/state/state.ts'
import { listState, valueState } from '../../lib/state/state-descriptor.ts'
import { t as types } from '../../lib/types/t.ts'
import { runs } from '../lib/types/schema-arbitrary.ts'
import { listSink, runJob, virtualCheckpoint } from './virtual-jobs.ts'

/** Two states of a key, one of which goes now and then: what was removed must not come back. */
class Count implements KeyedProcessFunction<Key, number, string> {
  readonly #failAt: number
  #count!: ValueState<number>
  #since!: ListState<number>
  #attempt = 0
  #seen = 0

  /** `failAt`: the record, counted by subtask, at which the first attempt fails. */
  constructor(failAt = Number.POSITIVE_INFINITY) {
    this.#failAt = failAt
  }

  open(context: RuntimeContext): void {
    this.#attempt = context.attempt
    this.#count = context.state(valueState('count', types.int64))
    this.#since = context.state(listState('since', types.int64))
  }

  processElement(n: number, { currentKey }: KeyedContext<Key>, out: Collector<string>): void {
    if (this.#attempt === 0 && this.#seen++ === this.#failAt) throw new Error('on purpose')
    const count = (this.#count.value() ?? 0) + 1
    this.#count.update(count)
    if (count % 3 === 0) this.#since.clear()
    else this.#since.add(n)
    out.collect(`${JSON.stringify(currentKey)} ${count} ${[...this.#since.get()].length}`)
  }
}

/** What is said of each key last: how often it came, and how often since the count could be divided by 3. */
function expected(keys: readonly Key[]): string[] {
  const counts = new Map<string, number>()
  for (const key of keys) counts.set(JSON.stringify(key), (counts.get(JSON.stringify(key)) ?? 0) + 1)
  return [...counts].map(([key, count]) => `${key} ${count} ${count % 3}`).sort()
}

/** After a failure some are said again. */
function lastOf(results: readonly string[]): string[] {
  const last = new Map<string, [count: number, text: string]>()
  for (const text of results) {
    const [key, count] = text.split(' ') as [string, string]
    if (Number(count) >= (last.get(key)?.[0] ?? 0)) last.set(key, [Number(count), text])
  }
  return [...last.values()].map(([, text]) => text).sort()
}

t.test('prefetch jobs - every key is counted as often as it comes', async (t) => {
  const property = fc.asyncProperty(
    fc.array(fc.nat(60), { minLength: 20, maxLength: 300, size: 'max' }),
    fc.integer({ min: 1, max: 3 }),
    fc.constantFrom('auto' as const, 'nats' as const),
    fc.boolean(),
    fc.option(fc.nat(1500)),
    async (drawn, parallelism, exchange, isTuple, failAt) => {
      // Enough for many batches, so that some wait while others are processed.
      const numbers = Array.from({ length: 2500 }, (_, i) => drawn[i % drawn.length]!)
      const keyOf = (n: number): Key => (isTuple ? [n % 7, `${n}`] : n)
      const list: string[] = []
      const define = (env: StreamEnvironment) => {
        env
          .source(collection(numbers, types.int64), { parallelism: 1 })
          .keyBy(keyOf)
          .process(new Count(failAt ?? undefined), { startNewChain: true, type: types.string })
          .sinkTo(listSink(list))
      }
      await runJob(define, {
        parallelism,
        exchange,
        checkpoint: virtualCheckpoint,
        restart: { kind: 'fixed-delay', attempts: 5, delayMs: 100 },
        task: {
          frameBytes: 200,
          state: { backend: 'leveldb', timers: 'leveldb', memoryBytes: 1500, prefetchKeysMin: 1 },
        },
      })
      return lastOf(list).join() === expected(numbers.map(keyOf)).join()
    },
  )
  await t.resolves(fc.assert(property, runs(25)))
})

t.test('prefetch jobs - on LevelDB, with more keys than its cache has room for', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'sluice-prefetch-'))
  t.teardown(() => rmSync(directory, { recursive: true, force: true }))
  const keyOf = (i: number): string => `key-${(i * 7919) % 9000}`
  const list: string[] = []
  const counting = job('counting', (env) => {
    env
      .source(generator({ count: 30_000, type: types.int64, generate: (i) => i }))
      .keyBy(keyOf)
      .process(new Count(), { startNewChain: true, type: types.string })
      .sinkTo(listSink(list))
  })
  const state = { backend: 'leveldb', timers: 'heap', memoryBytes: 2 ** 20 } as const
  await runLocal(counting, { task: { state }, stateDirectory: directory })
  t.equal(list.length, 30_000)
  const keys = Array.from({ length: 30_000 }, (_, i) => keyOf(i))
  t.equal(lastOf(list).join('\n') === expected(keys).join('\n'), true, 'each as often as it came')
})
