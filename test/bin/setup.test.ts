/** What `npm start` and `npm test` call first, in clones of our own with an npm that only takes notes. */
import { spawnSync } from 'node:child_process'
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { join, resolve } from 'node:path'
import t, { type Test } from 'tap'
import { temporaryDirectory } from '../support/nats-server.ts'

const SETUP = resolve(import.meta.dirname, '../../bin/setup.mjs')
const LOCK = {
  packages: {
    '': { name: 'clone' },
    'node_modules/one': { version: '1.0.0' },
    'node_modules/other-platform': { version: '1.0.0', optional: true },
  },
}
const INSTALLED = { packages: { 'node_modules/one': { version: '1.0.0' } } }

interface Clone {
  readonly directory: string
  /** Runs setup; what npm was called with is in `npm`. */
  setup(
    args?: readonly string[],
    nodeArgs?: readonly string[],
  ): { code: number | null; stderr: string; npm: string[] }
}

/** `npmScript` is what the fake npm does with its arguments, in shell. */
function clone(t: Test, npmScript = ''): Clone {
  const directory = temporaryDirectory(t)
  const bin = join(directory, 'path')
  const calls = join(directory, 'npm-calls')
  for (const folder of ['bin', 'path']) mkdirSync(join(directory, folder))
  copyFileSync(SETUP, join(directory, 'bin/setup.mjs'))
  writeFileSync(join(directory, 'package-lock.json'), JSON.stringify(LOCK))
  writeFileSync(join(bin, 'npm'), `#!/bin/sh\necho "$@" >> '${calls}'\n${npmScript}\n`)
  writeFileSync(join(bin, 'nats-server'), '#!/bin/sh\n')
  for (const program of ['npm', 'nats-server']) chmodSync(join(bin, program), 0o755)
  return {
    directory,
    setup: (args = [], nodeArgs = []) => {
      const { status, stderr } = spawnSync(
        process.execPath,
        [...nodeArgs, join(directory, 'bin/setup.mjs'), ...args],
        {
          cwd: '/',
          env: { PATH: `${bin}:/usr/bin:/bin`, HOME: directory },
          encoding: 'utf8',
        },
      )
      const npm = existsSync(calls) ? readFileSync(calls, 'utf8').trim().split('\n') : []
      return { code: status, stderr, npm }
    },
  }
}

/** As npm leaves it behind, `ageSeconds` before the lock file was written. */
function installed({ directory }: Clone, ageSeconds: number, content: object = INSTALLED): void {
  const path = join(directory, 'node_modules/.package-lock.json')
  mkdirSync(join(directory, 'node_modules'), { recursive: true })
  writeFileSync(path, JSON.stringify(content))
  const seconds = Date.now() / 1000 - ageSeconds
  utimesSync(path, seconds, seconds)
}

t.test('setup - with nothing to do it does nothing and says nothing', async (t) => {
  const fresh = clone(t)
  installed(fresh, -60)
  t.strictSame(fresh.setup(['--nats']), { code: 0, stderr: '', npm: [] })
})

t.test('setup - a lock file that is only newer, as after a checkout, is no reason to install', async (t) => {
  const fresh = clone(t)
  installed(fresh, 60)
  t.strictSame(fresh.setup(), { code: 0, stderr: '', npm: [] })
})

t.test('setup - what is missing or of another version is installed', async (t) => {
  const before: [string, (fresh: Clone) => void][] = [
    ['no node_modules', () => {}],
    [
      'another version',
      (fresh) => installed(fresh, 60, { packages: { 'node_modules/one': { version: '0.9.0' } } }),
    ],
    ['one missing', (fresh) => installed(fresh, 60, { packages: {} })],
    [
      'one too many',
      (fresh) =>
        installed(fresh, 60, {
          packages: { ...INSTALLED.packages, 'node_modules/old': { version: '1.0.0' } },
        }),
    ],
  ]
  for (const [name, prepare] of before) {
    const fresh = clone(t)
    prepare(fresh)
    const { code, stderr, npm } = fresh.setup()
    t.equal(code, 0, name)
    t.same(npm, ['ci --dry-run', 'ci --no-audit --no-fund'], name)
    t.match(stderr, /^setup: installing dependencies \(npm ci\) \.\.\.$/m, name)
  }
})

t.test('setup - a lock file npm ci refuses is installed from without being changed', async (t) => {
  const fresh = clone(t, '[ "$1" = ci ] && exit 1; exit 0')
  const { code, npm } = fresh.setup()
  t.equal(code, 0)
  t.same(npm, ['ci --dry-run', 'install --no-save --no-audit --no-fund'])
})

t.test('setup - an installation that fails ends it', async (t) => {
  const { code, stderr } = clone(t, 'echo "no network" >&2; exit 1').setup()
  t.equal(code, 1)
  t.match(
    stderr,
    /no network\nsetup: `npm install --no-save --no-audit --no-fund` failed; what it said is above/,
  )
})

t.test('setup - tap is built once', async (t) => {
  const fresh = clone(t)
  installed(fresh, -60)
  const built = join(fresh.directory, 'node_modules/@tapjs/test/test-built')
  const program = join(fresh.directory, 'node_modules/tap/dist/esm')
  for (const folder of [built, program]) mkdirSync(folder, { recursive: true })
  const script = `import { mkdirSync } from 'node:fs'\nmkdirSync('node_modules/@tapjs/test/test-built/node_modules')\nconsole.error(process.argv[2])`
  writeFileSync(join(program, 'run.mjs'), script)
  t.match(fresh.setup(), { code: 0, stderr: /building tap with the plugins of \.taprc \.\.\.\nbuild\n$/ })
  t.strictSame(fresh.setup(), { code: 0, stderr: '', npm: [] })
})

t.test('setup - an old Node is told so first', async (t) => {
  const old =
    "data:text/javascript,Object.defineProperty(process, 'versions', { value: { node: '20.10.0' } })"
  const { code, stderr, npm } = clone(t).setup([], ['--import', old])
  t.strictSame([code, npm], [1, []])
  t.match(stderr, /^setup: Sluice needs Node 20\.11 or later, this is 20\.10\.0/)
})

t.test('setup - an argument it does not know is an error', async (t) => {
  t.match(clone(t).setup(['--nast']), { code: 1, stderr: /unknown argument --nast; there is --nats/ })
})
