/** Cancels a job, and waits until it has ended. */
import { sleep } from '../../lib/base/clock.ts'
import { SluiceError } from '../../lib/base/errors.ts'
import { formatDuration } from '../../lib/base/units.ts'
import { TERMINAL_JOB_STATES } from '../../lib/scheduler/job-state.ts'
import { withCluster } from '../connect.ts'
import type { VerbSpec } from '../verb.ts'

/** A subtask in the middle of a call of a user function ends after it. */
const WAIT_MS = 30_000
const POLL_MS = 100

export const cancelVerb: VerbSpec = {
  description:
    'A job is given by its id, the beginning of its id, or its name. One that has ended is left as it is. With ' +
    'checkpoint.retainOnCancel its checkpoints are kept, and where the last one is is printed too.',
  examples: [['sluice cancel word-count', 'prints the id and the state it ended in']],
  async run(context, { args }) {
    const configured = await context.configure()
    const waitMs = context.globals.timeoutMs ?? WAIT_MS
    const job = await withCluster(context, configured, async ({ client }) => {
      const id = await client.cancel(args[0]!)
      const deadlineMs = context.clock.monotonic() + waitMs
      for (;;) {
        const job = await client.describe(id)
        if (TERMINAL_JOB_STATES.includes(job.state)) return job
        if (context.clock.monotonic() >= deadlineMs) throw stillEnding(id, waitMs)
        await sleep(context.clock, POLL_MS)
      }
    })
    const { jobId, state, checkpoints } = job
    const last = checkpoints?.lastCompleted ?? null
    const retained = last === null || last.isDiscarded ? null : last.uri
    const text = `${jobId} ${state}${retained === null ? '' : `\nretained checkpoint ${retained}`}`
    context.out.data({ jobId, state, retained }, text)
    return undefined
  },
}

function stillEnding(jobId: string, waitMs: number): SluiceError {
  return new SluiceError(
    'TIMEOUT',
    `job ${jobId} is being cancelled but has not ended within ${formatDuration(waitMs)}: \`sluice describe ${jobId}\` shows what it waits for`,
  )
}
