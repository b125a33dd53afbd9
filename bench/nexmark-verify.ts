/**
 * Every Nexmark query on every path on which its results must be the known ones. The paths are taken in turn, each with
 * all queries, so that one that does not get its turn is one that can be named.
 */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemClock } from '../lib/base/clock.ts'
import { asError, SluiceError } from '../lib/base/errors.ts'
import { didYouMean } from '../lib/base/nearest-name.ts'
import { usageError } from './command-line.ts'
import { BACKENDS, type Backend, NEXMARK_JOBS } from './nexmark-arguments.ts'
import {
  backendSettings,
  type ClusterRunner,
  clusterRunner,
  type JobOrder,
  type JobRunner,
  localRunner,
  type Settings,
  threadsRunner,
} from './nexmark-cluster.ts'
import { GoldenDigests } from './nexmark-golden.ts'
import { canonicalRows, digestOf, readRows } from './nexmark-results.ts'

interface Events {
  readonly events: number
  readonly seed: number
  readonly rate: number
  readonly ooo: number
}

type Rows = PromiseSettledResult<string[]>

/** One way to run queries: which events, and how to get from them to the rows. */
interface Path<R extends JobRunner> {
  readonly name: string
  readonly events: Events
  /** Queries that take it at a time: more than one where a case mostly waits. */
  readonly together: number
  /** By query; files may go below `directory`. */
  run(runner: R, queries: readonly string[], directory: string): Promise<Rows[]>
}

/** Where the results of a job go, and how to get them back. */
interface Results {
  /** Of the job. */
  readonly args: readonly string[]
  take(): Promise<string[]> | string[]
}

/** Paths that share a runner, which is started when the first of them is taken. */
class Group<R extends JobRunner = JobRunner> {
  readonly paths: readonly Omit<Path<R>, 'run'>[]
  readonly #paths: readonly Path<R>[]
  readonly #start: (directory: string, signal: AbortSignal) => Promise<R>
  #running: { readonly runner: R; readonly directory: string } | null = null

  constructor(start: (directory: string, signal: AbortSignal) => Promise<R>, paths: readonly Path<R>[]) {
    this.#start = start
    this.#paths = paths
    this.paths = paths
  }

  /** The rows that queries leave when they take path `index`. */
  async rowsOf(queries: readonly string[], index: number, signal: AbortSignal): Promise<Rows[]> {
    const rows = await this.#run(queries, index, signal).catch((reason: unknown): Rows[] =>
      queries.map(() => ({ status: 'rejected', reason })),
    )
    // What failed may have left something behind that the next case would fail of.
    if (rows.some(({ status }) => status === 'rejected')) await this.close()
    return rows
  }

  async close(): Promise<void> {
    const running = this.#running
    this.#running = null
    if (running === null) return
    await running.runner.close()
    rmSync(running.directory, { recursive: true, force: true })
  }

  async #run(queries: readonly string[], index: number, signal: AbortSignal): Promise<Rows[]> {
    this.#running ??= await this.#open(signal)
    const directory = join(this.#running.directory, 'rows')
    try {
      return await this.#paths[index]!.run(this.#running.runner, queries, directory)
    } finally {
      rmSync(directory, { recursive: true, force: true })
    }
  }

  async #open(signal: AbortSignal): Promise<{ runner: R; directory: string }> {
    const directory = mkdtempSync(join(tmpdir(), 'nexmark-verify-'))
    try {
      return { runner: await this.#start(join(directory, 'checkpoints'), signal), directory }
    } catch (error) {
      rmSync(directory, { recursive: true, force: true })
      throw error
    }
  }
}

export interface Verdicts {
  readonly passed: number
  readonly failed: number
}

export interface VerifyPlan {
  readonly queries: readonly string[]
  /** The one path to take; null: all. */
  readonly path: string | null
  /** After so long no case begins any more. */
  readonly minutes: number
}

