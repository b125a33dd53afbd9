/** How the command line answers: help, versions, wrong usage; what goes to which stream; exit codes. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { EXIT } from '../../lib/base/errors.ts'
import { environmentName, OPTION_KEYS, OPTIONS } from '../../lib/config/options.ts'
import { job, Workspace } from './cli-process.ts'

const VERBS = [
  'run',
  'jobs',
  'describe',
  'cancel',
  'checkpoints',
  'checkpoint',
  'upgrade',
  'nodes',
  'graph',
  'coordinator',
  'node',
  'nats',
  'config',
  'doctor',
  'version',
]

/** Starting a process for each in turn would take long, all at once as well. */
async function each<T>(items: readonly T[], use: (item: T) => Promise<void>): Promise<void> {
  const rest = [...items]
  const lane = async () => {
    for (let item = rest.shift(); item !== undefined; item = rest.shift()) await use(item)
  }
  await Promise.all([lane(), lane(), lane()])
}

// Some tests start two dozen processes.
t.setTimeout(180_000)

t.test('help - lists every verb and the exit codes, on stdout, and is no error', async (t) => {
  const workspace = await Workspace.open(t)
  await each([[], ['--help']], async (args) => {
    const { code, stdout, stderr } = await workspace.run(args)
    t.equal(code, EXIT.ok)
    t.equal(stderr, '')
    for (const verb of VERBS) t.match(stdout, new RegExp(`^  ${verb}\\b`, 'm'))
    t.match(stdout, /Exit codes: 0 done/)
  })
})

t.test('help - every verb has a description, options, examples and exit codes', async (t) => {
  const workspace = await Workspace.open(t)
  await each([...VERBS.map((verb) => [verb]), ['nats', 'start']], async (verb) => {
    const { code, stdout, stderr } = await workspace.run([...verb, '--help'])
    const name = verb.join(' ')
    t.equal(code, EXIT.ok, name)
    t.equal(stderr, '', name)
    t.match(stdout, new RegExp(`^Usage: sluice ${name}`), name)
    t.match(stdout, /--json +results as JSON/, name)
    t.match(stdout, /Exit codes: /, name)
    if (name !== 'nats' && name !== 'version')
      t.match(stdout, new RegExp(`Examples:\n(  .*\n)*  .*sluice ${name}`), name)
  })
})

