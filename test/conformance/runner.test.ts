/** The runner as a command: what it prints, and what it ends with. */
import { spawnSync } from 'node:child_process'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { runConformance } from './runner.ts'

async function run(...args: string[]): Promise<{ lines: string[]; code: number }> {
  const lines: string[] = []
  const code = await runConformance(args, (line) => lines.push(...line.split('\n')))
  return { lines, code }
}

const pair = (name: string, out: number, more: object = {}) => ({
  name,
  suite: 'window-assign',
  config: { fn: 'window-start' },
  pairs: [{ in: { ts: 8, offset: 0, size: 7 }, out }],
  ...more,
})

const suiteFile = (suite: string, cases: readonly object[]): string =>
  JSON.stringify({ suite, version: 1, cases })

t.test('runner - a line a suite, details of failures, the sum last', async (t) => {
  const directory = t.testdir({
    'README.md': 'not a suite',
    'a.json': suiteFile('window-assign', [
      pair('right', 7),
      pair('wrong', 0),
      pair('exact', 7, { requires: ['int64'] }),
    ]),
    'b.json': suiteFile('unheard-of', [pair('whatever', 1)]),
  })
  const { lines, code } = await run(directory)
  t.same(lines, [
    'window-assign  1 passed, 1 failed, 1 skipped',
    '  FAILED "wrong"',
    '    pair 0 {"ts":8,"offset":0,"size":7}',
    '      expected 0',
    '      found    7',
    '  skipped "exact": requires int64: times are doubles: exact up to 2^53 ms, which is 285 000 years, and infinite at the ends',
    'unheard-of  skipped: not supported yet',
    '1 passed, 1 failed',
  ])
  t.equal(code, 1)
})

t.test('runner - filters by suite and by part of the case name', async (t) => {
  const directory = t.testdir({
    'a.json': suiteFile('window-assign', [pair('first', 7), pair('second', 7)]),
    'b.json': suiteFile('slots', []),
  })
  const { lines, code } = await run(directory, '--suite', 'window-assign', '--case', 'eco')
  t.same(lines, ['window-assign  1 passed, 0 failed', '1 passed, 0 failed'])
  t.equal(code, 0)
})

t.test('runner - what a config names and nobody knows fails its case', async (t) => {
  const scripted = { script: [{}], expect: [[]], order: 'strict' }
  const directory = t.testdir({
    'a.json': suiteFile('window-trigger', [
      {
        name: 'assigner',
        config: {
          op: 'window',
          keyBy: 'f0',
          assigner: { type: 'daily' },
          allowedLateness: 0,
          fn: { type: 'sum' },
        },
        ...scripted,
      },
      { name: 'setting', config: { op: 'window', keyBy: 'f0', colour: 'red' }, ...scripted },
    ]),
  })
  const { lines, code } = await run(directory)
  t.match(lines[2], /unknown assigner \{"type":"daily"\}/)
  t.match(lines[4], /unknown colour/)
  t.equal(lines.at(-1), '0 passed, 4 failed', 'on the heap and in LevelDB')
  t.equal(code, 1)
})

t.test('runner - facts after a step are checked, and must be known', async (t) => {
  const gate = { op: 'barrier-gate', mode: 'aligned', channels: 1, checkpointAfterEndOfInput: true }
  const gateCase = (name: string, after: object) => ({
    name,
    config: gate,
    order: 'barrier',
    script: [{ barrier: { channel: 0, id: 1 } }],
    expect: [[{ trigger: 1 }]],
    after: { 0: after },
  })
  const valve = {
    name: 'no facts',
    config: { op: 'watermark-valve', channels: 1 },
    script: [{ channel: 0, watermark: 1 }],
    expect: [[{ watermark: 1 }]],
    after: { 0: { blocked: [] } },
  }
  const directory = t.testdir({
    'a.json': suiteFile('barrier-aligned', [
      gateCase('right', { blocked: [] }),
      gateCase('wrong', { blocked: [0] }),
      gateCase('unknown', { colour: 'red' }),
    ]),
    'b.json': suiteFile('watermark-valve', [valve]),
  })
  const { lines } = await run(directory)
  t.same(lines, [
    'barrier-aligned  1 passed, 2 failed',
    '  FAILED "wrong"',
    '    after step 0 {"barrier":{"channel":0,"id":1}}',
    '      expected {"blocked":[0]}',
    '      found    {"blocked":[]}',
    '  FAILED "unknown"',
    '    after step 0 {"barrier":{"channel":0,"id":1}}',
    '      expected {"colour":"red"}',
    '      found    {"colour":null}',
    'watermark-valve  0 passed, 1 failed',
    '  FAILED "no facts"',
    '    facts after a step are not supported in suite watermark-valve',
    '1 passed, 3 failed',
  ])
})

t.test('runner - wrong usage ends with 2', async (t) => {
  const directory = t.testdir({ 'a.json': suiteFile('slots', []), broken: { 'b.json': '{}' }, empty: {} })
  const rows: [RegExp, string[]][] = [
    [/usage/, []],
    [/usage/, [directory, directory]],
    [/Unknown option/, [directory, '--colour']],
    [/no such directory/, [join(directory, 'nowhere')]],
    [/no suite files/, [join(directory, 'empty')]],
    [/is not a suite file/, [join(directory, 'broken')]],
    [/no suite missing/, [directory, '--suite', 'missing']],
  ]
  for (const [message, args] of rows) {
    const { lines, code } = await run(...args)
    t.match(lines.join('\n'), message)
    t.equal(code, 2, String(message))
  }
})

t.test('runner - is a command', async (t) => {
  const directory = t.testdir({ 'a.json': suiteFile('window-assign', [pair('wrong', 0)]) })
  const command = join(dirname(fileURLToPath(import.meta.url)), 'run.ts')
  const { stdout, status } = spawnSync(process.execPath, ['--import', 'tsx', command, directory], {
    encoding: 'utf8',
  })
  t.equal(stdout.trimEnd().split('\n').at(-1), '0 passed, 1 failed')
  t.equal(status, 1)
})
