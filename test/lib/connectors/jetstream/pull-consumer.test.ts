/** The consumer over a link that loses messages, falls silent and says odd things. */
import { JetStreamApiError } from '@nats-io/jetstream'
import t, { type Test } from 'tap'
import { silentLogger } from '../../../../lib/base/logger.ts'
import { MessageBuffer } from '../../../../lib/connectors/jetstream/message-buffer.ts'
import { PullConsumer } from '../../../../lib/connectors/jetstream/pull-consumer.ts'
import { ManualClock } from '../../../../lib/testing/manual-clock.ts'
import { FakeLink } from './fake-link.ts'

interface Subject {
  readonly fake: FakeLink
  readonly clock: ManualClock
  readonly consumer: PullConsumer
  readonly buffer: MessageBuffer
  readonly errors: Error[]
  /** Times the consumer said that nothing is left. */
  readonly caughtUp: () => number
  /** The inbox in use. */
  readonly inbox: () => string
  /** Sequences in the buffer. */
  readonly take: () => number[]
}

async function start(
  t: Test,
  options: { messagesMax?: number; isBounded?: boolean; next?: number } = {},
): Promise<Subject> {
  const fake = new FakeLink()
  const clock = new ManualClock()
  const buffer = new MessageBuffer(options.messagesMax ?? 10_000, 64 * 1024 * 1024)
  const errors: Error[] = []
  let caughtUp = 0
  const consumer = new PullConsumer({
    link: fake.link,
    stream: 'S',
    subject: '>',
    next: options.next ?? 1,
    clock,
    log: silentLogger,
    buffer,
    isBounded: options.isBounded ?? false,
    onMessage: () => {},
    onCaughtUp: () => caughtUp++,
    onError: (error) => errors.push(error),
  })
  t.teardown(() => consumer.close())
  consumer.start()
  await clock.settle()
  const take = () => {
    const sequences: number[] = []
    for (let message = buffer.peek(); message !== undefined; message = buffer.peek()) {
      sequences.push(message.sequence)
      buffer.drop()
    }
    return sequences
  }
  return {
    fake,
    clock,
    consumer,
    buffer,
    errors,
    caughtUp: () => caughtUp,
    inbox: () => fake.inboxes[0]!,
    take,
  }
}

const starts = ({ fake }: Subject) => fake.consumers.map(({ opt_start_seq }) => opt_start_seq)

t.test('pull consumer - hands messages over in order, with what the server says of them', async (t) => {
  const subject = await start(t, { next: 5 })
  t.same(starts(subject), [5])
  subject.fake.deliver(subject.inbox(), 5, 1)
  subject.fake.deliver(subject.inbox(), 8, 2, 77)
  t.equal(subject.buffer.peek()?.timestamp, 1_700_000_000_000)
  t.same(subject.take(), [5, 8])
  t.equal(subject.consumer.pending, 77)
})

t.test('pull consumer - a gap in its count is never skipped', async (t) => {
  const subject = await start(t)
  const first = subject.inbox()
  subject.fake.deliver(first, 1, 1)
  subject.fake.deliver(first, 3, 3)
  subject.fake.deliver(first, 4, 4)
  await subject.clock.settle()
  t.same(starts(subject), [1, 2])
  subject.fake.deliver(first, 2, 2)
  subject.fake.deliver(subject.inbox(), 2, 1)
  subject.fake.deliver(subject.inbox(), 3, 2)
  t.same(subject.take(), [1, 2, 3], 'nothing of the consumer that was given up')
})

t.test(
  'pull consumer - a heartbeat that has seen more than came means that messages were lost',
  async (t) => {
    const subject = await start(t)
    subject.fake.deliver(subject.inbox(), 1, 1)
    subject.fake.status(subject.inbox(), 100, 'Idle Heartbeat', { 'Nats-Last-Consumer': '1' })
    await subject.clock.settle()
    t.same(starts(subject), [1])
    subject.fake.status(subject.inbox(), 100, 'Idle Heartbeat', { 'Nats-Last-Consumer': '2' })
    await subject.clock.settle()
    t.same(starts(subject), [1, 2])
  },
)

t.test(
  'pull consumer - a server that is silent is given up; one that says that it is idle is not',
  async (t) => {
    const subject = await start(t)
    for (let i = 0; i < 10; i++) {
      await subject.clock.advance(1000)
      subject.fake.status(subject.inbox(), 100, 'Idle Heartbeat', { 'Nats-Last-Consumer': '0' })
    }
    t.same(starts(subject), [1])
    await subject.clock.advance(5000)
    t.same(starts(subject), [1, 1])
  },
)

t.test('pull consumer - nobody is silent who was not asked', async (t) => {
  const subject = await start(t, { messagesMax: 2 })
  subject.fake.deliver(subject.inbox(), 1, 1)
  subject.fake.deliver(subject.inbox(), 2, 2)
  await subject.clock.advance(60_000)
  t.same(starts(subject), [1], 'the buffer is full, nothing has been asked for')
})

t.test('pull consumer - a renewed connection means a new consumer', async (t) => {
  const subject = await start(t)
  subject.fake.deliver(subject.inbox(), 1, 1)
  subject.fake.setStatus('disconnected')
  subject.fake.setStatus('connected')
  await subject.clock.settle()
  t.same(starts(subject), [1, 2])
  subject.consumer.close()
  subject.fake.setStatus('connected')
  await subject.clock.settle()
  t.same(starts(subject), [1, 2])
  t.equal(subject.clock.timerCount, 0)
})