t.test('usage - what is wrong is named, with what was perhaps meant; nothing is on stdout', async (t) => {
  const workspace = await Workspace.open(t)
  writeFileSync(join(workspace.directory, 'wordcount.ts'), '')
  writeFileSync(join(workspace.directory, 'bad.json'), '{ "nats": { "ulr": "x" } }')
  const cases: [args: string[], message: RegExp][] = [
    [['jbos'], /unknown command 'jbos'\. Did you mean jobs\?\n.*sluice --help/],
    [['jobs', '--jsn'], /unknown option '--jsn'\. Did you mean --json\?/],
    [['run', 'wordcuont.ts'], /there is no file wordcuont\.ts\. Did you mean "wordcount\.ts"\?/],
    [
      ['run', job('count.ts'), '--detached'],
      /--detached leaves the job to a cluster, and none is configured/,
    ],
    [['jobs', '--', 'x'], /unexpected arguments after --: x/],
    [
      ['jobs', '--config', 'bad.json'],
      /no option "nats\.ulr", given by .*bad\.json\. Did you mean "nats\.url"\?/,
    ],
    [
      ['node', '--slots', '0'],
      /option node\.slots, given by --slots: expected an integer from 1 to 1024, found "0"/,
    ],
  ]
  await each(cases, async ([args, message]) => {
    const { code, stdout, stderr } = await workspace.run(args)
    t.equal(code, EXIT.usage, args.join(' '))
    t.equal(stdout, '', args.join(' '))
    t.match(stderr, message)
    t.notMatch(stderr, /^ +at .*(lib|bin|node_modules)\//m, 'no stack of ours')
  })
})

t.test('usage - variables that look like options are checked as well', async (t) => {
  const workspace = await Workspace.open(t)
  const { code, stderr } = await workspace.run(['config'], { SLUICE_NATS_ULR: 'x' })
  t.equal(code, EXIT.usage)
  t.match(stderr, /"SLUICE_NATS_ULR", given by the environment\. Did you mean "SLUICE_NATS_URL"\?/)
})

t.test('usage - with --json an error is one JSON object on stderr', async (t) => {
  const workspace = await Workspace.open(t)
  const cases: [string[], object][] = [
    [['jbos', '--json'], { code: 'USAGE', exitCode: 2, hint: /sluice --help/ }],
    [
      ['jobs', '--json', '-D', 'clutser=x'],
      { code: 'CONFIG_UNKNOWN_KEY', exitCode: 2, details: { option: 'clutser' } },
    ],
  ]
  await each(cases, async ([args, error]) => {
    const { stdout, stderr } = await workspace.run(args)
    t.equal(stdout, '')
    t.match(JSON.parse(stderr), { error })
    t.equal(stderr.trim().split('\n').length, 1)
  })
})

t.test('version - for people and for programs', async (t) => {
  const workspace = await Workspace.open(t)
  const [text, json] = await Promise.all([workspace.run(['version']), workspace.run(['version', '--json'])])
  t.match(text.stdout, /^sluice \d+\.\d+\.\d+, node \d+/)
  t.strictSame(Object.keys(JSON.parse(json.stdout)), ['sluice', 'node', 'platform', 'arch'])
})

t.test('config - every option with its value and origin; secrets are hidden', async (t) => {
  const workspace = await Workspace.open(t)
  writeFileSync(
    join(workspace.directory, 'sluice.config.ts'),
    'export default { node: { slots: 3 } satisfies object }',
  )
  const args = ['config', '-D', 'nats.token=t0ken', '--nats', 'nats://ann:s3cret@n:1']
  const env = { SLUICE_NATS_PASSWORD: 's3cret', SLUICE_HEARTBEAT_TIMEOUT: '3s' }
  const [text, json] = await Promise.all([workspace.run(args, env), workspace.run([...args, '--json'], env)])
  for (const { code, stdout, stderr } of [text, json]) {
    t.equal(code, EXIT.ok, stderr)
    t.notMatch(stdout, /s3cret|t0ken/)
  }
  for (const key of OPTION_KEYS)
    t.match(text.stdout, new RegExp(`^${key.replaceAll('.', '\\.')} .*${OPTIONS[key].doc.slice(0, 10)}`, 'm'))
  t.match(text.stdout, /^heartbeat\.timeout +3s +environment variable SLUICE_HEARTBEAT_TIMEOUT/m)
  const { options } = JSON.parse(json.stdout) as { options: { key: string }[] }
  const find = (key: string) => options.find((option) => option.key === key)
  t.equal(options.length, OPTION_KEYS.length)
  t.match(find('heartbeat.timeout'), {
    value: 3000,
    kind: 'duration',
    origin: 'environment variable SLUICE_HEARTBEAT_TIMEOUT',
  })
  t.match(find('node.slots'), { value: 3, origin: /sluice\.config\.ts$/ })
  t.match(find('nats.user'), { value: null, origin: 'default', environment: [environmentName('nats.user')] })
})

t.test('graph - as text, JSON and Mermaid, with the arguments of the job', async (t) => {
  const workspace = await Workspace.open(t)
  const path = job('count.ts')
  const two = ['-D', 'job.parallelism=2']
  const forms = [
    [],
    ['--json', ...two],
    ['--mermaid', ...two],
    ['-D', 'job.parallelism=3', '--', '5', 'print'],
  ]
  const [text, json, mermaid, three] = await Promise.all(
    forms.map((form) => workspace.run(['graph', path, ...form])),
  )
  t.match(text?.stdout, /^job count +\(fingerprint [0-9a-f]+\)\n\nnumbers -> sum -> blackhole +x1/)
  t.match(JSON.parse(json!.stdout), {
    jobName: 'count',
    vertices: [{ id: 'numbers' }, { id: 'sum' }],
    edges: [{ from: 'numbers', to: 'sum' }],
  })
  t.match(mermaid?.stdout, /^flowchart LR\n/)
  t.match(three?.stdout, /numbers +x3\n(.*\n)*sum -> print +x3/)
})

t.test('doctor - without a cluster configured: warnings, each with its mend, and no failure', async (t) => {
  const workspace = await Workspace.open(t)
  const { code, stdout } = await workspace.run(['doctor', '--json'])
  const { findings } = JSON.parse(stdout) as {
    findings: { check: string; result: string; text: string; mend: string }[]
  }
  t.equal(code, EXIT.ok)
  t.match(findings.slice(0, 3), [
    { check: 'node', result: 'ok' },
    { check: 'cache', result: 'ok', text: workspace.directory },
    { check: 'nats-server', result: 'ok', text: /^\d+\.\d+\.\d+, \// },
  ])
  for (const { result, mend } of findings) if (result !== 'ok') t.match(mend, /sluice/)
})

t.test(
  'doctor - a configuration that is wrong, and a cluster that is wanted and not there, fail',
  async (t) => {
    const workspace = await Workspace.open(t)
    const [wrong, absent] = await Promise.all([
      workspace.run(['doctor', '-D', 'log.level=loud']),
      workspace.run(['doctor', '--nats', 'nats://127.0.0.1:1']),
    ])
    t.equal(wrong.code, EXIT.failed)
    t.match(wrong.stdout, /^FAIL +configuration +option log\.level/m)
    t.equal(absent.code, EXIT.failed)
    t.match(
      absent.stdout,
      /^FAIL +NATS +cannot connect to NATS at nats:\/\/127\.0\.0\.1:1.*\n +-> sluice nats start/m,
    )
  },
)

t.test('nats install - where there is one already it says where', async (t) => {
  const workspace = await Workspace.open(t)
  const { code, stdout, stderr } = await workspace.run(['nats', 'install'])
  t.equal(code, EXIT.ok)
  t.equal(stdout, `${workspace.env.SLUICE_NATS_SERVER_BIN}\n`)
  t.match(stderr, /is there already/)
})

t.test('nats start - without a program: exit code 7 and the line that installs one', async (t) => {
  const workspace = await Workspace.open(t)
  const { code, stderr } = await workspace.run(['nats', 'start'], {
    SLUICE_NATS_SERVER_BIN: '/none/nats-server',
  })
  t.equal(code, EXIT.natsServerMissing)
  t.match(stderr, /SLUICE_NATS_SERVER_BIN is \/none\/nats-server.*\n.*sluice nats install/)
})
