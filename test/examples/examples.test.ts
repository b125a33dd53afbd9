/** The examples of the README, by the command line, as it says. */
import { resolve } from 'node:path'
import t from 'tap'
import { EXIT } from '../../lib/base/errors.ts'
import { Workspace } from '../bin/cli-process.ts'

const example = (name: string): string => resolve(import.meta.dirname, '../../examples', name)

t.setTimeout(240_000)

t.test('examples - earthquakes: strong ones by day and region, at any parallelism', async (t) => {
  const workspace = await Workspace.open(t)
  const [one, two] = await Promise.all(
    [[], ['--parallelism', '2']].map((options) =>
      workspace.run(['run', example('earthquakes.ts'), ...options]),
    ),
  )
  t.equal(one!.code, EXIT.ok, one!.stderr)
  t.match(one!.stderr, /^earthquakes finished: 1,707 records read in /m)
  const rows = (stdout: string) =>
    stdout
      .trim()
      .split('\n')
      .map((line) => line.replace(/^\d> /, ''))
      .sort()
  t.equal(rows(one!.stdout).length, 27)
  t.match(one!.stdout, /^2018-02-06 {2}Taiwan +11 quakes, up to 6\.4 {2}22km NNE of Hualian, Taiwan$/m)
  t.same(rows(two!.stdout), rows(one!.stdout))
})

t.test('examples - sensors: means per room and five seconds', async (t) => {
  const workspace = await Workspace.open(t)
  const { code, stdout, stderr } = await workspace.run(['run', example('sensors.ts'), '--', '1200'])
  t.equal(code, EXIT.ok, stderr)
  const lines = stdout.trim().split('\n').sort()
  t.equal(lines.length, 8)
  t.match(lines[0], /^2026-01-01T00:00:05\.000Z {2}attic +\d+\.\d\d °C$/)
})
