/** Sums of windows, paced, into files below the directory args name. */
import { boundedOutOfOrderness, fileSink, generator, job, lines, t, tumbling } from 'sluice'

const Event = t.object({ n: t.int64, at: t.timestamp })

export default job('to-files', (env) => {
  const [path, count] = [env.args[0]!, Number(env.args[1])]
  env
    .source(
      generator({
        count,
        ratePerSecond: 1000,
        type: Event,
        generate: (n) => ({ n, at: n * 10 }),
        name: 'events',
      }),
      { uid: 'events', watermarks: boundedOutOfOrderness('100ms', ({ at }) => at) },
    )
    .keyBy(({ n }) => n % 10)
    .window(tumbling('1s'))
    .aggregate(
      {
        createAccumulator: () => 0,
        add: ({ n }, sum) => sum + n,
        getResult: (sum, { key, end }) => `${key} ${end} ${sum}`,
      },
      { uid: 'sums' },
    )
    .sinkTo(fileSink({ path, format: lines() }), { uid: 'files' })
})
