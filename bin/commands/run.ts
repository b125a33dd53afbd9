/** Runs a job: in this process, or on a cluster. */
import { pathToFileURL } from 'node:url'
import { Option } from 'commander'
import { runLocal } from '../../actors/run-local.ts'
import { sleep } from '../../lib/base/clock.ts'
import { asError, SluiceError } from '../../lib/base/errors.ts'
import { formatDuration } from '../../lib/base/units.ts'
import { CLAIM_MODES, type ClaimMode } from '../../lib/checkpoint/checkpoint-settings.ts'
import { type ClusterClient, failureOf } from '../../lib/client/cluster-client.ts'
import { submitJob } from '../../lib/client/submit-job.ts'
import {
  checkpointSettings,
  natsSettings,
  restartSettings,
  taskSettings,
} from '../../lib/config/config-settings.ts'
import type { JobDescription, RestoreSettings } from '../../lib/protocol/job-submission.ts'
import { openBlobStore } from '../../lib/storage/open-blob-store.ts'
import { withCluster } from '../connect.ts'
import { jobPath } from '../job-file.ts'
import { openLocalStorage } from '../local-storage.ts'
import { ProgressReporter } from '../progress-reporter.ts'
import { formatCount } from '../text-table.ts'
import { type CommandContext, ConfigOption, type Configured, type VerbInput, type VerbSpec } from '../verb.ts'
import { vertexTotals } from '../vertex-totals.ts'

/** Between two tries to hand in the cancellation of a job. */
const CANCEL_RETRY_MS = 1000

export const runVerb: VerbSpec = {
  description:
    'Without a NATS server (--nats, NATS_URL, nats.url in the configuration file) or with --local, everything runs in this ' +
    'process and nothing has to be installed. The command stays until the job has ended; Ctrl-C cancels the job. ' +
    'What jobs print goes to stdout, everything else to stderr.',
  options: [
    new ConfigOption('-p, --parallelism <count>', 'job.parallelism'),
    new ConfigOption('--max-parallelism <count>', 'job.maxParallelism'),
    new Option('--local', 'in this process, whatever is configured').conflicts('detached'),
    new Option('--from <uri>', 'begin from a savepoint, or from a checkpoint that was kept'),
    new Option(
      '--claim-mode <mode>',
      'with --from: whose it is then. claim: the job\u2019s, which deletes it when it is of no more use; no-claim, legacy: yours',
    ).choices([...CLAIM_MODES]),
    new Option(
      '--allow-non-restored-state',
      'with --from: leave state behind that no operator of the job takes up',
    ),
    new Option('-d, --detached', 'do not wait: print the id of the job, and nothing else'),
  ],
  examples: [
    ['sluice run job.ts', 'in this process'],
    ['sluice run job.ts -p 4 -- --since 2024', 'four subtasks per operator; the job sees its own arguments'],
    ['sluice run job.ts --nats nats://nats:4222', 'on the cluster behind that server'],
    ['sluice run job.ts --from file:///backup/word-count-1', 'goes on from a savepoint'],
    ['id=$(sluice run job.ts -d)', 'on the cluster, without waiting'],
  ],
  hasJobArgs: true,
  async run(context, input) {
    const configured = await context.configure()
    const path = jobPath(input.args[0]!)
    const isLocal = input.options.local === true || configured.origins['nats.url'].kind === 'default'
    if (input.options.detached === true && isLocal) throw nowhereToDetach()
    const outcome = isLocal
      ? runHere(context, configured, input, path)
      : runOnCluster(context, configured, input, path)
    const description = await outcome
    if (description !== null) summarise(context, description)
    return undefined
  },
}

async function runHere(
  context: CommandContext,
  { config, log, logFormat }: Configured,
  { jobArgs, options }: VerbInput,
  path: string,
): Promise<JobDescription> {
  const signal = context.interrupts.listen(() => context.out.note('cancelling; once more to stop at once'))
  const progress = new ProgressReporter(context)
  const restore = restoreSettings(options)
  const needsStorage = config['checkpoint.interval'] > 0 || restore !== null
  const storage = needsStorage ? openLocalStorage(config['storage.uri']) : null
  try {
    return await runLocal(pathToFileURL(path), {
      ...overrides(config['job.parallelism'], config['job.maxParallelism']),
      args: jobArgs,
      // A job that never yields must not take Ctrl-C with it.
      threads: 'always',
      connections: { nats: natsSettings(config, 'sluice run') },
      task: taskSettings(config),
      stateDirectory: config['state.directory'],
      restart: restartSettings(config),
      ...(storage === null ? {} : { checkpoint: checkpointSettings(config, storage.uri) }),
      ...(restore === null ? {} : { restore }),
      log,
      logLevel: config['log.level'],
      logFormat,
      onProgress: (description) => progress.update(description),
      signal,
    })
  } catch (error) {
    throw failedJob(error, progress.description)
  } finally {
    progress.close()
    storage?.remove()
  }
}

