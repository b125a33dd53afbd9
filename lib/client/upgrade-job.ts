/**
 * Puts a new version of a job in the place of the running one: looks whether its state fits while the old version runs
 * on, stops that with a savepoint, starts the new one from there, and goes back if it does not come up.
 *
 * U1. Nothing is stopped before the new version has been found to fit.
 * U2. Between the savepoint and the first checkpoint of the new version nothing of it is committed; so going back to
 *     the savepoint within that time leaves no trace in sinks that commit. Once it has completed a checkpoint, the
 *     old version is not started any more, for it would do again what has been committed.
 * U3. Whatever goes wrong after the old version has been stopped, the error says where the savepoint is.
 */
import { type Clock, sleep } from '../base/clock.ts'
import { asError, type ErrorCode, SluiceError } from '../base/errors.ts'
import { newId } from '../base/ids.ts'
import type { CheckpointMetadata } from '../checkpoint/checkpoint-files.ts'
import type { JobDescription, JobSubmission } from '../protocol/job-submission.ts'
import { TERMINAL_JOB_STATES } from '../scheduler/job-state.ts'
import { type ClusterClient, failureOf } from './cluster-client.ts'

export type UpgradeStep = 'checking' | 'stopping' | 'starting' | 'going-back'

export interface UpgradeOptions {
  readonly client: ClusterClient
  readonly clock: Clock
  /** Id or name of the running version. */
  readonly job: string
  /** The new version, from the settings of the old one; its id and what it begins from are set here. */
  prepare(old: JobSubmission): Promise<Pick<JobSubmission, 'module' | 'graph' | 'settings'>>
  /** Everything about it that does not fit what the old version has saved, each as a clause. */
  findProblems(metadata: CheckpointMetadata): Promise<readonly string[]>
  /** Of a checkpoint, by its URI. */
  readMetadata(uri: string): Promise<CheckpointMetadata>
  readonly isPartialAllowed: boolean
  /** Where the savepoint goes; null: the storage of the job. */
  readonly savepointUri: string | null
  /** All of its tasks having run for this long, the new version is up, be there a checkpoint or not. */
  readonly stableMs: number
  /** `detail`: what the step is about. */
  onStep(step: UpgradeStep, detail: string): void
  onProgress(description: JobDescription): void
}

export interface UpgradedJob {
  readonly jobId: string
  readonly previousJobId: string
  readonly savepoint: string
}

const POLL_MS = 200

/** Throws STATE_INCOMPATIBLE, the old version running, or JOB_FAILED and others, when it had to go back. */
export async function upgradeJob(options: UpgradeOptions): Promise<UpgradedJob> {
  const { client, job, onStep } = options
  const old = await client.submission(job)
  onStep('checking', old.jobId)
  const next = await options.prepare(old)
  await refuseMisfit(options, old.jobId)
  onStep('stopping', old.jobId)
  const uri = await stop(options, old.jobId)
  onStep('starting', uri)
  const restore = { uri, isPartialAllowed: options.isPartialAllowed }
  const settings = { ...next.settings, restore }
  const jobId = newId()
  try {
    await comeUp(options, { ...next, jobId, settings })
  } catch (error) {
    throw await goBack(options, old, jobId, uri, asError(error))
  }
  return { jobId, previousJobId: old.jobId, savepoint: uri }
}

/** A checkpoint taken now has the names and types of all that a savepoint would have. */
async function refuseMisfit(options: UpgradeOptions, jobId: string): Promise<void> {
  const { uri } = await options.client.checkpoint(jobId)
  const problems = await options.findProblems(await options.readMetadata(uri))
  if (problems.length === 0) return
  throw new SluiceError(
    'STATE_INCOMPATIBLE',
    `the new version does not fit the state of job ${jobId}, which runs on: ${problems.join('; ')}`,
    { details: { problems } },
  )
}

/** The URI of the savepoint it has ended with. */
async function stop({ client, savepointUri }: UpgradeOptions, jobId: string): Promise<string> {
  try {
    const { uri } = await client.savepoint(jobId, { uri: savepointUri, stop: 'suspend' })
    await client.waitForEnd(jobId)
    return uri
  } catch (thrown) {
    const error = asError(thrown)
    const hasFailed = error instanceof SluiceError && error.code === 'CHECKPOINT_FAILED'
    const what = hasFailed
      ? `job ${jobId} could not be stopped with a savepoint`
      : `whether job ${jobId} has stopped is not known; sluice describe ${jobId} tells, and where its savepoint is`
    const code: ErrorCode = error instanceof SluiceError ? error.code : 'JOB_FAILED'
    throw new SluiceError(code, `${what}: ${error.message}`, { cause: error, details: { jobId } })
  }
}

