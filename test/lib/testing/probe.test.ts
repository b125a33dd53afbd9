import t from 'tap'
import { handling } from '../../../lib/actor/behavior.ts'
import { SluiceError } from '../../../lib/base/errors.ts'
import { Probe } from '../../../lib/testing/probe.ts'
import { virtualNetwork } from '../actor/virtual-system.ts'

type Desk = { order: { request: { item: string }; reply: number }; news: { request: object } }

t.test('probe - expects messages in order and answers the last', async (t) => {
  const { system, clock, run } = virtualNetwork()
  const probe = new Probe<Desk>(system, clock, 'desk')
  const asked = system.ask(probe.ref, { kind: 'order', item: 'tea' }, 1000)
  system.tell(probe.ref, { kind: 'news' })
  const { item } = await probe.expect('order')
  t.equal(item, 'tea')
  probe.reply(3)
  t.equal(await run(asked), 3)
  await probe.expect('news')
  await probe.expectNone(100)
  t.equal(clock.monotonic(), 100)
  const refused = t.rejects(system.ask(probe.ref, { kind: 'order', item: 'rum' }, 1000), {
    code: 'BLOB_NOT_FOUND',
  })
  await probe.expect('order')
  probe.fail(new SluiceError('BLOB_NOT_FOUND', 'no rum'))
  await run(refused)
})

t.test('probe - waits in virtual time, as long as it is told', async (t) => {
  const { system, clock } = virtualNetwork()
  const probe = new Probe<Desk>(system, clock, 'desk')
  clock.schedule(500, () => system.tell(probe.ref, { kind: 'news' }))
  await t.rejects(probe.expect('news', 499), /expected "news" within 499 ms, found nothing/)
  await probe.expect('news', 10)
  t.equal(clock.monotonic(), 500)
})

t.test('probe - says what it found instead', async (t) => {
  const { system, clock } = virtualNetwork()
  const probe = new Probe<Desk>(system, clock, 'desk')
  system.tell(probe.ref, { kind: 'news' })
  await t.rejects(probe.expectNone(10), /expected nothing for 10 ms, found .*news/)
  t.same(probe.unread, [{ kind: 'news' }])
  await t.rejects(probe.expect('order'), /expected "order".*found \{"kind":"news"\}/)
})

t.test('probe - watches', async (t) => {
  const { system, clock } = virtualNetwork()
  type Nothing = { never: { request: object } }
  const spawn = (subject: string) => system.spawn<Nothing>(subject, handling<Nothing>({ never: () => {} }))
  const [a, b, c] = [spawn('a'), spawn('b'), spawn('c')]
  const probe = new Probe<Desk>(system, clock, 'desk')
  for (const ref of [a, b]) probe.watch(ref)
  await clock.settle()
  probe.watch(c)
  probe.unwatch(b)
  for (const ref of [b, c, a]) system.stop(ref)
  t.match(await probe.expectTerminated(c), { reason: 'stopped' })
  await t.rejects(probe.expectTerminated(b, 10), /expected b to terminate within 10 ms, found a/)
  await t.rejects(probe.expectTerminated(b, 10), /found nothing/)
})
