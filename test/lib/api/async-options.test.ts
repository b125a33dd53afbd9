import t from 'tap'
import { type AsyncOptions, parseAsyncOptions } from '../../../lib/api/async-options.ts'
import type { StreamEnvironment } from '../../../lib/api/stream-environment.ts'
import type { DataStream } from '../../../lib/api/streams.ts'
import { t as types } from '../../../lib/types/t.ts'
import { build, numbers } from '../../support/build-graph.ts'

t.test('async options - what is not said', async (t) => {
  t.match(parseAsyncOptions({}), {
    isOrdered: true,
    capacity: 100,
    timeoutMs: 60_000,
    onTimeout: null,
    retry: null,
  })
  const { retry } = parseAsyncOptions({ retry: { retries: 3 } })
  t.same(
    [1, 2, 3].map((n) => retry!.delayMs(n)),
    [100, 100, 100],
  )
  t.equal(retry!.isErrorRetried(new Error()), true)
  t.equal(retry!.isResultRetried(undefined as never), false)
})

t.test('async options - delays grow up to a bound, which never makes the first one shorter', async (t) => {
  const delays = (more: object) => {
    const { retry } = parseAsyncOptions({ retry: { retries: 5, ...more } })
    return [1, 2, 3, 4, 5].map((n) => retry!.delayMs(n))
  }
  t.same(delays({ delay: '1s', multiplier: 2, delayMax: '5s' }), [1000, 2000, 4000, 5000, 5000])
  t.same(delays({ delay: '20s' }), [20_000, 20_000, 20_000, 20_000, 20_000])
})

t.test('async options - what makes no sense is refused', async (t) => {
  const refuse = (message: RegExp, options: AsyncOptions<number, number>) =>
    t.throws(() => parseAsyncOptions(options), { code: 'GRAPH_INVALID', message })
  refuse(/capacity.*found 0/, { capacity: 0 })
  refuse(/capacity.*found 1.5/, { capacity: 1.5 })
  refuse(/timeout must be positive/, { timeout: 0 })
  refuse(/order must be.*"sorted"/, { order: 'sorted' as 'ordered' })
  refuse(/retries.*found 0/, { retry: { retries: 0 } })
  refuse(/multiplier.*found 0.5/, { retry: { retries: 1, multiplier: 0.5 } })
  refuse(/multiplier.*found NaN/, { retry: { retries: 1, multiplier: Number.NaN } })
  refuse(/delay must not be negative/, { retry: { retries: 1, delay: -1 } })
  t.throws(() => parseAsyncOptions({ timeout: 'soon' }), { code: 'CONFIG_INVALID' })
})

t.test('async options - an asynchronous operator is not keyed, and says how it orders', async (t) => {
  const { origin } = build((env: StreamEnvironment) => {
    env
      .source(numbers(1))
      .keyBy((n) => n)
      .flatMapAsync(async (n) => [n, n], { order: 'unordered' })
  })
  const node = [...origin.nodes.values()].at(-1)!
  t.equal(node.operation, 'flatMapAsync(unordered)')
  t.same(node.keySelectors, [null])
})

/** Never called: only compiled. */
export function wrong(stream: DataStream<number>): void {
  const text: DataStream<string> = stream.mapAsync(async (n) => `${n}`, { type: types.string })
  const cached: DataStream<string> = stream.mapAsync((n) => (n > 0 ? Promise.resolve('x') : 'y'))
  const many: DataStream<string> = stream.flatMapAsync(async (n) => new Set([`${n}`]))
  void [text, cached, many]
  // @ts-expect-error: the type of the results is another
  stream.mapAsync(async (n) => `${n}`, { type: types.int32 })
  // @ts-expect-error: what a timeout stands for is a result
  stream.mapAsync(async (n) => n, { onTimeout: () => 'late' })
  // @ts-expect-error: a flatMap has many results
  stream.flatMapAsync(async (n) => n)
  // @ts-expect-error: no such order
  stream.mapAsync(async (n) => n, { order: 'sorted' })
}
