/** The runner as its users meet it. */
import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import t from 'tap'
import { readCommandLine } from '../../bench/nexmark-arguments.ts'

const RUNNER = fileURLToPath(new URL('../../bench/nexmark.ts', import.meta.url))

const GOLDEN_RUN = ['--events=10000', '--seed=1', '--rate=1000']

const read = (line: string) => readCommandLine(line.split(' '))

t.test('nexmark command line - what is not said has its default', async (t) => {
  t.same(read('--query q5'), {
    query: 'q5',
    events: 100_000,
    parallelism: 1,
    backend: 'heap',
    out: null,
    isDigestWanted: false,
    jobArguments: [],
  })
  t.match(read('--query q5 --events 5000 --rate 10 --ooo 100 --parallelism 3 --out rows --digest'), {
    events: 5000,
    parallelism: 3,
    out: 'rows',
    isDigestWanted: true,
    jobArguments: ['--events=5000', '--rate=10', '--ooo=100'],
  })
  t.equal(read('--help'), null)
})

t.test('nexmark command line - mistakes are named, the nearest right thing too', async (t) => {
  const mistakes: [string, RegExp][] = [
    ['--query q55', /no query "q55"\. Did you mean "q5"\?/],
    ['--qury q5', /no option --qury\. Did you mean "--query"\?/],
    ['q5', /found "q5"/],
    ['--events 10', /--query is missing/],
    ['--query q5 --events 1e3', /--events: expected an integer >= 0, found "1e3"/],
    ['--query q5 --events 10 --ooo 7', /multiple of --ooo 7/],
    ['--query q5 --events 953 --ooo 953', /no multiple of 953/],
    ['--query q5 --parallelism 0', /--parallelism: expected an integer from 1/],
    ['--query q5 --backend rocks', /expected heap or leveldb, found "rocks"/],
    ['--query q5 --events', /--events/],
  ]
  for (const [line, message] of mistakes) t.throws(() => read(line), { code: 'USAGE', message }, line)
})

t.test('nexmark command line - what the engine cannot do yet is refused', async (t) => {
  for (const option of ['--backend leveldb', '--nodes 2', '--checkpoint-interval 1s']) {
    t.throws(() => read(`--query q5 ${option}`), {
      code: 'USAGE',
      message: `${option.replace(/ (2|1s)$/, '')} is not available yet`,
    })
  }
})

t.test('nexmark command line - a run prints one line and writes the rows', async (t) => {
  const out = join(t.testdir({}), 'rows.jsonl')
  const report = await run('--query=q7', ...GOLDEN_RUN, '--digest', `--out=${out}`)
  t.match(report, { query: 'q7', events: 10_000, parallelism: 1, backend: 'heap', nodes: 0 })
  t.match(report, golden('q7'))
  t.ok(report.seconds > 0 && report.eventsPerSecond > 0)
  t.equal(readFileSync(out, 'utf8').split('\n').length, golden('q7').rows + 1)
})

t.test('nexmark command line - rows that nobody wants are counted', async (t) => {
  const report = await run('--query=q2', ...GOLDEN_RUN)
  t.equal(report.rows, golden('q2').rows)
  t.notOk('sha256' in report)
})

t.test('nexmark command line - a mistake ends it with 2', async (t) => {
  const failed = promisify(execFile)(process.execPath, ['--import=tsx', RUNNER, '--query=q99'])
  await t.rejects(failed, { code: 2, stderr: /no query "q99"/ })
})

async function run(...args: readonly string[]) {
  const { stdout } = await promisify(execFile)(process.execPath, ['--import=tsx', RUNNER, ...args])
  return JSON.parse(stdout) as { rows: number; seconds: number; eventsPerSecond: number; sha256?: string }
}

/** What `GOLDEN_RUN` of a query must give. */
function golden(query: string): { rows: number; sha256: string } {
  const lines = readFileSync(new URL('golden.tsv', import.meta.url), 'utf8').split('\n')
  const line = lines.map((each) => each.split('\t')).find(([name, , seed]) => name === query && seed === '1')!
  return { rows: Number(line[4]), sha256: line[5]! }
}
