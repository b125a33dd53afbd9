/**
 * Every Nexmark query on every path on which its results must be the known ones. The paths are taken in turn, each with
 * all queries, so that one that does not get its turn is one that can be named.
 */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemClock } from '../lib/base/clock.ts'
import { asError, SluiceError } from '../lib/base/errors.ts'
import { BACKENDS, type Backend, NEXMARK_JOBS } from './nexmark-arguments.ts'
import {
  backendSettings,
  type ClusterRunner,
  clusterRunner,
  type JobOrder,
  type JobRunner,
  localRunner,
  type Settings,
} from './nexmark-cluster.ts'
import { GoldenDigests } from './nexmark-golden.ts'
import { canonicalRows, digestOf, readRows } from './nexmark-results.ts'

interface Events {
  readonly events: number
  readonly seed: number
  readonly rate: number
  readonly ooo: number
}

/** One way to run a query: which events, and how to get from them to the rows below `directory`. */
interface Path<R extends JobRunner> {
  readonly name: string
  readonly events: Events
  run(runner: R, query: string, directory: string): Promise<unknown>
}

/** Paths that share a runner, which is started when the first of them is taken. */
class Group<R extends JobRunner = JobRunner> {
  readonly paths: readonly Omit<Path<R>, 'run'>[]
  readonly #paths: readonly Path<R>[]
  readonly #start: (directory: string, signal: AbortSignal) => Promise<R>
  readonly #directory = mkdtempSync(join(tmpdir(), 'nexmark-verify-'))
  #runner: R | null = null

  constructor(start: (directory: string, signal: AbortSignal) => Promise<R>, paths: readonly Path<R>[]) {
    this.#start = start
    this.#paths = paths
    this.paths = paths
  }

