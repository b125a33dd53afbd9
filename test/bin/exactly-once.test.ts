/** Processes killed in the middle of a job, jobs stopped and gone on with: the files tell nothing of it. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { EXIT } from '../../lib/base/errors.ts'
import { startCluster, startNode } from './cli-cluster.ts'
import { eventually, job } from './cli-process.ts'

/** At 1000 per second. */
const COUNT = 6000
/** More than are processed at that rate before the job is stopped, on however slow a machine. */
const LONG_COUNT = 120_000
const QUICK = ['-D', 'heartbeat.timeout=2s']
const EXACTLY_ONCE = [
  '-D',
  'checkpoint.interval=300ms',
  '-D',
  'restart.strategy=fixed-delay',
  '-D',
  'restart.delay=100ms',
]

/** What a job that was never disturbed would write. */
function expected(count: number): string[] {
  return Array.from({ length: count / 100 }, (_, window) =>
    Array.from({ length: 10 }, (_, key) => {
      const sum = Array.from({ length: 10 }, (_, i) => window * 100 + i * 10 + key).reduce((a, b) => a + b, 0)
      return `${key} ${(window + 1) * 1000} ${sum}`
    }),
  )
    .flat()
    .sort()
}

/** Finished parts only: hidden ones are in progress, or of attempts that failed. */
function rows(directory: string): string[] {
  if (!existsSync(directory)) return []
  const parts = readdirSync(directory).filter((name) => !name.startsWith('.'))
  return parts.flatMap((name) => readFileSync(join(directory, name), 'utf8').trim().split('\n')).sort()
}

t.setTimeout(240_000)

t.test('exactly once - a node is killed, and the job goes on from its last checkpoint', async (t) => {
  const { workspace, nodes } = await startCluster(t, QUICK)
  const out = join(workspace.directory, 'out')
  const run = workspace.start([
    'run',
    job('to-files.ts'),
    '-p',
    '2',
    ...EXACTLY_ONCE,
    '--',
    out,
    `${COUNT}`,
    '1000',
  ])
  await eventually('a checkpoint is complete', () => rows(out).length > 0)
  nodes[0]!.kill('SIGKILL')
  await nodes[0]!.exited
  startNode(workspace, 'n1', QUICK)
  const { code, stderr } = await run.exited
  t.equal(code, EXIT.ok, stderr)
  t.match(stderr, /to-files finished after [1-9] restarts?:/)
  t.same(rows(out), expected(COUNT))
})

t.test('exactly once - stopped with a savepoint, gone on with at another parallelism', async (t) => {
  const { workspace } = await startCluster(t)
  const out = join(workspace.directory, 'out')
  const args = (rate: number) => [...EXACTLY_ONCE, '--', out, `${LONG_COUNT}`, `${rate}`]
  const { stdout: id } = await workspace.run(['run', job('to-files.ts'), '-p', '2', '-d', ...args(1000)])
  await eventually('a checkpoint is complete', () => rows(out).length > 0)
  const taken = await workspace.run(['savepoint', id.trim(), `file://${workspace.directory}/mine`])
  t.strictSame([taken.code, taken.stdout], [EXIT.ok, `file://${workspace.directory}/mine\n`], taken.stderr)
  const stopped = await workspace.run(['stop', id.trim(), '--savepoint'])
  t.equal(stopped.code, EXIT.ok, stopped.stderr)
  const uri = stopped.stdout.trim()
  t.match(uri, /^jetstream:sluice-default\/savepoints\//)
  const inspected = await workspace.run(['savepoint', 'inspect', uri])
  t.match(inspected.stdout, /^job to-files .*\n\nUID +OPERATOR(.*\n)*sums /)
  const resumed = await workspace.run(['run', job('to-files.ts'), '-p', '3', '--from', uri, ...args(100_000)])
  t.equal(resumed.code, EXIT.ok, resumed.stderr)
  t.same(rows(out), expected(LONG_COUNT))
  const other = await workspace.run(['run', job('count.ts'), '--from', uri])
  t.equal(other.code, EXIT.incompatibleState)
  t.match(other.stderr, /uid sums\) is not in the job any more/)
})

t.test('exactly once - what is asked for wrongly is told', async (t) => {
  const { workspace } = await startCluster(t)
  const nobodys = { code: EXIT.notFound, stderr: /there is no job "x"/ }
  const [plain, nobody, half, nowhere, mode, unwritable] = await Promise.all([
    workspace.run(['stop', 'x']),
    workspace.run(['stop', 'x', '--savepoint']),
    workspace.run(['run', job('count.ts'), '--allow-non-restored-state']),
    workspace.run(['savepoint', 'inspect', `file://${workspace.directory}/nothing`]),
    workspace.run(['run', job('count.ts'), '--claim-mode', 'mine', '--from', 'x']),
    workspace.run([
      ...['run', job('count.ts'), '--local', '-D', 'checkpoint.interval=1s'],
      ...['-D', 'storage.uri=file:///dev/null/checkpoints'],
    ]),
  ])
  t.match([plain!.code, plain!.stderr], [EXIT.usage, /say --savepoint \[uri\]/])
  t.match([nobody!.code, nobody!.stderr], [EXIT.notFound, /there is no job "x"/])
  t.match([half!.code, half!.stderr], [EXIT.usage, /goes with --from/])
  t.match([nowhere!.code, nowhere!.stderr], [EXIT.notFound, /found none/])
  t.match([mode!.code, mode!.stderr], [EXIT.usage, /claim-mode.*'mine'/])
  t.match(
    [unwritable!.code, unwritable!.stderr],
    [EXIT.usage, /file:\/\/\/dev\/null\/checkpoints cannot be used/],
  )
  for (const args of [
    ['checkpoint', 'x'],
    ['checkpoints', 'x'],
    ['upgrade', 'x', job('count.ts')],
  ]) {
    t.match(await workspace.run(args), nobodys, args[0]!)
  }
})
