/**
 * One seed, from beginning to end: the plan it stands for is carried out in virtual time, and then everything is
 * looked at. The same seed does the same each time, down to the last message: `digest` says so.
 */
import { createHash, type Hash } from 'node:crypto'
import { buildJob, type JobDefinition, job } from '../../lib/api/job.ts'
import { sleep } from '../../lib/base/clock.ts'
import { createLogger, formatText, type Logger } from '../../lib/base/logger.ts'
import { SeededRandom } from '../../lib/base/prng.ts'
import { ManualClock } from '../../lib/testing/manual-clock.ts'
import { leftoverFiles, leftovers, resultProblems } from './checks.ts'
import { JOBS } from './jobs.ts'
import { type Plan, planOf } from './plan.ts'
import { Results, type SinkFaults } from './results.ts'
import { SimulatedClient } from './simulated-client.ts'
import { SimulatedCluster } from './simulated-cluster.ts'
import { SimulatedNetwork } from './simulated-network.ts'
import { SimulatedStorage } from './simulated-storage.ts'

export interface Outcome {
  readonly plan: Plan
  /** Empty if all is well. */
  readonly problems: readonly string[]
  readonly digest: string
  readonly virtualMs: number
  readonly stats: Readonly<Record<string, number>>
  /** The last things that were logged. */
  readonly log: readonly string[]
}

/** Without faults nothing takes longer. */
const PATIENCE_MS = 180_000
/** After the end, before it is looked for what is left: what comes late has come by then. */
const REST_MS = 10_000
/** Until nothing may be left: files are deleted one by one, and storage is slow. */
const REST_MS_MAX = 300_000
const LOG_LINES_MAX = 4000
/** How often it is looked whether one leads at most. */
const LOOK_MS = 50
const START_MS = 1_700_000_000_000

export class Simulation {
  readonly plan: Plan
  readonly clock = new ManualClock(START_MS)
  readonly results = new Results()
  readonly storage: SimulatedStorage
  readonly network: SimulatedNetwork
  readonly cluster: SimulatedCluster
  readonly #digest: Hash = createHash('sha256')
  readonly #log: string[] = []
  readonly #problems: string[] = []
  readonly #onLog: (line: string) => void
  #definition!: JobDefinition
  #faultsEndMs = Number.POSITIVE_INFINITY
  #deliveries = 0
  #isOver = false

  constructor(seed: number, onLog: (line: string) => void = () => {}) {
    this.plan = planOf(seed)
    this.#onLog = onLog
    const random = new SeededRandom(seed + 0.5 * 2 ** 32)
    const isActive = () => this.clock.monotonic() < this.#faultsEndMs
    this.storage = new SimulatedStorage({ ...this.plan.storage, random, isActive })
    this.network = new SimulatedNetwork({
      clock: this.clock,
      random: new SeededRandom(seed + 2 ** 33),
      log: this.#loggerOf('network'),
      faults: this.plan.network,
      isFaulty: isActive,
      onDelivery: (from, to, subject, byteLength) => {
        this.#deliveries++
        this.#digest.update(`${this.clock.monotonic()} ${from} ${to} ${subject} ${byteLength}\n`)
      },
    })
    this.cluster = new SimulatedCluster({
      plan: this.plan,
      clock: this.clock,
      network: this.network,
      storage: this.storage,
      loggerOf: (process) => this.#loggerOf(process),
      loadJob: () => this.#definition,
      isFaulty: isActive,
    })
  }

  async run(): Promise<Outcome> {
    this.#definition = this.#define(throwingAt(this.plan))
    let stats = { restarts: 0, savepoints: 0 }
    await this.#within(this.cluster.start(), 'start')
    this.#faultsEndMs = this.clock.monotonic() + this.plan.faultsEndMs
    this.#scheduleEvents()
    this.#watchLeaders()
    const client = new SimulatedClient({ cluster: this.cluster, plan: this.plan, clock: this.clock })
    const define = (parallelism: number) =>
      buildJob(this.#definition, client.graphSettings(parallelism)).graph
    const ended = client.runJob(define).then(
      (result) => {
        stats = result
      },
      (error) => {
        this.#problems.push(error instanceof Error ? (error.stack ?? error.message) : String(error))
      },
    )
    const isInTime = await this.#within(ended, 'end')
    if (this.plan.isCalm && stats.restarts > 0)
      this.#problems.push(`${stats.restarts} restarts, and nothing but coordinators has failed`)
    if (isInTime && this.#problems.length === 0) {
      this.#problems.push(...(await resultProblems(this.plan, this.results)))
    }
    this.#isOver = true
    if (isInTime) await this.#stop()
    else await this.#within(this.#dump(client), 'dump')
    return {
      plan: this.plan,
      problems: this.#problems,
      digest: this.#digest.digest('hex').slice(0, 16),
      virtualMs: Math.round(this.clock.monotonic()),
      stats: { ...stats, ...this.network.counts, deliveries: this.#deliveries },
      log: this.#log,
    }
  }

  /** What everybody waits for; the last checkpoint that was given up says who did not acknowledge it. */
  async #dump(client: SimulatedClient): Promise<void> {
    const subtasks = await client.dump()
    const aborted = this.#log.filter((line) => / aborted /.test(line)).slice(-1)
    this.#problems.push(...subtasks, ...aborted.map((line) => `  ${line}`))
  }

  /** What is left of a job that has ended, then of a cluster that has been closed. */
  async #stop(): Promise<void> {
    this.#problems.push(...(await this.#rest('after the job')))
    await this.#within(this.cluster.close(), 'close')
    this.#problems.push(...(await this.#rest('after the close')))
    if (!hasStorageFaults(this.plan)) this.#problems.push(...leftoverFiles(this.plan, this.storage))
  }

