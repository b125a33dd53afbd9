/**
 * One run of chaos: the queries undisturbed, then all jobs under fire, then the comparison. Faults come one at a
 * time, as planned; between two there is time to recover.
 */
import { sleep, systemClock } from '../../lib/base/clock.ts'
import { silentLogger } from '../../lib/base/logger.ts'
import { systemRandom } from '../../lib/base/prng.ts'
import type { ClusterClient } from '../../lib/client/cluster-client.ts'
import { connectCluster } from '../../lib/client/connect-cluster.ts'
import { submitJob } from '../../lib/client/submit-job.ts'
import {
  checkpointSettings,
  natsSettings,
  restartSettings,
  taskSettings,
} from '../../lib/config/config-settings.ts'
import { loadConfig } from '../../lib/config/load-config.ts'
import type { Config } from '../../lib/config/options.ts'
import type { JobDescription } from '../../lib/protocol/job-submission.ts'
import type { BlobStore } from '../../lib/storage/blob-store.ts'
import { openBlobStore } from '../../lib/storage/open-blob-store.ts'
import type { ChaosCluster, Target } from './chaos-cluster.ts'
import type { ChaosJob, ChaosJobs, Pulse } from './chaos-jobs.ts'
import type { Fault, FaultKind } from './fault-plan.ts'
import { gapsOf, longestGap } from './output-gaps.ts'

export interface FaultOutcome extends Fault {
  readonly target: string
  /** The longest time without output that began before the fault was over. */
  readonly gapMs: number
}

export interface JobOutcome {
  readonly name: string
  readonly restarts: number
  readonly completed: number
  readonly failed: number
  /** Null: of this job no results are compared. */
  readonly rows: number | null
  readonly isSame: boolean | null
}

export interface ChaosReport {
  readonly seed: number
  readonly faults: readonly FaultOutcome[]
  readonly jobs: readonly JobOutcome[]
  /** Messages of the pulse. */
  readonly beats: number
  /** The longest time without output while there was no fault. */
  readonly calmGapMs: number
  readonly problems: readonly string[]
}

export interface ChaosRunOptions {
  readonly cluster: ChaosCluster
  readonly jobs: ChaosJobs
  readonly plan: readonly Fault[]
  readonly seed: number
  /** Options of the jobs, over those they have here. */
  readonly jobFlags: Readonly<Record<string, string>>
  say(line: string): void
}

const PARALLELISM = 2
const JOB_FLAGS: Readonly<Record<string, string>> = {
  'checkpoint.interval': '1s',
  'checkpoint.timeout': '10s',
  // While the server is away none completes.
  'checkpoint.tolerableFailures': '1000',
  'restart.strategy': 'fixed-delay',
  'restart.attempts': '1000',
  'restart.delay': '100ms',
  'slot.requestTimeout': '60s',
}
/** After a fault, how long its traces in the output may last. */
const AFTERMATH_MS = 5000

/** A client of the cluster, with the settings of all jobs. */
class Submitter {
  readonly client: ClusterClient
  readonly close: () => Promise<void>
  readonly #config: Config
  readonly #blobs: BlobStore

  private constructor(client: ClusterClient, config: Config, blobs: BlobStore, close: () => Promise<void>) {
    this.client = client
    this.#config = config
    this.#blobs = blobs
    this.close = close
  }

  static async open({ cluster: { url, directory }, jobFlags }: ChaosRunOptions): Promise<Submitter> {
    const place = { 'nats.url': url, 'storage.uri': `file://${directory}/storage` }
    const settings = { ...JOB_FLAGS, ...jobFlags, ...place }
    const flags = Object.entries(settings).map(([key, value]) => ({ key, value, name: key }))
    const { config } = await loadConfig({ flags, directory, env: {} })
    const [clock, random, log] = [systemClock, systemRandom(), silentLogger]
    const nats = natsSettings(config, 'chaos')
    const connection = await connectCluster({ nats, cluster: config.cluster, clock, random, log })
    const blobs = await openBlobStore(config['storage.uri'], { bus: connection.bus, clock, logger: log })
    return new Submitter(connection.client, config, blobs, async () => {
      await blobs.close()
      await connection.close()
    })
  }

  async submit({ file, args }: ChaosJob): Promise<string> {
    const config = this.#config
    const { jobId } = await submitJob(file, {
      client: this.client,
      blobs: this.#blobs,
      parallelism: PARALLELISM,
      args,
      task: taskSettings(config),
      restart: restartSettings(config),
      checkpoint: checkpointSettings(config),
      restore: null,
      slotRequestTimeoutMs: config['slot.requestTimeout'],
      standbySlots: config['slot.standby'],
    })
    return jobId
  }
}

