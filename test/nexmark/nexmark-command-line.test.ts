/** The runner as its users meet it. */
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import t from 'tap'
import { nexmarkQueries, readCommandLine } from '../../bench/nexmark-arguments.ts'

// Some of them start processes.
t.setTimeout(300_000)

const RUNNER = fileURLToPath(new URL('../../bench/nexmark.ts', import.meta.url))

const GOLDEN_RUN = ['--events=10000', '--seed=1', '--rate=1000']

const read = (line: string) => readCommandLine(line.split(' '))

t.test('nexmark command line - what is not said has its default', async (t) => {
  t.same(readCommandLine([]), {
    queries: nexmarkQueries(),
    parallelisms: [1],
    events: { events: 100_000, seed: 1, rate: 10_000, ooo: 1 },
    backend: 'heap',
    stateMemory: '256mb',
    checkpointInterval: null,
    nodes: 0,
    isBlackhole: false,
    out: null,
    report: null,
    verify: null,
    isJson: false,
    jobArguments: [],
  })
  t.match(read('--query q5 --events 5000 --rate 10 --ooo 100 --parallelism 3 --out rows --digest'), {
    queries: ['q5'],
    parallelisms: [3],
    events: { events: 5000, rate: 10, ooo: 100 },
    out: 'rows',
    isJson: true,
    jobArguments: ['--events=5000', '--rate=10', '--ooo=100'],
  })
  t.match(read('--query q5,q0,q5 --parallelism 1,2,4 --nodes 2 --blackhole --json'), {
    queries: ['q5', 'q0'],
    parallelisms: [1, 2, 4],
    nodes: 2,
    isBlackhole: true,
    isJson: true,
  })
  t.match(read('--all'), { queries: nexmarkQueries(), report: 'nexmark.json' })
  t.match(read('--all --report results'), { report: 'results' })
  t.match(read('--verify'), { queries: nexmarkQueries(), verify: { path: null, minutes: 30 } })
  t.match(read('--verify --minutes 5 --query q7 --backend leveldb'), {
    queries: ['q7'],
    verify: { path: null, minutes: 5 },
    backend: 'leveldb',
  })
  t.match(readCommandLine(['--verify', '--path', '2 nodes, heap']), { verify: { path: '2 nodes, heap' } })
  t.equal(read('--help'), null)
})

t.test('nexmark command line - mistakes are named, the nearest right thing too', async (t) => {
  const mistakes: [string, RegExp][] = [
    ['--query q55', /no query "q55"\. Did you mean "q5"\?/],
    ['--qury q5', /no option --qury\. Did you mean "--query"\?/],
    ['q5', /found "q5"/],
    ['--query q5,q6x', /no query "q6x"/],
    ['--query q5 --events 1e3', /--events: expected an integer >= 0, found "1e3"/],
    ['--query q5 --events 10 --ooo 7', /multiple of --ooo 7/],
    ['--query q5 --events 953 --ooo 953', /no multiple of 953/],
    ['--query q5 --parallelism 0', /--parallelism: expected an integer from 1/],
    ['--query q5 --parallelism 1,,2', /--parallelism: expected an integer from 1 to \d+, found ""/],
    ['--query q5 --nodes 0', /--nodes: expected an integer from 1 to \d+, found "0"/],
    ['--query q5 --parallelism 1,2 --out rows', /--out takes the rows of one run/],
    ['--query q5,q7 --out rows', /--out takes the rows of one run/],
    ['--query q5 --blackhole --digest', /--blackhole leaves no rows for --digest/],
    ['--query q5 --all', /--all and --query exclude each other/],
    ['--verify --minutes 0', /--minutes: expected an integer from 1/],
    ['--minutes 5', /--minutes and --path go with --verify/],
    ['--query q5 --path local', /--minutes and --path go with --verify/],
    ['--query q5 --backend rocks', /expected heap or leveldb, found "rocks"/],
    ['--query q5 --events', /--events/],
  ]
  for (const [line, message] of mistakes) t.throws(() => read(line), { code: 'USAGE', message }, line)
})

t.test('nexmark command line - state on LevelDB', async (t) => {
  t.match(read('--query q5 --backend leveldb'), { backend: 'leveldb' })
})

