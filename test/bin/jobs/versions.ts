/**
 * Counts numbers by their last digit for ever, into files below the directory args name. The second argument says which
 * version it is: `renamed` and `retyped` do not fit what others have saved, `crashing` fails at its first record.
 */
import { fileSink, generator, job, lines, t, type ValueState, valueState } from 'sluice'

export default job('versions', (env) => {
  const [path, version] = [env.args[0]!, env.args[1]]
  const type = version === 'retyped' ? t.string : t.int64
  let count: ValueState<number>
  env
    .source(generator({ ratePerSecond: 200, type: t.int64, generate: (n) => n }), { uid: 'numbers' })
    .keyBy((n) => n % 10)
    .process(
      {
        open(context) {
          count = context.state(valueState('count', type as typeof t.int64))
        },
        processElement(n, _context, out) {
          if (version === 'crashing') throw new Error('this version does not work')
          count.update((count.value() ?? 0) + 1)
          out.collect(`${n % 10} ${count.value()}`)
        },
      },
      { uid: version === 'renamed' ? 'others' : 'counts', type: t.string },
    )
    .sinkTo(fileSink({ path, format: lines(), rolling: 'on-checkpoint' }), { uid: 'files' })
})
