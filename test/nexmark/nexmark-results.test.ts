/** What makes results of different runs comparable. */
import t from 'tap'
import { canonicalRows, digestOf } from '../../bench/nexmark-results.ts'

t.test('nexmark results - rows are sorted by code unit', async (t) => {
  t.same(canonicalRows('q0', ['{"a":"b"}', '{"a":"B"}', '{"a":10}']), ['{"a":"B"}', '{"a":"b"}', '{"a":10}'])
})

t.test('nexmark results - thousandths become decimals', async (t) => {
  const rows = ['{"auction":1,"price":24465152}', '{"auction":2,"price":90800}', '{"auction":3,"price":7}']
  t.same(canonicalRows('q1', rows), [
    '{"auction":1,"price":"24465.152"}',
    '{"auction":2,"price":"90.800"}',
    '{"auction":3,"price":"0.007"}',
  ])
})

t.test('nexmark results - of an updating query the last row of each key remains', async (t) => {
  const rows = [
    '{"auction":1,"rank_number":1,"price":5}',
    '{"auction":1,"rank_number":2,"price":3}',
    '{"auction":1,"rank_number":1,"price":9}',
    '{"auction":11,"rank_number":1,"price":4}',
  ]
  t.same(canonicalRows('q19', rows), [rows[3], rows[2], rows[1]].sort())
})

t.test('nexmark results - the digest is over lines with their ends', async (t) => {
  t.equal(digestOf([]), 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855')
  t.equal(digestOf(['a', 'b']), '911169ddaaf146aff539f58c26c489af3b892dff0fe283c1c264c65ae5aa59a2')
})
