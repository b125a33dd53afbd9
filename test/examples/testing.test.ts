/** The example of how users test their jobs, run as they would. */
import { spawnSync } from 'node:child_process'
import { resolve } from 'node:path'
import t from 'tap'

const root = resolve(import.meta.dirname, '../..')

t.test('examples - the tests of the reminders pass', async (t) => {
  const options = [
    '--import',
    'tsx',
    '--test',
    '--test-reporter',
    'tap',
    'examples/testing/reminders.test.ts',
  ]
  const { status, stdout, stderr } = spawnSync(process.execPath, options, { cwd: root, encoding: 'utf8' })
  t.equal(status, 0, `${stdout}\n${stderr}`)
  t.match(stdout, /^# pass 4$/m)
})