  async #rest(when: string): Promise<readonly string[]> {
    const problems = () => leftovers(this.cluster, this.storage, when)
    await this.clock.advance(REST_MS)
    await this.clock.advanceUntil(() => problems().length === 0, REST_MS_MAX)
    return problems()
  }

  async #within(promise: Promise<unknown>, what: string): Promise<boolean> {
    let isSettled = false
    const settle = () => {
      isSettled = true
    }
    promise.then(settle, (error) => {
      this.#problems.push(`${what}: ${error}`)
      settle()
    })
    const patienceMs = PATIENCE_MS + Math.min(this.#faultsEndMs, 1e6)
    await this.clock.advanceUntil(() => isSettled, patienceMs)
    if (!isSettled)
      this.#problems.push(`${what}: not within ${Math.round(patienceMs / 1000)} virtual seconds`)
    return isSettled
  }

  #define(shouldThrow: (n: number) => boolean): JobDefinition {
    const { plan, results } = this
    const random = new SeededRandom(plan.seed + 3 * 2 ** 33)
    const sinkFaults: SinkFaults = {
      delayMs: plan.sinkDelayMs,
      rowMs: plan.sinkRowMs,
      commitFault: () => {
        if (this.clock.monotonic() > this.#faultsEndMs || random.nextFloat() >= plan.commitFailureRate)
          return 'none'
        return random.nextFloat() < 0.5 ? 'before' : 'after'
      },
    }
    const onRecord = (n: number) => {
      if (shouldThrow(n)) throw new Error(`record ${n}, as planned`)
    }
    const ask = (delayMs: number) => sleep(this.clock, delayMs)
    return job(
      'simulated',
      (env) => JOBS[plan.job](env, { results, sink: plan.sink, sinkFaults, onRecord, ask }),
      { chaining: plan.isChainingEnabled },
    )
  }

  #scheduleEvents(): void {
    const { cluster, clock } = this
    for (const { atMs, how } of this.plan.damages) {
      clock.schedule(atMs, () => this.#note('simulator', `${how}: ${this.storage.damage(how)}`))
    }
    for (const event of this.plan.events) {
      clock.schedule(event.atMs, () => {
        const { process } = event
        this.#note('simulator', `${event.kind} ${JSON.stringify(event)}`)
        if (event.kind === 'partition') cluster.partition(process, event.how, event.forMs)
        if (event.kind === 'pause') cluster.pause(process, event.forMs)
        if (event.kind === 'cut-off-store') cluster.cutOffStore(process, event.forMs)
        if (!('downMs' in event) || !cluster.isRunning(process)) return
        if (event.kind === 'kill') cluster.kill(process, event.isSilent)
        else cluster.leave(process).catch((error) => this.#problems.push(`leave: ${error}`))
        clock.schedule(event.downMs, () => {
          if (!cluster.isRunning(process)) cluster.startProcess(process)
        })
      })
    }
  }

  #watchLeaders(): void {
    const { leaderCount } = this.cluster
    if (leaderCount > 1) this.#problems.push(`${leaderCount} coordinators lead at once`)
    this.clock.schedule(LOOK_MS, () => {
      if (!this.#isOver) this.#watchLeaders()
    })
  }

  #loggerOf(process: string): Logger {
    const startMs = START_MS
    return createLogger(this.clock, 'debug', (entry) => {
      const fields = { ...entry.fields }
      if (fields.error instanceof Error) fields.error = fields.error.message
      this.#note(process, formatText({ ...entry, timeMs: entry.timeMs - startMs, fields }))
    })
  }

  #note(process: string, text: string): void {
    const line = `${(this.clock.monotonic() / 1000).toFixed(3)} ${process}: ${text}`
    this.#digest.update(`${line}\n`)
    this.#log.push(line)
    if (this.#log.length > LOG_LINES_MAX) this.#log.shift()
    this.#onLog(line)
  }
}

function hasStorageFaults({ storage }: Plan): boolean {
  return storage.failureRate > 0 || storage.lostAckRate > 0
}

/** True at each of the planned records, once. */
function throwingAt({ throwsAt }: Plan): (n: number) => boolean {
  const left = new Set(throwsAt)
  return (n) => left.delete(n)
}

export function simulate(seed: number, onLog?: (line: string) => void): Promise<Outcome> {
  return new Simulation(seed, onLog).run()
}
