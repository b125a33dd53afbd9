/** Sums of windows into files. Arguments: their directory, how many elements, and how many of them per second. */
import { boundedOutOfOrderness, fileSink, generator, job, lines, t, tumbling } from 'sluice'

const Event = t.object({ n: t.int64, at: t.timestamp })

export default job('to-files', (env) => {
  const [path = '', count, ratePerSecond] = [env.args[0], Number(env.args[1]), Number(env.args[2])]
  env
    .source(
      generator({
        count,
        ratePerSecond,
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
    .sinkTo(fileSink({ path, format: lines(), rolling: 'on-checkpoint' }), { uid: 'files' })
})
