/** Never comes back from its function. */
import { blackholeSink, generator, job } from 'sluice'

export default job('spins', (env) => {
  const spin = (n: number): number => {
    process.stderr.write('spinning\n')
    for (let i = n; ; ) i = (i + 1) % 7
  }
  env
    .source(generator({ generate: (i) => i, count: 10 }))
    .map(spin)
    .sinkTo(blackholeSink())
})
