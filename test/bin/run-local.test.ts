/** `sluice run` in one process: results, streams, errors of every kind, and how it stops. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { EXIT } from '../../lib/base/errors.ts'
import { type CliProcess, job, Workspace } from './cli-process.ts'

// Many processes on a busy machine take their time.
t.setTimeout(240_000)

/** The line of a fixture that has `marker` in it, as stacks name it. */
function place(name: string, marker: string): string {
  const lines = readFileSync(job(name), 'utf8').split('\n')
  return `${name}:${lines.findIndex((line) => line.includes(marker)) + 1}:`
}

t.test('run - what a job prints is on stdout, all of it; everything else on stderr', async (t) => {
  const workspace = await Workspace.open(t)
  const { code, stdout, stderr } = await workspace.run(['run', job('count.ts'), '--', '1000', 'print'])
  t.equal(code, EXIT.ok, stderr)
  const sums = stdout.trim().split('\n').map(Number)
  t.equal(sums.length, 1000)
  t.ok(sums.includes(49_900) && sums.includes(50_400), 'the sums of all numbers that end in 0 and in 5')
  t.match(stderr, /^count finished: 1,000 records read in \S+\n$/m)
})

t.test('run - several threads, each line whole and none lost', async (t) => {
  const workspace = await Workspace.open(t)
  const { code, stdout } = await workspace.run([
    'run',
    job('count.ts'),
    '-q',
    '-p',
    '2',
    '--',
    '50000',
    'print',
  ])
  t.equal(code, EXIT.ok)
  const lines = stdout.trimEnd().split('\n')
  t.equal(lines.length, 50_000)
  t.same(
    lines.filter((line) => !/^[12]> \d+$/.test(line)),
    [],
  )
})

t.test('run - -q says nothing, --json tells events', async (t) => {
  const workspace = await Workspace.open(t)
  const path = job('count.ts')
  const [quiet, json] = await Promise.all([
    workspace.run(['run', path, '-q']),
    workspace.run(['run', path, '--json', '--parallelism', '2']),
  ])
  t.strictSame([quiet.code, quiet.stdout, quiet.stderr], [EXIT.ok, '', ''])
  t.equal(json.stderr, '')
  const events = json.stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
  t.match(events.at(-1), {
    event: 'ended',
    name: 'count',
    state: 'finished',
    restarts: 0,
    vertices: [{ name: 'numbers', parallelism: 2, recordsIn: 1000 }, { recordsIn: 1000 }],
  })
  t.equal(events.filter(({ event }) => event === 'ended').length, 1)
  for (const event of events.slice(0, -1)) t.match(event, { event: 'state', name: 'count' })
})

t.test(
  'run - a user function that throws: operator, uid, subtask, record, and the line in the user’s file',
  async (t) => {
    const workspace = await Workspace.open(t)
    const { code, stdout, stderr } = await workspace.run(['run', job('throws.ts')])
    t.equal(code, EXIT.failed)
    t.equal(stdout, '')
    t.match(
      stderr,
      /^error: job "throws" failed: operator "length" \(uid parse\), subtask 1 of 1, record 18 of the source: /,
    )
    t.match(stderr, new RegExp(`^ +at lengthOf \\(.*/${place('throws.ts', 'it throws here')}\\d+\\)$`, 'm'))
    t.notMatch(stderr, /stream-task|slot-loop|node_modules/, 'no stack of ours')
    const verbose = await workspace.run(['run', job('throws.ts'), '-v'])
    t.match(verbose.stderr, /stream-task\.ts:\d+/, 'unless it is asked for')
  },
)

t.test('run - a job that fails is tried again as often as is configured', async (t) => {
  const workspace = await Workspace.open(t)
  const restart = [
    '-D',
    'restart.strategy=fixed-delay',
    '-D',
    'restart.attempts=2',
    '-D',
    'restart.delay=1ms',
  ]
  const { code, stderr } = await workspace.run(['run', job('throws.ts'), ...restart])
  t.equal(code, EXIT.failed)
  t.match(stderr, /job "throws" failed after 2 restarts: operator "length"/)
})

