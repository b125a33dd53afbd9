/** Adds up numbers by their last digit; prints what args say, or nothing. */
import { blackholeSink, generator, job, printSink, t } from 'sluice'

export default job('count', (env) => {
  const numbers = generator({
    generate: (i) => i,
    count: Number(env.args[0] ?? 1000),
    type: t.int64,
    name: 'numbers',
  })
  env
    .source(numbers, { uid: 'numbers' })
    .keyBy((n) => n % 10)
    .reduce((a, b) => a + b, { uid: 'sum', name: 'sum' })
    .sinkTo(env.args[1] === 'print' ? printSink() : blackholeSink(), { uid: 'out' })
})
