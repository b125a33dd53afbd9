/** Two hundred elements a second, for ever, each with the time at which it came by in the file that args name. */
import { appendFileSync } from 'node:fs'
import { blackholeSink, generator, job, t } from 'sluice'

export default job('steady', (env) => {
  const file = env.args[0]!
  env
    .source(generator({ generate: (i) => i, ratePerSecond: 200, type: t.int64, name: 'numbers' }), {
      uid: 'numbers',
    })
    .keyBy((n) => n % 10)
    .reduce((a, b) => a + b, { uid: 'sum' })
    .map(
      (n) => {
        appendFileSync(file, `${Date.now()}\n`)
        return n
      },
      { uid: 'noted', type: t.int64 },
    )
    .sinkTo(blackholeSink(), { uid: 'out' })
})