t.test('pull consumer - asks for what the buffer has room for, several requests at a time', async (t) => {
  const subject = await start(t, { messagesMax: 2500 })
  const batches = () => subject.fake.published.map(({ data }) => (data as { batch: number }).batch)
  t.same(batches(), [1024, 1024, 452])
  for (let i = 1; i <= 1024; i++) subject.fake.deliver(subject.inbox(), i, i)
  t.same(batches().length, 3, 'no room')
  subject.take()
  subject.consumer.pull()
  t.same(batches(), [1024, 1024, 452, 1024])
})

t.test('pull consumer - a request that has ended is replaced, whatever ended it', async (t) => {
  const subject = await start(t, { messagesMax: 100 })
  t.equal(subject.fake.published.length, 1)
  const left = { 'Nats-Pending-Messages': '100', 'Nats-Pending-Bytes': '1' }
  subject.fake.status(subject.inbox(), 408, 'Request Timeout', left)
  t.equal(subject.fake.published.length, 2)
  subject.fake.status(subject.inbox(), 409, 'Message Size Exceeds MaxBytes', left)
  t.equal(subject.fake.published.length, 3)
  subject.fake.status(subject.inbox(), 404, 'No Messages')
  t.equal(subject.fake.published.length, 4)
  t.same(starts(subject), [1])
})

t.test('pull consumer - statuses that mean the end of the consumer', async (t) => {
  const subject = await start(t)
  const codes = [
    [409, 'Consumer Deleted'],
    [409, 'Leadership Change'],
    [503, ''],
  ] as const
  for (const [i, [code, description]] of codes.entries()) {
    subject.fake.status(subject.inbox(), code, description)
    await subject.clock.settle()
    t.equal(subject.fake.consumers.length, i + 2, description)
  }
})

t.test('pull consumer - bounded, it says when nothing is left', async (t) => {
  const subject = await start(t, { isBounded: true })
  t.equal(subject.caughtUp(), 0)
  subject.fake.deliver(subject.inbox(), 1, 1, 1)
  t.equal(subject.caughtUp(), 0)
  subject.fake.deliver(subject.inbox(), 2, 2, 0)
  t.equal(subject.caughtUp(), 1)

  const other = await start(t, { isBounded: true })
  other.fake.deliver(other.inbox(), 1, 1, 5)
  other.fake.consumerNow = { num_pending: 0, delivered: { consumer_seq: 2 } }
  other.fake.status(other.inbox(), 408, 'Request Timeout')
  await other.clock.settle()
  t.equal(other.caughtUp(), 0, 'a message is on its way')
  other.fake.consumerNow = { num_pending: 0, delivered: { consumer_seq: 1 } }
  other.fake.status(other.inbox(), 408, 'Request Timeout')
  await other.clock.settle()
  t.equal(other.caughtUp(), 1, 'the rest was deleted')
})

t.test('pull consumer - making one is tried again, ever more slowly, and not for ever', async (t) => {
  const subject = await start(t)
  subject.fake.addError = new Error('timeout')
  subject.fake.status(subject.inbox(), 409, 'Consumer Deleted')
  await subject.clock.advance(60_000)
  subject.fake.addError = null
  await subject.clock.advance(5000)
  t.equal(subject.fake.consumers.length, 2)
  subject.fake.addError = new Error('timeout')
  subject.fake.status(subject.inbox(), 409, 'Consumer Deleted')
  await subject.clock.advance(650_000)
  t.match(subject.errors, [
    { code: 'CONNECTOR_FAILED', message: 'cannot read stream S at nats://fake: timeout' },
  ])
})

t.test('pull consumer - what cannot get better fails at once', async (t) => {
  const refusal = (code: number, description: string) =>
    new JetStreamApiError({ code: 400, err_code: code, description })
  const subject = await start(t)
  subject.fake.addError = refusal(10059, 'stream not found')
  subject.fake.status(subject.inbox(), 409, 'Stream Deleted')
  await subject.clock.settle()
  t.match(subject.errors, [{ message: 'cannot read stream S at nats://fake: it has gone; there are SOME.' }])

  const limited = await start(t)
  limited.fake.addError = refusal(10026, 'maximum consumers limit reached')
  limited.fake.setStatus('connected')
  await limited.clock.settle()
  t.match(limited.errors, [{ code: 'CONNECTOR_FAILED', message: /maximum consumers limit reached/ }])

  const denied = await start(t)
  denied.fake.refuse(denied.inbox(), new Error('permissions violation'))
  t.match(denied.errors, [{ code: 'CONNECTOR_FAILED', message: /permissions violation/ }])
})

t.test('pull consumer - a stream that is shorter than our position was made anew', async (t) => {
  const subject = await start(t)
  subject.fake.deliver(subject.inbox(), 41, 1)
  subject.fake.stream = { first_seq: 1, last_seq: 40 }
  subject.fake.setStatus('connected')
  await subject.clock.settle()
  t.match(subject.errors, [{ message: /stream S ends at sequence 40, but 42 is to be read next/ }])
})