/** Resolves when the job is up. Rejects with what has kept it from coming up. */
async function comeUp(options: UpgradeOptions, submission: JobSubmission): Promise<void> {
  const { client, clock } = options
  await persistently(options, () => client.submit(submission))
  let runsSinceMs: number | null = null
  for (;;) {
    const description = await persistently(options, () => client.describe(submission.jobId))
    options.onProgress(description)
    if (description.state === 'finished') return
    const failure = failureToStart(description)
    if (failure !== null) throw failure
    if (!isRunning(description)) runsSinceMs = null
    else runsSinceMs ??= clock.monotonic()
    const isStable = runsSinceMs !== null && clock.monotonic() - runsSinceMs >= options.stableMs
    if (isStable || (runsSinceMs !== null && hasCheckpoint(description))) return
    await sleep(clock, POLL_MS)
  }
}

/** A version that has failed once has not come up, even if a restart strategy would try it again. */
function failureToStart(description: JobDescription): SluiceError | null {
  const { state, restarts, name } = description
  if (TERMINAL_JOB_STATES.includes(state)) return failureOf(description) ?? null
  const hasFailed = state === 'failing' || state === 'backing-off' || restarts > 0
  if (!hasFailed) return null
  return failureOf(description) ?? new SluiceError('JOB_FAILED', `job "${name}" failed`)
}

function isRunning({ state, vertices }: JobDescription): boolean {
  const states = vertices.flatMap(({ subtasks }) => subtasks.map((subtask) => subtask.state))
  return state === 'running' && states.every((each) => RUNNING.includes(each))
}

const RUNNING: readonly string[] = ['running', 'finishing', 'draining', 'finished']

const hasCheckpoint = ({ checkpoints }: JobDescription): boolean => (checkpoints?.counts.completed ?? 0) > 0

/** The old version again, from where it stopped; gives the error that says what has become of all this. */
async function goBack(
  options: UpgradeOptions,
  old: JobSubmission,
  failedId: string,
  uri: string,
  reason: Error,
): Promise<SluiceError> {
  const { onStep } = options
  const code: ErrorCode = reason instanceof SluiceError ? reason.code : 'JOB_FAILED'
  const told = (what: string, details: Record<string, unknown>) =>
    new SluiceError(code, `the new version did not come up: ${reason.message}; ${what}`, {
      cause: reason,
      details: { savepoint: uri, ...details },
    })
  try {
    const failed = await endJob(options, failedId)
    if (failed !== null && hasCheckpoint(failed)) {
      const what = `it had completed a checkpoint, so the old version was not started again; the savepoint before it is ${uri}`
      return told(what, { jobId: failedId })
    }
    onStep('going-back', uri)
    const jobId = newId()
    const settings = { ...old.settings, restore: { uri, isPartialAllowed: false } }
    await comeUp(options, { ...old, jobId, settings })
    return told(`the old version goes on from ${uri}, as job ${jobId}`, { jobId })
  } catch (error) {
    return told(
      `nor could the old version be started again: ${asError(error).message}; its state is in ${uri}`,
      {},
    )
  }
}

/** How it ended; null if the cluster has never heard of it. */
async function endJob({ client }: UpgradeOptions, jobId: string): Promise<JobDescription | null> {
  try {
    await client.cancel(jobId)
    return await client.waitForEnd(jobId)
  } catch (error) {
    if (error instanceof SluiceError && error.code === 'JOB_NOT_FOUND') return null
    throw error
  }
}

/** The coordinator may be silent for a moment; a job that is half way between two versions must not be left there. */
async function persistently<T>({ clock }: UpgradeOptions, ask: () => Promise<T>): Promise<T> {
  for (let triesLeft = TRIES_MAX; ; triesLeft--) {
    try {
      return await ask()
    } catch (error) {
      const mayPass = error instanceof SluiceError && error.retryable
      if (!mayPass || triesLeft <= 1) throw error
      await sleep(clock, POLL_MS)
    }
  }
}

const TRIES_MAX = 20
