/** A disk that is really full: a small file system in memory, in a process that has a mount table of its own. */
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { temporaryDirectory } from '../support/nats-server.ts'

const MOUNT = 'mount -t tmpfs -o size=4m tmpfs "$0" && exec "$@"'
const program = fileURLToPath(new URL('full-disk-job.ts', import.meta.url))
const inNamespace = (directory: string, args: readonly string[]) =>
  spawnSync('unshare', ['-rm', 'sh', '-c', MOUNT, directory, ...args], { encoding: 'utf8', timeout: 90_000 })

const canMount = inNamespace(temporaryDirectory(t), ['true']).status === 0
const options = canMount ? {} : { skip: 'this user can mount no file system here' }

function run(directory: string, scenario: string): Record<string, unknown> {
  const node = [process.execPath, '--import', 'tsx', program, directory, scenario]
  const { stdout, stderr } = inNamespace(directory, node)
  const line = stdout.split('\n').find((each) => each.startsWith('{'))
  if (line === undefined) throw new Error(`no result:\n${stdout}\n${stderr}`)
  return JSON.parse(line) as Record<string, unknown>
}

t.setTimeout(240_000)

t.test('full disk - checkpoints fail and are counted; with room again, they complete', options, async (t) => {
  const result = run(temporaryDirectory(t), 'tolerant')
  const { counts, marks } = result as Record<'counts' | 'marks', Record<string, number>>
  t.match(result, { state: 'finished', restarts: 0, rows: 12_000, sum: 111_988_000 })
  t.ok(counts!.failed! >= 3, `${counts!.failed} failed`)
  t.ok(counts!.completed! > marks!.freed!, `${counts!.completed} completed`)
})

t.test('full disk - more failures than are tolerated fail the job, with the reason', options, async (t) => {
  t.match(run(temporaryDirectory(t), 'strict'), {
    code: 'CHECKPOINT_FAILED',
    message: /more than 1 checkpoints in a row have failed, the last one: io-exception: .*the disk is full/,
  })
})

t.test('full disk - state that cannot be kept is refused, with the directory', options, async (t) => {
  const directory = temporaryDirectory(t)
  const { code, message } = run(directory, 'state')
  t.equal(code, 'STORAGE_UNUSABLE')
  t.ok(
    String(message).includes(directory) && /No space left|the disk is full/.test(String(message)),
    `${message}`,
  )
})