  /** The rows a query leaves when it takes path `index`. */
  async rowsOf(query: string, index: number, signal: AbortSignal): Promise<string[]> {
    this.#runner ??= await this.#start(join(this.#directory, 'checkpoints'), signal)
    const directory = join(this.#directory, 'rows')
    try {
      await this.#paths[index]!.run(this.#runner, query, directory)
      // Of two jobs that follow each other, in order; a job without results makes no directory.
      return ['0', '1'].flatMap((part) => {
        mkdirSync(join(directory, part), { recursive: true })
        return readRows(join(directory, part))
      })
    } finally {
      rmSync(directory, { recursive: true, force: true })
    }
  }

  async close(): Promise<void> {
    await this.#runner?.close()
    rmSync(this.#directory, { recursive: true, force: true })
  }
}

export interface Verdicts {
  readonly passed: number
  readonly failed: number
}

const RATES = [10_000, 1000, 100, 1]
const PARALLELISMS = [1, 2, 4]
const MANY = { events: 100_000, seed: 7, rate: 1000, ooo: 1 }
/** Slow enough to be disturbed after a checkpoint and before the end. */
const PACE = 25_000
const CLUSTER = { nodes: 2, slotsPerNode: 4 }
const CHECKPOINTS: Settings = { 'checkpoint.interval': '300ms' }
const RESTARTS: Settings = {
  ...CHECKPOINTS,
  'restart.strategy': 'fixed-delay',
  'restart.attempts': '10',
  'restart.delay': '100ms',
  'heartbeat.timeout': '3s',
}

/** After `minutes` no case begins any more. `say` is told of each. */
export async function verify(
  queries: readonly string[],
  minutes: number,
  signal: AbortSignal,
  say: (text: string) => void,
): Promise<Verdicts> {
  const endMs = systemClock.monotonic() + minutes * 60_000
  const verdicts = { passed: 0, failed: 0 }
  const golden = new GoldenDigests()
  for (const group of groups()) {
    try {
      for (const [index, { name, events }] of group.paths.entries()) {
        for (const query of queries) {
          if (systemClock.monotonic() > endMs) {
            say(`${query}, ${name}: left out, the time is up`)
            continue
          }
          const verdict = await judge(golden, query, events, () => group.rowsOf(query, index, signal))
          if (signal.aborted) throw new SluiceError('JOB_CANCELLED', 'interrupted')
          if (verdict === 'ok') verdicts.passed++
          else verdicts.failed++
          say(`${query}, ${name}: ${verdict}`)
        }
      }
    } finally {
      await group.close()
    }
  }
  return verdicts
}

async function judge(
  golden: GoldenDigests,
  query: string,
  events: Events,
  rowsOf: () => Promise<string[]>,
): Promise<string> {
  try {
    const rows = await rowsOf()
    const sha256 = digestOf(canonicalRows(query, rows))
    const verdict = golden.judge(query, events, sha256)
    return verdict === 'ok' ? verdict : `digest ${verdict}: ${rows.length} rows, ${sha256}`
  } catch (error) {
    return `failed: ${asError(error).message}`
  }
}

function groups(): Pick<Group, 'paths' | 'rowsOf' | 'close'>[] {
  const checkpointed = new Group(
    (directory, signal) => localRunner(CHECKPOINTS, directory, signal),
    [plain('local, checkpoints, parallelism 2', MANY, 2)],
  )
  const onBackends = BACKENDS.flatMap((backend) => [localGroup(backend), clusterGroup(backend)])
  return [checkpointed, ...onBackends]
}

function localGroup(backend: Backend): Group {
  const inOrder = RATES.map((rate) => ({ ...MANY, rate }))
  const paths = [...inOrder, { ...MANY, ooo: 1000 }].flatMap((events) =>
    PARALLELISMS.map((parallelism) => {
      const disorder = events.ooo === 1 ? '' : `, out of order by ${events.ooo}`
      return plain(
        `local, ${backend}, parallelism ${parallelism}, rate ${events.rate}${disorder}`,
        events,
        parallelism,
      )
    }),
  )
  return new Group((directory, signal) => localRunner(backendSettings(backend), directory, signal), paths)
}

function clusterGroup(backend: Backend): Group<ClusterRunner> {
  const settings = { ...RESTARTS, ...backendSettings(backend) }
  const on = `${CLUSTER.nodes} nodes, ${backend}`
  const paths: Path<ClusterRunner>[] = [
    plain(`${on}, parallelism 2`, MANY, 2),
    plain(`${on}, parallelism 4, out of order`, { ...MANY, ooo: 1000 }, 4),
    {
      name: `${on}, parallelism 2, a node killed`,
      events: MANY,
      run: (runner, query, directory) => runner.runKilled(order(query, MANY, 2, directory, 0, PACE)),
    },
    {
      name: `${on}, from parallelism 2 to 3 by a savepoint`,
      events: MANY,
      run: (runner, query, directory) =>
        runner.runRescaled(order(query, MANY, 2, directory, 0, PACE), order(query, MANY, 3, directory, 1)),
    },
  ]
  return new Group((_directory, signal) => clusterRunner(CLUSTER, settings, signal), paths)
}

function plain(name: string, events: Events, parallelism: number): Path<JobRunner> {
  return {
    name,
    events,
    run: (runner, query, directory) => runner.run(order(query, events, parallelism, directory, 0)),
  }
}

/** `part`: which of the jobs that follow each other; each writes into a directory of its own. */
function order(
  query: string,
  { events, seed, rate, ooo }: Events,
  parallelism: number,
  directory: string,
  part: number,
  pace?: number,
): JobOrder {
  const args = [
    ...[`--events=${events}`, `--seed=${seed}`, `--rate=${rate}`, `--ooo=${ooo}`],
    ...(pace === undefined ? [] : [`--pace=${pace}`]),
    ...['--sink=files', `--path=${join(directory, `${part}`)}`],
  ]
  return { file: new URL(`${query}.ts`, NEXMARK_JOBS), parallelism, args }
}