/** Null: the job runs on without us. */
function runOnCluster(
  context: CommandContext,
  configured: Configured,
  { options, jobArgs }: VerbInput,
  path: string,
): Promise<JobDescription | null> {
  const { config, log } = configured
  return withCluster(context, configured, async ({ client, bus }) => {
    const blobs = await openBlobStore(config['storage.uri'], { bus, clock: context.clock, logger: log })
    const { jobId } = await submitJob(path, {
      ...overrides(config['job.parallelism'], config['job.maxParallelism']),
      client,
      blobs,
      task: taskSettings(config),
      restart: restartSettings(config),
      checkpoint: checkpointSettings(config),
      restore: restoreSettings(options),
      slotRequestTimeoutMs: config['slot.requestTimeout'],
      standbySlots: config['slot.standby'],
      args: jobArgs,
    }).finally(() => blobs.close())
    if (options.detached === true) {
      context.out.data({ jobId }, jobId)
      return null
    }
    return attend(context, client, jobId)
  })
}

function restoreSettings(options: VerbInput['options']): RestoreSettings | null {
  const { from, allowNonRestoredState, claimMode = 'no-claim' } = options
  if (from !== undefined) {
    const isPartialAllowed = allowNonRestoredState === true
    return { uri: String(from), isPartialAllowed, claimMode: claimMode as ClaimMode }
  }
  for (const flag of ['allowNonRestoredState', 'claimMode'] as const) {
    if (options[flag] === undefined) continue
    const name = flag.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)
    throw new SluiceError('USAGE', `--${name} goes with --from <uri>`)
  }
  return null
}

/** Waits for the end of a job, and cancels it when told to. */
async function attend(
  context: CommandContext,
  client: ClusterClient,
  jobId: string,
): Promise<JobDescription> {
  const { out, interrupts } = context
  let hasEnded = false
  const signal = interrupts.listen(() => out.note(`cancelling job ${jobId}; once more to leave it to itself`))
  const cancel = async () => {
    while (!hasEnded) {
      const error = await client.cancel(jobId).then(
        () => null,
        (thrown) => asError(thrown),
      )
      if (error === null) return
      out.note(`the cancellation of job ${jobId} has not arrived, trying again: ${error.message}`)
      await sleep(context.clock, CANCEL_RETRY_MS)
    }
  }
  if (signal.aborted) void cancel()
  else signal.addEventListener('abort', () => void cancel(), { once: true })
  const progress = new ProgressReporter(context, () => client.nodes())
  try {
    const description = await client.waitForEnd(jobId, (each) => progress.update(each))
    const failure = failureOf(description)
    if (failure !== undefined) throw failedJob(failure, description)
    return description
  } finally {
    hasEnded = true
    progress.close()
  }
}

/** What the whole run came to, for people on stderr: stdout belongs to the job. */
function summarise({ out }: CommandContext, description: JobDescription): void {
  const { jobId, name, state, submittedMs, endedMs, restarts } = description
  const durationMs = Math.max(0, (endedMs ?? submittedMs) - submittedMs)
  const vertices = description.vertices.map((vertex) => {
    const { states: _, ...totals } = vertexTotals(vertex)
    return totals
  })
  out.event({ event: 'ended', jobId, name, state, durationMs, restarts, vertices })
  const read = vertices.filter((_, index) => description.graph.vertices[index]?.isSource === true)
  const count = read.reduce((sum, { recordsIn }) => sum + recordsIn, 0)
  const again = restarts === 0 ? '' : ` after ${restarts} restart${restarts === 1 ? '' : 's'}`
  out.note(`${name} ${state}${again}: ${formatCount(count)} records read in ${formatDuration(durationMs)}`)
}

/** The error of a job, with the name of the job in front: `run` may have failed for other reasons. */
function failedJob(error: unknown, description: JobDescription | null): unknown {
  if (description === null || description.state !== 'failed' || !(error instanceof SluiceError)) return error
  const { name, jobId, restarts } = description
  const again = restarts === 0 ? '' : ` after ${restarts} restart${restarts === 1 ? '' : 's'}`
  return new SluiceError(error.code, `job "${name}" failed${again}: ${error.message}`, {
    cause: error,
    details: { ...error.details, jobId },
  })
}

function overrides(parallelism: number | undefined, maxParallelism: number | undefined) {
  return {
    ...(parallelism === undefined ? {} : { parallelism }),
    ...(maxParallelism === undefined ? {} : { maxParallelism }),
  }
}

function nowhereToDetach(): SluiceError {
  return new SluiceError(
    'USAGE',
    '--detached leaves the job to a cluster, and none is configured: say where NATS is with --nats URL or NATS_URL',
  )
}
