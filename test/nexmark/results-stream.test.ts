/** Results that come back out of JetStream. */
import { jetstream } from '@nats-io/jetstream'
import { connect } from '@nats-io/transport-node'
import t from 'tap'
import { ResultsStream } from '../../bench/results-stream.ts'
import { startTestServer } from '../support/nats-server.ts'

/** More than one request fetches. */
const ROWS = Array.from({ length: 2500 }, (_, i) => JSON.stringify({ i }))

t.test('results stream - rows come back whole and in order, and the next stream is empty', async (t) => {
  const { url } = await startTestServer(t, { jetstream: true })
  const connection = await connect({ servers: url })
  t.teardown(() => connection.close())
  const send = async (args: readonly string[], rows: readonly string[]) => {
    const subject = args.find((arg) => arg.startsWith('--subject='))!.slice('--subject='.length)
    for (const row of rows) await jetstream(connection).publish(subject, row)
  }
  const abandoned = await ResultsStream.open(connection, 'q1')
  await send(abandoned.args, ['of a job that failed'])
  const stream = await ResultsStream.open(connection, 'q1')
  const other = await ResultsStream.open(connection, 'q2')
  await send(stream.args, ROWS)
  await send(other.args, ['other'])
  t.same(await stream.take(), ROWS)
  t.same(await other.take(), ['other'])
  t.same(await (await ResultsStream.open(connection, 'q1')).take(), [])
})
