/** The publisher over a link that loses messages and acknowledgements. */
import t, { type Test } from 'tap'
import { Publisher } from '../../../../lib/connectors/jetstream/publisher.ts'
import { ManualClock } from '../../../../lib/testing/manual-clock.ts'
import { FakeLink } from './fake-link.ts'

function start(t: Test, inFlightMax = 10) {
  const fake = new FakeLink()
  const clock = new ManualClock()
  const errors: Error[] = []
  const publisher = new Publisher({
    link: fake.link,
    clock,
    inFlightMax,
    inFlightBytesMax: 1000,
    retryMs: 10_000,
    onError: (error) => errors.push(error),
  })
  t.teardown(() => publisher.close())
  const publish = (value: number | string) =>
    publisher.publish({
      subject: 's',
      data: new TextEncoder().encode(JSON.stringify(value)),
      id: `id-${value}`,
      headers: null,
    })
  const sent = () => fake.published.map(({ id }) => id)
  /** Acknowledges what was published `i`-th. */
  const ack = (i: number) => fake.answer(fake.published[i]!.reply!, '{"stream":"S","seq":1}')
  return { fake, clock, publisher, errors, publish, sent, ack }
}

t.test('publisher - keeps to its window, and sends on as acknowledgements come', async (t) => {
  const { publisher, publish, sent, ack } = start(t, 3)
  for (let i = 0; i < 5; i++) publish(i)
  t.same(sent(), ['id-0', 'id-1', 'id-2'])
  t.equal(publisher.pendingCount, 5)
  let isReady = false
  void publisher.whenReady()!.then(() => {
    isReady = true
  })
  ack(1)
  t.same(sent(), ['id-0', 'id-1', 'id-2', 'id-3'])
  for (const i of [0, 2]) ack(i)
  await Promise.resolve()
  t.notOk(isReady)
  let isFlushed = false
  const flushed = publisher.flush().then(() => {
    isFlushed = true
  })
  ack(3)
  await new Promise<void>((resolve) => process.nextTick(resolve))
  t.ok(isReady, 'half of the window is free')
  t.notOk(isFlushed)
  ack(4)
  await flushed
  t.equal(publisher.whenReady(), undefined)
})

t.test('publisher - bytes are bounded as well', async (t) => {
  const { publish, sent } = start(t)
  for (let i = 0; i < 4; i++) publish(`${i}${'x'.repeat(600)}`)
  t.equal(sent().length, 2)
})

t.test('publisher - what is not acknowledged is sent again with the same id', async (t) => {
  const { clock, publish, sent, ack, publisher } = start(t)
  publish(1)
  publish(2)
  ack(0)
  ack(0)
  await clock.advance(2000)
  t.same(sent(), ['id-1', 'id-2'])
  await clock.advance(500)
  t.same(sent(), ['id-1', 'id-2', 'id-2'])
  ack(2)
  ack(1)
  await publisher.flush()
})

t.test('publisher - while disconnected nothing is sent, and then everything that is open', async (t) => {
  const { fake, clock, publish, sent, errors } = start(t)
  publish(1)
  fake.setStatus('disconnected')
  publish(2)
  await clock.advance(60_000)
  t.same(sent(), ['id-1'])
  fake.setStatus('connected')
  t.same(sent(), ['id-1', 'id-1', 'id-2'])
  t.same(errors, [])
})

t.test('publisher - gives up after the time it was given', async (t) => {
  const { clock, publish, publisher, errors } = start(t)
  publish(1)
  const flushed = publisher.flush()
  flushed.catch(() => {})
  await clock.advance(11_000)
  await t.rejects(flushed, {
    message: 'cannot publish to s at nats://fake: no acknowledgement came within 10s',
  })
  t.equal(errors.length, 1)
  await t.rejects(publisher.flush())
  t.equal(clock.timerCount, 0)
})

t.test('publisher - refusals: those that may pass are waited for, others fail at once', async (t) => {
  const { fake, clock, publish, sent, publisher, errors } = start(t)
  publish(1)
  const refuse = (i: number, code: number, description: string) =>
    fake.answer(fake.published[i]!.reply!, JSON.stringify({ error: { code, description } }))
  refuse(0, 503, 'insufficient resources')
  t.same(errors, [])
  await clock.advance(2500)
  t.equal(sent().length, 2)
  refuse(1, 400, 'expected stream does not match')
  await t.rejects(publisher.flush(), { message: /expected stream does not match/ })

  const other = start(t)
  other.publish(1)
  other.fake.answer(other.fake.published[0]!.reply!, 'what?')
  t.match(other.errors, [{ message: /an answer that is no acknowledgement: what\?/ }])
})

t.test('publisher - nobody takes the subject: tried for a while, in case the stream is moving', async (t) => {
  const { fake, clock, publish, sent, ack, publisher, errors } = start(t)
  publish(1)
  fake.answer(fake.published[0]!.reply!, '', 503)
  await clock.advance(250)
  t.same(sent(), ['id-1', 'id-1'])
  ack(1)
  await publisher.flush()
  publish(2)
  fake.answer(fake.published.at(-1)!.reply!, '', 503)
  await clock.advance(6000)
  t.match(errors, [
    {
      message:
        'cannot publish to s at nats://fake: no stream takes messages of this subject; there are SOME.',
    },
  ])
})

t.test('publisher - closing ends those who wait', async (t) => {
  const { publish, publisher } = start(t)
  publish(1)
  const flushed = publisher.flush()
  publisher.close()
  await t.rejects(flushed, { message: /closed with messages under way/ })
})