const RATES = [10_000, 1000, 100, 1]
const THREADED = [2, 4]
const MANY = { events: 100_000, seed: 7, rate: 1000, ooo: 1 }
/** Slow enough to be disturbed after a checkpoint and before the end. */
const PACE = 25_000
const CLUSTER = { nodes: 2, slotsPerNode: 4 }
/** As many as fit on the slots, at the parallelism they have there. */
const KILLED_TOGETHER = 4
const RESCALED_TOGETHER = 2
const CHECKPOINTS: Settings = { 'checkpoint.interval': '300ms' }
const RESTARTS: Settings = {
  ...CHECKPOINTS,
  'restart.strategy': 'fixed-delay',
  'restart.attempts': '10',
  'restart.delay': '100ms',
  'heartbeat.timeout': '3s',
}

/** `say` is told of each case, and at the end again of those that failed or were left out. Throws USAGE. */
export async function verify(
  { queries, path: only, minutes }: VerifyPlan,
  signal: AbortSignal,
  say: (text: string) => void,
  golden: Pick<GoldenDigests, 'known'> = new GoldenDigests(),
): Promise<Verdicts> {
  const endMs = systemClock.monotonic() + minutes * 60_000
  const all = groups()
  const names = all.flatMap(({ paths }) => paths.map(({ name }) => name))
  if (only !== null && !names.includes(only))
    throw usageError(`--path: there is no path "${only}".${didYouMean(only, names)}`)
  const total = queries.length * (only === null ? names.length : 1)
  const failures: string[] = []
  let [passed, leftOut] = [0, 0]
  for (const group of all) {
    try {
      for (const [index, { name, events, together }] of group.paths.entries()) {
        if (only !== null && name !== only) continue
        for (const some of chunks(queries, together)) {
          if (systemClock.monotonic() >= endMs) {
            leftOut += some.length
            for (const query of some) say(`${query}, ${name}: left out, the time is up`)
            continue
          }
          const rows = await group.rowsOf(some, index, signal)
          if (signal.aborted) throw new SluiceError('JOB_CANCELLED', 'interrupted')
          for (const [i, query] of some.entries()) {
            const complaint = complaintOf(query, rows[i]!, golden.known(query, events))
            if (complaint === null) passed++
            else failures.push(`${query}, ${name}: ${complaint}\n  ${againOf(query, name)}`)
            const done = `${passed + failures.length + leftOut} of ${total}`
            say(`[${done}] ${complaint === null ? `${query}, ${name}: ok` : failures.at(-1)}`)
          }
        }
      }
    } finally {
      await group.close()
    }
  }
  if (failures.length > 0) say(`failed:\n${failures.join('\n')}`)
  if (leftOut > 0) say(`${leftOut} of ${total} left out: ${minutes} min were up; --minutes gives more`)
  return { passed, failed: failures.length }
}

function chunks<T>(items: readonly T[], size: number): T[][] {
  const count = Math.ceil(items.length / size)
  return Array.from({ length: count }, (_, i) => items.slice(i * size, (i + 1) * size))
}

/** Null: the rows are the known ones. */
function complaintOf(query: string, result: Rows, known = 'unknown'): string | null {
  if (result.status === 'rejected') return `failed: ${asError(result.reason).message}`
  const { value: rows } = result
  try {
    const sha256 = digestOf(canonicalRows(query, rows))
    return sha256 === known ? null : `expected digest ${known}, found ${sha256} of ${rows.length} rows`
  } catch (error) {
    return `failed: ${asError(error).message}`
  }
}

/** How to have this case alone. */
function againOf(query: string, path: string): string {
  return `again: npm run nexmark -- --verify --query ${query} --path '${path}'`
}

function groups(): Pick<Group, 'paths' | 'rowsOf' | 'close'>[] {
  const checkpointed = new Group(
    (directory, signal) => localRunner(CHECKPOINTS, directory, signal),
    [plain('local, checkpoints, parallelism 2', MANY, 2)],
  )
  const onBackends = BACKENDS.flatMap((backend) => [...localGroups(backend), clusterGroup(backend)])
  return [checkpointed, ...onBackends]
}

