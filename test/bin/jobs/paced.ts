/** A thousand records a second, as many as args say, or for ever. */
import { blackholeSink, generator, job, t } from 'sluice'

export default job('paced', (env) => {
  const count = env.args[0] === undefined ? {} : { count: Number(env.args[0]) }
  const numbers = generator({
    generate: (i) => i,
    ratePerSecond: 1000,
    type: t.int64,
    name: 'numbers',
    ...count,
  })
  env
    .source(numbers, { uid: 'numbers' })
    .keyBy((n) => n % 10)
    .reduce((a, b) => a + b, { uid: 'sum', name: 'sum' })
    .sinkTo(blackholeSink(), { uid: 'out' })
})
