import t from 'tap'
import { silentLogger } from '../../../lib/base/logger.ts'
import type { BusMessage } from '../../../lib/bus/bus.ts'
import { FencedBus } from '../../../lib/bus/fenced-bus.ts'
import { LocalBroker } from '../../../lib/bus/local-bus.ts'
import { ManualClock } from '../../../lib/testing/manual-clock.ts'

function setUp() {
  const clock = new ManualClock()
  const broker = new LocalBroker({ clock, logger: silentLogger })
  let isOpen = true
  return {
    clock,
    other: broker.connect(),
    fenced: new FencedBus(broker.connect(), () => isOpen),
    close: () => {
      isOpen = false
    },
  }
}
const EMPTY = new Uint8Array()

t.test('fenced bus - is the bus as long as it is open', async (t) => {
  const { clock, other, fenced } = setUp()
  const heard: string[] = []
  other.subscribe('from', ({ subject }) => void heard.push(subject))
  other.subscribe('asked', (message) => void message.respond(EMPTY))
  fenced.subscribe('to', (message) => {
    heard.push(message.subject)
    message.respond(new Uint8Array([7]))
  })
  fenced.publish('from', EMPTY)
  const [answer] = await Promise.all([
    other.request('to', EMPTY, 1000),
    fenced.request('asked', EMPTY, 1000),
    clock.advance(10),
  ])
  t.same(heard.sort(), ['from', 'to'])
  t.same([...answer.payload], [7])
})

t.test('fenced bus - then nothing leaves, nothing arrives, and no answer does either', async (t) => {
  const { clock, other, fenced, close } = setUp()
  const heard: string[] = []
  let question: BusMessage | null = null
  other.subscribe('>', ({ subject }) => void heard.push(subject))
  fenced.subscribe('to', (message) => {
    heard.push(`fenced ${message.subject}`)
    question = message
  })
  const unanswered = other.request('to', EMPTY, 1000)
  await clock.advance(1)
  const asked = fenced.request('nobody-answers', EMPTY, 1000)
  other.subscribe('late', (message) => void message.respond(EMPTY))
  const late = fenced.request('late', EMPTY, 1000)
  close()
  t.equal(question!.respond(EMPTY), false)
  fenced.publish('from', EMPTY)
  other.publish('to', EMPTY)
  await Promise.all([
    t.rejects(fenced.request('x', EMPTY, 1000), { code: 'NOT_LEADER' }),
    t.rejects(late, { code: 'NOT_LEADER' }, 'an answer that comes when it is closed is none'),
    t.rejects(asked, { code: 'TIMEOUT' }),
    t.rejects(unanswered, { code: 'TIMEOUT' }),
    clock.advance(2000),
  ])
  t.same(
    heard.filter((each) => each === 'from' || each.startsWith('fenced')),
    ['fenced to'],
  )
})