export async function chaosRun(options: ChaosRunOptions): Promise<ChaosReport> {
  const { jobs, plan, seed, say } = options
  const submitter = await Submitter.open(options)
  try {
    say('an undisturbed run of the queries')
    await Promise.all(
      jobs.queries('undisturbed', false).map(async (job) => {
        const description = await submitter.client.waitForEnd(await submitter.submit(job))
        if (description.state !== 'finished')
          throw new Error(`the undisturbed run has ${describe(description)}`)
      }),
    )
    const expected = await jobs.results('undisturbed')
    const pulse = jobs.watchPulse()
    const ids = await Promise.all(
      [...jobs.queries('disturbed', true), jobs.pulse].map((job) => submitter.submit(job)),
    )
    const startedMs = performance.now()
    const shots = await fire(options, submitter.client, startedMs)
    say(`${plan.length} faults are over; the jobs run to their ends`)
    const ended = await Promise.all(ids.map((id) => submitter.client.waitForEnd(id)))
    await pulse.stop()
    return evaluate({
      seed,
      shots,
      startedMs,
      pulse,
      ended,
      expected,
      found: await jobs.results('disturbed'),
    })
  } finally {
    await submitter.close()
  }
}

interface Shot extends Fault {
  readonly target: string
  readonly fromMs: number
  readonly toMs: number
}

async function fire(
  { cluster, plan, say }: ChaosRunOptions,
  client: ClusterClient,
  startedMs: number,
): Promise<Shot[]> {
  const shots: Shot[] = []
  for (const fault of plan) {
    await sleep(systemClock, Math.max(0, startedMs + fault.atMs - performance.now()))
    const target = await targetOf(cluster, client, fault)
    const fromMs = performance.now()
    say(`${Math.round((fromMs - startedMs) / 1000)}s: ${fault.kind} (${target.name}) for ${fault.forMs} ms`)
    const isKill = fault.kind.startsWith('kill')
    if (isKill) target.kill()
    else target.pause()
    await sleep(systemClock, fault.forMs)
    if (isKill) await target.restart()
    else target.resume()
    shots.push({ ...fault, target: target.name, fromMs, toMs: performance.now() })
  }
  return shots
}

async function targetOf(
  { nats, nodes, coordinators }: ChaosCluster,
  client: ClusterClient,
  { kind, choice }: { readonly kind: FaultKind; readonly choice: number },
): Promise<Target> {
  if (kind === 'kill-nats' || kind === 'pause-nats') return nats
  if (kind === 'kill-node' || kind === 'pause-node') return nodes[choice % nodes.length]!
  const leader = await client.leader()
  const found = coordinators.find(({ name }) => name === leader.id)
  if (found === undefined) throw new Error(`the leader is ${leader.id}, which is none of ours`)
  return found
}

interface Findings {
  readonly seed: number
  readonly shots: readonly Shot[]
  readonly startedMs: number
  readonly pulse: Pulse
  readonly ended: readonly JobDescription[]
  readonly expected: Record<string, { rows: number; sha256: string }>
  readonly found: Record<string, { rows: number; sha256: string }>
}

function evaluate({ seed, shots, startedMs, pulse, ended, expected, found }: Findings): ChaosReport {
  const gaps = gapsOf(pulse.timesMs)
  const faults = shots.map(({ fromMs, toMs, ...shot }) => ({
    ...shot,
    gapMs: Math.round(longestGap(gaps, fromMs, toMs + AFTERMATH_MS)),
  }))
  const calm = gaps.filter(({ fromMs, ms }) =>
    shots.every((shot) => fromMs + ms < shot.fromMs || fromMs > shot.toMs + AFTERMATH_MS),
  )
  const jobs = ended.map((description) => outcomeOf(description, expected, found))
  const problems = ended
    .filter(({ state }) => state !== 'finished')
    .map((description) => `job ${description.name} has ${describe(description)}`)
  for (const { name, isSame, rows } of jobs) {
    if (isSame === null && name !== 'pulse')
      problems.push(`${name}: there is nothing to compare its results with`)
    if (isSame === false)
      problems.push(`${name}: ${rows} rows, expected the ${expected[name]!.rows} undisturbed ones`)
  }
  if (pulse.timesMs.length === 0) problems.push(`the pulse has put nothing out since ${startedMs}`)
  const calmGapMs = Math.round(Math.max(0, ...calm.map((gap) => gap.ms)))
  return { seed, faults, jobs, beats: pulse.timesMs.length, calmGapMs, problems }
}

function outcomeOf(
  { name, restarts, checkpoints }: JobDescription,
  expected: Findings['expected'],
  found: Findings['found'],
): JobOutcome {
  const [was, is] = [expected[name], found[name]]
  return {
    name,
    restarts,
    completed: checkpoints?.counts.completed ?? 0,
    failed: checkpoints?.counts.failed ?? 0,
    rows: is?.rows ?? null,
    isSame: was === undefined ? null : was.sha256 === is?.sha256,
  }
}

function describe({ state, error }: JobDescription): string {
  return `${state}${error === undefined ? '' : `: ${error.message}`}`
}
