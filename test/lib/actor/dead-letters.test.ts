import t from 'tap'
import { handling } from '../../../lib/actor/behavior.ts'
import { DeadLetters } from '../../../lib/actor/dead-letters.ts'
import { virtualNetwork } from './virtual-system.ts'

type Greeter = { greet: { request: { name: string }; reply: string } }
const greeter = () => handling<Greeter>({ greet: ({ name }, sender) => sender.reply(`hello ${name}`) })

t.test('dead letters - bytes that are no message are counted and cost nobody anything', async (t) => {
  const { system, outside, clock, run } = virtualNetwork()
  const ref = system.spawn('greeter', greeter())
  const malformed = [[0xc1], [0x93, 1, 2, 3], [0x81], [0x7b, 0x7b], [0x05], [0xdd, 0xff, 0xff, 0xff, 0xff]]
  for (const bytes of malformed) outside.publish('greeter.greet', new Uint8Array(bytes))
  await clock.settle()
  t.equal(system.deadLetters.counts.malformed, malformed.length)
  t.match(system.deadLetters.sample[0], { reason: 'malformed', subject: 'greeter.greet', atMs: 1_000_000 })
  t.equal(await run(system.ask(ref, { kind: 'greet', name: 'you' }, 1000)), 'hello you')
})

t.test('dead letters - who asked with malformed bytes is told', async (t) => {
  const { system, outside, run } = virtualNetwork()
  system.spawn('greeter', greeter())
  const answer = await run(outside.request('greeter.greet', new TextEncoder().encode('{"name":'), 1000))
  t.match(JSON.parse(new TextDecoder().decode(answer.payload)), { error: { code: 'DECODE_FAILED' } })
})

t.test('dead letters - a message larger than the system allows is malformed', async (t) => {
  const network = virtualNetwork()
  const system = network.createSystem({ payloadBytesMax: 100 })
  const ref = system.spawn('greeter', greeter())
  await t.rejects(network.run(system.ask(ref, { kind: 'greet', name: 'x'.repeat(200) }, 1000)), {
    code: 'PAYLOAD_TOO_LARGE',
  })
  t.equal(system.deadLetters.counts.malformed, 1)
})

t.test('dead letters - they are published where the system is told to', async (t) => {
  const network = virtualNetwork()
  const system = network.createSystem({ deadLetterSubject: ({ reason }) => `sluice.c1.dl.${reason}` })
  const heard: string[] = []
  network.outside.subscribe('sluice.c1.dl.>', ({ subject, payload }) => {
    heard.push(`${subject} ${JSON.parse(new TextDecoder().decode(payload)).subject}`)
  })
  system.spawn('greeter', greeter())
  network.outside.publish('greeter.dance', new TextEncoder().encode('{}'))
  await network.clock.settle()
  t.same(heard, ['sluice.c1.dl.unhandled greeter.dance'])
})

t.test('dead letters - all are counted, the last 64 are kept', async (t) => {
  const letters = new DeadLetters(() => {})
  for (let atMs = 0; atMs < 100; atMs++) letters.add({ reason: 'unhandled', subject: 'x', detail: '', atMs })
  t.equal(letters.total, 100)
  t.equal(letters.sample.length, 64)
  t.equal(letters.sample[0]?.atMs, 36)
})
