import t from 'tap'
import { didYouMean, nearestName } from '../../../lib/base/nearest-name.ts'

t.test('nearest name - is the one with the fewest edits, if it is near enough', async (t) => {
  const known = ['parallelism', 'max-parallelism', 'nats', 'log-level']
  t.equal(nearestName('paralelism', known), 'parallelism')
  t.equal(nearestName('PARALLELISM', known), 'parallelism')
  t.equal(nearestName('nast', known), 'nats')
  t.equal(nearestName('loglevel', known), 'log-level')
  t.equal(nearestName('checkpoints', known), undefined)
  t.equal(nearestName('x', []), undefined)
})

t.test('nearest name - as a sentence to append, or nothing', async (t) => {
  t.equal(didYouMean('naats', ['nats']), ' Did you mean "nats"?')
  t.equal(didYouMean('zzzz', ['nats']), '')
})
