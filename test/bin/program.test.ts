/** The grammar of the command line, without processes. */
import t from 'tap'
import { VERBS } from '../../bin/commands/verbs.ts'
import { configFlags, type Invocation, parseCommandLine } from '../../bin/program.ts'

const parse = (line: string) => parseCommandLine(line.split(' '), VERBS)

async function parsed(line: string): Promise<Invocation> {
  const invocation = await parse(line)
  if (invocation === null) throw new Error(`${line} asks for help`)
  return invocation
}

t.test('program - what is wrong is named, with what was perhaps meant and where help is', async (t) => {
  const cases: [line: string, message: RegExp, help: string][] = [
    ['jbos', /unknown command 'jbos'\. Did you mean jobs\?/, 'sluice --help'],
    ['--jsn jobs', /unknown option '--jsn'\. Did you mean --json\?/, 'sluice --help'],
    ['jobs --jsn', /unknown option '--jsn'\. Did you mean --json\?/, 'sluice jobs --help'],
    ['run x.ts --lcoal', /unknown option '--lcoal'\. Did you mean --local\?/, 'sluice run --help'],
    ['run', /missing required argument 'job\.ts'/, 'sluice run --help'],
    ['jobs extra', /too many arguments for 'jobs'/, 'sluice jobs --help'],
    ['run a.ts b.ts', /too many arguments for 'run'/, 'sluice run --help'],
    ['nats', /sluice nats needs a verb: start, install, status/, 'sluice nats --help'],
    ['nats strat', /unknown command 'strat'\. Did you mean start\?/, 'sluice nats --help'],
    ['nats start --prot 1', /unknown option '--prot'\. Did you mean --port\?/, 'sluice nats start --help'],
    ['run x.ts -p', /'-p, --parallelism <count>' argument missing/, 'sluice run --help'],
    ['run x.ts --local -d', /'--local' cannot be used with option '-d, --detached'/, 'sluice run --help'],
    ['jobs -q -v', /'-q, --quiet' cannot be used with option '-v, --verbose'/, 'sluice --help'],
    ['graph x.ts --format svg', /'svg' is invalid.*text, json, mermaid/, 'sluice graph --help'],
  ]
  for (const [line, message, help] of cases) {
    await t.rejects(parse(line), { code: 'USAGE', exitCode: 2, message, details: { help } }, line)
  }
})

t.test('program - options of all verbs can stand before or after the verb', async (t) => {
  for (const line of [
    '--json -q --cluster c jobs',
    'jobs --json -q --cluster c',
    '--json jobs -q --cluster=c',
  ]) {
    const { command } = await parsed(line)
    t.match(command.optsWithGlobals(), { json: true, quiet: true, cluster: 'c' }, line)
  }
})

t.test('program - a verb that is the value of an option is no verb', async (t) => {
  const { command, args } = await parsed('--cluster jobs describe nodes')
  t.equal(command.name(), 'describe')
  t.same(args, ['nodes'])
})

t.test('program - flags become values of options, whichever way they are given', async (t) => {
  const flags = async (line: string) => configFlags((await parsed(line)).command)
  t.same(await flags('node --slots 4 --nats nats://n -D heartbeat.timeout=3s -Dcluster=a=b'), [
    { key: 'node.slots', value: '4', name: '--slots' },
    { key: 'nats.url', value: 'nats://n', name: '--nats' },
    { key: 'heartbeat.timeout', value: '3s', name: '-D heartbeat.timeout' },
    { key: 'cluster', value: 'a=b', name: '-D cluster' },
  ])
  t.same(await flags('jobs'), [])
  await t.rejects(flags('jobs -D cluster'), {
    code: 'USAGE',
    message: /expected -D key=value, found -D cluster/,
  })
  await t.rejects(flags('jobs -D =x'), { code: 'USAGE' })
})
