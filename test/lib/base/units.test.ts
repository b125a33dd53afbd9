import t from 'tap'
import { formatBytes, formatDuration, parseByteSize, parseDuration } from '../../../lib/base/units.ts'

t.test('units - durations as people write them', async (t) => {
  const cases: Record<string, number> = {
    '500ms': 500,
    '5s': 5000,
    '1.5m': 90_000,
    ' 2 H ': 7_200_000,
    '1d': 86_400_000,
    '0': 0,
    '-1s': -1000,
    '250': 250,
  }
  t.same(Object.keys(cases).map(parseDuration), Object.values(cases))
  t.equal(parseDuration(12.4), 12)
})

t.test('units - sizes as people write them', async (t) => {
  t.same(['1kb', '1.5 MB', '2gb', '10', '7b'].map(parseByteSize), [1024, 1_572_864, 2 ** 31, 10, 7])
  t.equal(parseByteSize(4096), 4096)
})

t.test('units - anything else is refused, saying what would do', async (t) => {
  for (const wrong of ['', 'abc', '5 parsecs', '1e3s', '5s 3ms', 'NaN', '5constructor']) {
    t.throws(() => parseDuration(wrong), { code: 'CONFIG_INVALID', message: /'5s'.*found/ }, wrong)
    t.throws(() => parseByteSize(wrong), { code: 'CONFIG_INVALID', message: /'64mb'.*found/ }, wrong)
  }
  for (const wrong of [Number.NaN, Number.POSITIVE_INFINITY]) t.throws(() => parseDuration(wrong))
  t.throws(() => parseDuration('5kb'), { code: 'CONFIG_INVALID' })
})

t.test('units - what is shown to people', async (t) => {
  t.same([0, 949.6, 1500, 59_940, 125_000, 120_000, 3_600_000, 11_040_000].map(formatDuration), [
    '0ms',
    '950ms',
    '1.5s',
    '59.9s',
    '2m 5s',
    '2m',
    '1h',
    '3h 4m',
  ])
  t.same([512, 1536, 64 * 2 ** 20, 3 * 2 ** 40].map(formatBytes), ['512 B', '1.5 KB', '64 MB', '3 TB'])
})
