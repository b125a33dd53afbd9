/** Lists the jobs of a cluster. */
import { formatDuration } from '../../lib/base/units.ts'
import type { JobSummary } from '../../lib/protocol/job-submission.ts'
import { withCluster } from '../connect.ts'
import { textTable } from '../text-table.ts'
import type { VerbSpec } from '../verb.ts'

export const jobsVerb: VerbSpec = {
  description:
    'Jobs that have ended are listed until the coordinator forgets them: it keeps the last hundred.',
  examples: [
    ['sluice jobs', 'a table'],
    [
      'sluice jobs --json | jq -r \'.jobs[] | select(.state == "failed") | .jobId\'',
      'the ids of those that failed',
    ],
  ],
  async run(context) {
    const configured = await context.configure()
    const jobs = await withCluster(context, configured, ({ client }) => client.jobs())
    const nowMs = context.clock.now()
    const rows = jobs.map((job) => rowOf(job, nowMs))
    const text = textTable(['ID', 'NAME', 'STATE', 'SLOTS', 'RESTARTS', 'SUBMITTED', 'FOR'], rows)
    context.out.data({ jobs }, jobs.length === 0 ? `no jobs on cluster "${configured.config.cluster}"` : text)
    return undefined
  },
}

function rowOf(job: JobSummary, nowMs: number): string[] {
  const { jobId, name, state, submittedMs, endedMs, restarts, slotsHeld, slotsNeeded } = job
  return [
    jobId,
    name,
    state,
    `${slotsHeld}/${slotsNeeded}`,
    String(restarts),
    new Date(submittedMs).toISOString(),
    formatDuration(Math.max(0, (endedMs ?? nowMs) - submittedMs)),
  ]
}