t.test('run - modules that are no jobs, and jobs that are no graphs', async (t) => {
  const workspace = await Workspace.open(t)
  const source = "env.source(generator({ generate: (i) => i, count: 1 }), { uid: 'a' })"
  const cases: [name: string, text: string, code: number, message: RegExp][] = [
    [
      'throws-at-load',
      'const options: { a?: { b: number } } = {}\nexport default options.a!.b',
      EXIT.failed,
      /throws-at-load\.ts:2:27: Cannot read properties of undefined/,
    ],
    ['syntax', 'export default (', EXIT.failed, /syntax\.ts:1:\d+: ERROR: /],
    [
      'missing-import',
      "import './nowhere.ts'",
      EXIT.failed,
      /missing-import\.ts: Cannot find module .*nowhere\.ts/,
    ],
    [
      'no-default',
      "import { job } from 'sluice'\nexport const mine = job('x', () => {})",
      EXIT.usage,
      /found the job as `mine`: make it the default export/,
    ],
    [
      'no-job',
      'export default 7',
      EXIT.usage,
      /expected `export default job\(.*found a default export of type number/,
    ],
    [
      'no-source',
      "import { job } from 'sluice'\nexport default job('x', () => {})",
      EXIT.usage,
      /job "x" has no source/,
    ],
    [
      'same-uid',
      `import { generator, job } from 'sluice'\nexport default job('x', (env) => {\n  ${source}.map((x) => x, { uid: 'a' })\n})`,
      EXIT.usage,
      /uid "a" is taken.*\n +at .*same-uid\.ts:3:\d+/,
    ],
    [
      'build-throws',
      "import { job } from 'sluice'\nexport default job('x', () => {\n  throw new Error('no vault')\n})",
      EXIT.failed,
      /the function of job "x" threw: no vault\n +at .*build-throws\.ts:3:/,
    ],
  ]
  const lanes = [cases.slice(0, 4), cases.slice(4)].map(async (lane) => {
    for (const [name, text, expected, message] of lane) {
      const path = join(workspace.directory, `${name}.ts`)
      writeFileSync(path, text)
      const { code, stdout, stderr } = await workspace.run(['run', path])
      t.equal(code, expected, name)
      t.match(stderr, message, name)
      t.equal(stdout, '', name)
      t.notMatch(stderr, /this looks like a bug/, name)
    }
  })
  await Promise.all(lanes)
})

t.test('run - a configuration is no cluster unless it says where NATS is', async (t) => {
  const workspace = await Workspace.open(t)
  writeFileSync(join(workspace.directory, 'sluice.config.json'), '{ "job": { "parallelism": 2 } }')
  const { code, stdout, stderr } = await workspace.run(['run', job('count.ts'), '--json'])
  t.equal(code, EXIT.ok, stderr)
  t.match(JSON.parse(stdout.trim().split('\n').at(-1)!), {
    vertices: [{ parallelism: 2 }, { parallelism: 2 }],
  })
})

/** Threads of a process; on other systems than Linux nobody knows. */
function threadCount({ pid }: CliProcess): number {
  return readdirSync(`/proc/${pid}/task`).length
}

t.test('run - Ctrl-C once cancels the job and ends with 130, SIGTERM with 143', async (t) => {
  const workspace = await Workspace.open(t)
  const cases = [
    ['SIGINT', EXIT.interrupted],
    ['SIGTERM', EXIT.terminated],
  ] as const
  await Promise.all(
    cases.map(async ([signal, expected]) => {
      const run = workspace.start(['run', job('paced.ts'), '--json', '-p', '2'])
      await run.until(/"state":"running"/)
      if (process.platform === 'linux') t.ok(threadCount(run) > 2)
      run.kill(signal)
      const { code, stdout, stderr } = await run.exited
      t.equal(code, expected)
      t.match(stdout, /"state":"cancelled"/)
      t.equal(stderr, '', 'a cancellation that was asked for is no error')
    }),
  )
})

t.test('run - Ctrl-C twice ends at once, even in the middle of a function that never returns', async (t) => {
  const workspace = await Workspace.open(t)
  const run = workspace.start(['run', job('spins.ts')])
  await run.until(/spinning/)
  run.kill('SIGINT')
  await run.until(/cancelling; once more to stop at once/)
  const secondMs = Date.now()
  run.kill('SIGINT')
  const { code } = await run.exited
  t.equal(code, EXIT.interrupted)
  t.ok(Date.now() - secondMs < 2000)
})
