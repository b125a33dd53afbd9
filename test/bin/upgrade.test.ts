/** New versions of a running job, by the command line, on processes: its files tell nothing of it. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { EXIT } from '../../lib/base/errors.ts'
import { startCluster } from './cli-cluster.ts'
import { eventually, job, type Workspace } from './cli-process.ts'

const VERSIONS = job('versions.ts')

/** Finished parts only. */
function rows(directory: string): string[] {
  const parts = readdirSync(directory).filter((name) => !name.startsWith('.'))
  return parts.flatMap((name) => readFileSync(join(directory, name), 'utf8').trim().split('\n')).sort()
}

/** Whether every key has been counted from 1 on without a gap, each number once. */
function isCountedOnce(all: readonly string[]): boolean {
  const counts = new Map<string, number[]>()
  for (const [key, count] of all.map((row) => row.split(' '))) {
    counts.set(key!, [...(counts.get(key!) ?? []), Number(count)])
  }
  return (
    counts.size === 10 &&
    [...counts.values()].every((each) =>
      each.sort((a, b) => a - b).every((count, index) => count === index + 1),
    )
  )
}

async function stateOf(workspace: Workspace, jobId: string): Promise<string> {
  const { stdout } = await workspace.run(['describe', jobId, '--json'])
  return JSON.parse(stdout).state
}

t.setTimeout(180_000)

t.test('upgrade - refused, taken back, and done', async (t) => {
  const { workspace } = await startCluster(t)
  const out = join(workspace.directory, 'out')
  const jobArgs = ['--', out]
  const settings = ['-D', 'checkpoint.interval=300ms', '-D', 'checkpoint.retainOnCancel=true']
  const started = await workspace.run(['run', VERSIONS, '-d', ...settings, ...jobArgs])
  t.equal(started.code, EXIT.ok, started.stderr)
  const first = started.stdout.trim()
  await eventually('the job runs', async () => (await stateOf(workspace, first)) === 'running')

  const retyped = await workspace.run(['upgrade', 'versions', VERSIONS, ...jobArgs, 'retyped'])
  t.equal(retyped.code, EXIT.incompatibleState, retyped.stderr)
  t.match(retyped.stderr, /uid counts, state "count": was int64, is string/)
  const renamed = await workspace.run(['upgrade', 'versions', VERSIONS, '--json', ...jobArgs, 'renamed'])
  t.equal(renamed.code, EXIT.incompatibleState, renamed.stderr)
  t.match(JSON.parse(renamed.stderr), {
    error: { code: 'STATE_INCOMPATIBLE', details: { problems: [/uid counts\) is not in the job any more/] } },
  })
  t.equal(await stateOf(workspace, first), 'running', 'the old version runs on')

  const crashing = await workspace.run(['upgrade', 'versions', VERSIONS, ...jobArgs, 'crashing'])
  t.equal(crashing.code, EXIT.failed, crashing.stderr)
  t.match(crashing.stderr, /does not work; the old version goes on from jetstream:.* as job /)
  const second = /goes on from \S+, as job (\S+)/.exec(crashing.stderr)![1]!
  t.equal(await stateOf(workspace, first), 'cancelled')
  t.equal(await stateOf(workspace, second), 'running')

  const good = await workspace.run(['upgrade', 'versions', VERSIONS, '-p', '3', '--json'])
  t.equal(good.code, EXIT.ok, good.stderr)
  const { jobId, previousJobId, savepoint } = JSON.parse(good.stdout.trim().split('\n').at(-1)!)
  t.equal(previousJobId, second)
  t.match(savepoint, /^jetstream:sluice-default\/savepoints\//)
  const before = rows(out).length
  await eventually('it goes on', () => rows(out).length > before)
  const cancelled = await workspace.run(['cancel', jobId])
  const kept = /^\S+ cancelled\nretained checkpoint (\S+)\n$/.exec(cancelled.stdout)?.[1]
  t.ok(isCountedOnce(rows(out)), rows(out).join(', '))

  const inspected = await workspace.run(['savepoint', 'inspect', savepoint])
  t.match(
    inspected.stdout,
    /^job versions .* savepoint \d+, taken .*\n\nUID .*(.*\n)*counts .* count +flat +int64 +10 /,
  )
  const removed = await workspace.run(['savepoint', 'delete', savepoint])
  t.equal(removed.code, EXIT.ok, removed.stderr)
  t.equal((await workspace.run(['savepoint', 'inspect', savepoint])).code, EXIT.notFound)
  const history = await workspace.run(['checkpoints', jobId, '--json'])
  const { summary } = JSON.parse(history.stdout)
  t.equal(summary.lastCompleted.uri, kept)
  const detail = await workspace.run(['checkpoints', jobId, `${summary.lastCompleted.checkpointId}`])
  t.match(detail.stdout, /^ID .*\n(.*\n)*VERTEX +SUBTASK +END TO END/)
  const checkpoint = await workspace.run(['savepoint', 'inspect', kept!, '--json'])
  t.equal(JSON.parse(checkpoint.stdout).type, 'checkpoint')
  t.match(await workspace.run(['savepoint', 'delete', kept!]), {
    code: EXIT.usage,
    stderr: /belongs to its job/,
  })

  const resumed = await workspace.run(['run', VERSIONS, '-d', '--from', kept!, ...settings, ...jobArgs])
  t.equal(resumed.code, EXIT.ok, resumed.stderr)
  const taken = await workspace.run(['checkpoint', resumed.stdout.trim()])
  t.match(taken.stdout, /^jetstream:sluice-default\/\w+\/chk-\d+\n$/, taken.stderr)
  const stopped = await workspace.run(['stop', resumed.stdout.trim(), '--savepoint'])
  t.equal(stopped.code, EXIT.ok, stopped.stderr)
  t.ok(isCountedOnce(rows(out)), rows(out).join(', '))
})