/** A single subtask is run as a user's program does it, in this thread; more are in threads. */
function localGroups(backend: Backend): Group[] {
  const inOrder = RATES.map((rate) => ({ ...MANY, rate }))
  const paths = (parallelisms: readonly number[]) =>
    [...inOrder, { ...MANY, ooo: 1000 }].flatMap((events) =>
      parallelisms.map((parallelism) => {
        const disorder = events.ooo === 1 ? '' : `, out of order by ${events.ooo}`
        return plain(
          `local, ${backend}, parallelism ${parallelism}, rate ${events.rate}${disorder}`,
          events,
          parallelism,
        )
      }),
    )
  const settings = backendSettings(backend)
  return [
    new Group((directory, signal) => localRunner(settings, directory, signal), paths([1])),
    new Group(
      (directory, signal) => threadsRunner(Math.max(...THREADED), settings, directory, signal),
      paths(THREADED),
    ),
  ]
}

function clusterGroup(backend: Backend): Group<ClusterRunner> {
  const settings = { ...RESTARTS, ...backendSettings(backend) }
  const on = `${CLUSTER.nodes} nodes, ${backend}`
  const outOfOrder = { ...MANY, ooo: 1000 }
  const paths = [
    plain(`${on}, parallelism 2`, MANY, 2),
    plain(`${on}, parallelism 4, out of order`, outOfOrder, 4),
    killed(`${on}, parallelism 2, a node killed`, MANY, (_runner, _query, directory) => files(directory)),
    rescaled(`${on}, from parallelism 2 to 3 by a savepoint`, MANY),
  ]
  // Where results go makes no difference to how state is kept: one backend is enough.
  const hasJetStream = backend === 'heap'
  const intoJetStream = killed(
    `${on}, parallelism 2, out of order, into JetStream, a node killed`,
    outOfOrder,
    (runner, query) => runner.openStream(query),
  )
  return new Group<ClusterRunner>(
    (_directory, signal) => clusterRunner({ ...CLUSTER, hasJetStream }, settings, signal),
    hasJetStream ? [...paths, intoJetStream] : paths,
  )
}

function plain<R extends JobRunner>(name: string, events: Events, parallelism: number): Path<R> {
  return {
    name,
    events,
    together: 1,
    run: (runner, queries, directory) =>
      each(queries, async (query) => {
        const results = files(join(directory, query))
        await runner.run(order(query, events, parallelism, results))
        return results.take()
      }),
  }
}

function killed(
  name: string,
  events: Events,
  open: (runner: ClusterRunner, query: string, directory: string) => Promise<Results> | Results,
): Path<ClusterRunner> {
  return {
    name,
    events,
    together: KILLED_TOGETHER,
    async run(runner, queries, directory) {
      const results = await Promise.all(queries.map((query) => open(runner, query, join(directory, query))))
      const orders = queries.map((query, i) => order(query, events, 2, results[i]!, PACE))
      const ends = runner.runKilled(orders)
      return await Promise.allSettled(ends.map((end, i) => end.then(() => results[i]!.take())))
    },
  }
}

function rescaled(name: string, events: Events): Path<ClusterRunner> {
  return {
    name,
    events,
    together: RESCALED_TOGETHER,
    run: (runner, queries, directory) =>
      each(queries, async (query) => {
        // Each job writes into a directory of its own; the rows of the first come first.
        const [before, after] = [files(join(directory, query, '0')), files(join(directory, query, '1'))]
        await runner.runRescaled(order(query, events, 2, before, PACE), order(query, events, 3, after))
        return [...before.take(), ...after.take()]
      }),
  }
}

function each(queries: readonly string[], run: (query: string) => Promise<string[]>): Promise<Rows[]> {
  return Promise.allSettled(queries.map(run))
}

function files(directory: string): { readonly args: readonly string[]; take(): string[] } {
  return {
    args: ['--sink=files', `--path=${directory}`],
    take() {
      // A job without results makes no directory.
      mkdirSync(directory, { recursive: true })
      return readRows(directory)
    },
  }
}

function order(
  query: string,
  { events, seed, rate, ooo }: Events,
  parallelism: number,
  results: Results,
  pace?: number,
): JobOrder {
  const args = [
    ...[`--events=${events}`, `--seed=${seed}`, `--rate=${rate}`, `--ooo=${ooo}`],
    ...(pace === undefined ? [] : [`--pace=${pace}`]),
    ...results.args,
  ]
  return { file: new URL(`${query}.ts`, NEXMARK_JOBS), parallelism, args }
}
