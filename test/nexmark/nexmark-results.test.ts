/** What makes results of different runs comparable. */
import t from 'tap'
import { canonicalRows, digestOf, readRows } from '../../bench/nexmark-results.ts'

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

t.test('nexmark results - parts are read in the order they were written, across attempts', async (t) => {
  const directory = t.testdir({
    'part-0-0-job-results-0.jsonl': '1\n',
    'part-0-10-job-results-0.jsonl': '3\n',
    'part-0-2-job-results-0.jsonl': '2\n',
    'part-0-0-job-results-1.jsonl': '4\n5\n',
    'part-1-0-job-results-0.jsonl': '6\n',
  })
  t.same(readRows(directory), ['1', '2', '3', '4', '5', '6'])
  const unfinished = t.testdir({ '.part-0-0-job-results-0.jsonl.inprogress': '1\n' })
  t.throws(() => readRows(unfinished), /left unfinished/)
})

t.test('nexmark results - CSV in directories becomes rows like the others', async (t) => {
  const directory = t.testdir({
    'dt=1': {
      'hm=2': { 'part-0-0-job-results-0.csv': 'a,b,dt\n1,x,2015-07-15\n2,,2015-07-15\n', _SUCCESS: '' },
    },
  })
  t.same(readRows(directory), ['{"a":1,"b":"x","dt":"2015-07-15"}', '{"a":2,"b":"","dt":"2015-07-15"}'])
})

t.test('nexmark results - of windows of the clock the totals count, and each must be one', async (t) => {
  const row = (bidder: number, bid_count: number, starttime: number, endtime: number) =>
    JSON.stringify({ bidder, bid_count, starttime, endtime })
  t.same(canonicalRows('q12', [row(7, 2, 0, 10_000), row(8, 1, 0, 10_000), row(7, 3, 10_000, 20_000)]), [
    '{"bidder":7,"bid_count":5}',
    '{"bidder":8,"bid_count":1}',
  ])
  for (const wrong of [row(7, 0, 0, 10_000), row(7, 1, 1, 10_001), row(7, 1, 0, 20_000)])
    t.throws(() => canonicalRows('q12', [wrong]), /not the count of a window/)
})

t.test('nexmark results - the digest is over lines with their ends', async (t) => {
  t.equal(digestOf([]), 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855')
  t.equal(digestOf(['a', 'b']), '911169ddaaf146aff539f58c26c489af3b892dff0fe283c1c264c65ae5aa59a2')
})
