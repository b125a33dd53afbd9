import fc from 'fast-check'
import t from 'tap'
import { ANY, parseSubject, subjects, verbOf } from '../../../lib/bus/subjects.ts'

const s = subjects('c1')

t.test('subjects - every plane has its place', async (t) => {
  t.equal(s.control('coordinator'), 'sluice.c1.ctl.coordinator')
  t.equal(s.control('coordinator', 'submit'), 'sluice.c1.ctl.coordinator.submit')
  t.equal(s.actor('j1', 'count', 3), 'sluice.c1.act.j1.count.3')
  t.equal(s.actor('j1', 'count', 'all', 'flush'), 'sluice.c1.act.j1.count.all.flush')
  t.equal(s.data('j1', 2, 'e0', 5, 4), 'sluice.c1.dat.j1.2.e0.5.4')
  t.equal(s.credit('j1', 2, 'e0', 4, 5), 'sluice.c1.crd.j1.2.e0.4.5')
  t.equal(s.state('j1', 'count', 'total'), 'sluice.c1.kv.j1.count.total')
  t.equal(s.event('j1', 'checkpoint'), 'sluice.c1.evt.j1.checkpoint')
  t.equal(s.metric('j1', 'count', 0), 'sluice.c1.met.j1.count.0')
  t.equal(s.log('warn', 'n1'), 'sluice.c1.log.warn.n1')
  t.equal(s.tap('j1', 'e0', 0), 'sluice.c1.tap.j1.e0.0')
  t.equal(s.deadLetter('malformed'), 'sluice.c1.dl.malformed')
})

t.test('subjects - wildcards are asked for, never spelt', async (t) => {
  t.equal(s.data('j1', 2, 'e0', 5, ANY), 'sluice.c1.dat.j1.2.e0.5.*')
  t.equal(s.under('data', 'j1'), 'sluice.c1.dat.j1.>')
  t.equal(s.under('event'), 'sluice.c1.evt.>')
  t.equal(s.all, 'sluice.c1.>')
  t.throws(() => s.control('*'), { code: 'CONFIG_INVALID' })
})

t.test('subjects - a bad token is an error at once, saying which', async (t) => {
  t.throws(() => subjects('a.b'), { code: 'CONFIG_INVALID', message: /cluster, found "a\.b"/ })
  t.throws(() => s.actor('j1', 'my uid', 0), { code: 'CONFIG_INVALID', message: /uid, found "my uid"/ })
  t.throws(() => s.actor('j1', '', 0), { code: 'CONFIG_INVALID', message: /uid/ })
  t.throws(() => s.data('j1', 1, 'e>', 0, 0), { code: 'CONFIG_INVALID', message: /edge/ })
  t.throws(() => s.state('j1', 'u', 'x'.repeat(65)), { code: 'CONFIG_INVALID', message: /state/ })
  t.throws(() => s.event('a', 'b.c'), { code: 'CONFIG_INVALID', message: /event/ })
})

t.test('subjects - what is built is parsed', async (t) => {
  t.same(parseSubject(s.control('n1', 'deploy')), {
    plane: 'control',
    cluster: 'c1',
    who: 'n1',
    verb: 'deploy',
    rest: [],
  })
  t.same(parseSubject(s.event('j1', 'failed')), { plane: 'event', cluster: 'c1', rest: ['j1', 'failed'] })
  const token = fc.stringMatching(/^[A-Za-z0-9_-]{1,12}$/)
  fc.assert(
    fc.property(
      token,
      token,
      fc.nat(),
      token,
      fc.nat(),
      fc.nat(),
      (cluster, job, attempt, edge, to, from) => {
        const parsed = parseSubject(subjects(cluster).data(job, attempt, edge, to, from))
        t.same(parsed, {
          plane: 'data',
          cluster,
          job,
          attempt: String(attempt),
          edge,
          to: String(to),
          from: String(from),
          rest: [],
        })
      },
    ),
    { numRuns: 50 },
  )
})

t.test('subjects - others are not ours', async (t) => {
  for (const subject of [
    '',
    'sluice',
    'sluice.c1',
    'sluice.c1.ctl',
    'sluice.c1.ctl.n1',
    'sluice.c1.no.x',
    'x.c1.evt.j',
  ]) {
    t.equal(parseSubject(subject), undefined, subject)
  }
})

t.test('subjects - the verb is the last token', async (t) => {
  t.equal(verbOf(s.control('n1', 'deploy')), 'deploy')
  t.equal(verbOf('deploy'), 'deploy')
})
