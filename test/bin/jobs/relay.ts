/** Numbers into a stream, or out of it onto the standard output; the server is the one the process was told. */
import { generator, jetstream, jetstreamSink, job, t } from 'sluice'

const Reading = t.object({ n: t.int64 })

export default job('relay', (env) => {
  if (env.args[0] === 'in') {
    env
      .source(generator({ count: 20, generate: (n) => ({ n }), type: Reading }))
      .sinkTo(jetstreamSink({ subject: 'relay.readings' }))
  } else env.source(jetstream({ stream: 'RELAY', type: Reading, boundedAt: 'end' })).print()
})