t.test('nexmark command line - a run prints a line of JSON and writes the rows', async (t) => {
  const out = join(t.testdir({}), 'rows.jsonl')
  const [line] = await runJson('--query=q7', ...GOLDEN_RUN, `--out=${out}`)
  t.match(line, { query: 'q7', events: 10_000, parallelism: 1, backend: 'heap', nodes: 0, digest: 'ok' })
  t.match(line, golden('q7'))
  t.ok(line!.seconds > 0 && line!.eventsPerSecond > 0)
  t.equal(readFileSync(out, 'utf8').split('\n').length, golden('q7').rows + 1)
})

t.test('nexmark command line - dropped rows are counted', async (t) => {
  const [line] = await runJson('--query=q2', ...GOLDEN_RUN, '--blackhole')
  t.equal(line!.rows, golden('q2').rows)
  t.notOk('sha256' in line! || 'digest' in line!)
})

t.test('nexmark command line - a digest nobody knows is neither right nor wrong', async (t) => {
  const { stdout } = await run(['--query=q2,q13', '--events=500'])
  t.match(stdout, /^QUERY .* DIGEST\nq2 +1 +local +500 .* unknown\nq13 .* unknown\n$/)
})

t.test('nexmark command line - with --digest one line of JSON a run, and nothing else', async (t) => {
  const { stdout } = await run(['--query=q2', '--events=500', '--digest'])
  t.match(stdout, /^\{[^\n]*\}\n$/)
  const line = JSON.parse(stdout)
  const fields = [
    'query',
    'events',
    'parallelism',
    'backend',
    'nodes',
    'seconds',
    'eventsPerSecond',
    'rows',
    'sha256',
  ]
  for (const field of fields) t.ok(field in line, field)
  t.match(line, {
    query: 'q2',
    events: 500,
    parallelism: 1,
    backend: 'heap',
    nodes: 0,
    sha256: /^[0-9a-f]{64}$/,
  })
})

t.test('nexmark command line - a mistake ends it with 2, and help is near', async (t) => {
  await t.rejects(run(['--query=q99']), { code: 2, stderr: /no query "q99".*\n.* --help / })
})

t.test(
  'nexmark command line - on a cluster of processes results are the same, and nothing is left',
  async (t) => {
    const directory = t.testdir({})
    const args = ['--query=q0,q5', ...GOLDEN_RUN, '--ooo=1000', '--parallelism=1,2', '--nodes=2', '--json']
    const { stdout } = await run(args, directory)
    const expected = ['q0', 'q5'].flatMap((query) =>
      [1, 2].map((parallelism) => ({ query, parallelism, nodes: 2, ...golden(query), digest: 'ok' })),
    )
    t.match(linesOf(stdout), expected)
    t.same(leftIn(directory), [])
  },
)

t.test('nexmark command line - interrupted on a cluster, it leaves nothing', async (t) => {
  const directory = t.testdir({})
  const args = ['--query=q2', '--events=2000000000', '--nodes=2', '--blackhole']
  const runner = spawn(process.execPath, ['--import=tsx', RUNNER, ...args], {
    env: { ...process.env, TMPDIR: directory },
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  t.teardown(() => runner.kill('SIGKILL'))
  runner.stderr.once('data', () => runner.kill('SIGINT'))
  t.same(await once(runner, 'exit'), [130, null])
  t.same(leftIn(directory), [])
})

interface Line {
  readonly rows: number
  readonly seconds: number
  readonly eventsPerSecond: number
}

async function runJson(...args: readonly string[]): Promise<Line[]> {
  return linesOf((await run([...args, '--json'])).stdout)
}

/** Rejects unless the exit code is 0. */
function run(args: readonly string[], temporaryDirectory?: string) {
  const env = temporaryDirectory === undefined ? {} : { TMPDIR: temporaryDirectory }
  return promisify(execFile)(process.execPath, ['--import=tsx', RUNNER, ...args], {
    env: { ...process.env, ...env },
  })
}

/** Without what the TypeScript loader keeps there for the next process. */
function leftIn(temporaryDirectory: string): string[] {
  return readdirSync(temporaryDirectory).filter((name) => !name.startsWith('tsx-'))
}

function linesOf(stdout: string): Line[] {
  return stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Line)
}

/** What `GOLDEN_RUN` of a query must give. */
function golden(query: string): { rows: number; sha256: string } {
  const lines = readFileSync(new URL('golden.tsv', import.meta.url), 'utf8').split('\n')
  const line = lines.map((each) => each.split('\t')).find(([name, , seed]) => name === query && seed === '1')!
  return { rows: Number(line[4]), sha256: line[5]! }
}
