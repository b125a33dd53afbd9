/** What must hold after a simulation, whatever went wrong in it. */
import { runJob } from '../actors/virtual-jobs.ts'
import { JOBS, type JobKind } from './jobs.ts'
import type { Plan } from './plan.ts'
import { NO_SINK_FAULTS, Results } from './results.ts'
import type { Process, SimulatedCluster } from './simulated-cluster.ts'
import type { SimulatedStorage } from './simulated-storage.ts'

const references = new Map<JobKind, Promise<readonly string[]>>()
const DIFFERENCES_SHOWN_MAX = 10

/** What the job comes to in a single slot in which nothing goes wrong. */
export function referenceOf(job: JobKind): Promise<readonly string[]> {
  const known = references.get(job) ?? runReference(job)
  references.set(job, known)
  return known
}

const ask = (): Promise<void> => Promise.resolve()

async function runReference(job: JobKind): Promise<readonly string[]> {
  const results = new Results()
  const frame = { results, sink: 'transactional', sinkFaults: NO_SINK_FAULTS, onRecord() {}, ask } as const
  const { state } = await runJob((env) => JOBS[job](env, frame))
  if (state !== 'finished') throw new Error(`the reference run of ${job} is ${state}`)
  return results.rows
}

export async function resultProblems({ job }: Plan, results: Results): Promise<string[]> {
  const expected = await referenceOf(job)
  const problems = results.conflicts.slice(0, DIFFERENCES_SHOWN_MAX).map((text) => `overwritten: ${text}`)
  const missing = without(expected, results.rows)
  const surplus = without(results.rows, expected)
  if (missing.length > 0) problems.push(`${missing.length} rows are missing: ${shown(missing)}`)
  if (surplus.length > 0) problems.push(`${surplus.length} rows are too many: ${shown(surplus)}`)
  return problems
}

/** Of each process that runs: what belongs to a job that has ended. Of each that was closed: anything. */
export function leftovers(cluster: SimulatedCluster, storage: SimulatedStorage, when: string): string[] {
  const problems: string[] = []
  const expectNone = ({ bus }: Process, what: string, count: number) => {
    if (count > 0) problems.push(`${when}, ${bus.name} has ${count} ${what}`)
  }
  for (const process of cluster.processes) {
    const ofJobs = process.bus.subjects.filter((subject) => /\.(act|dat|crd)\./.test(subject))
    expectNone(process, `subscriptions of jobs: ${ofJobs.slice(0, 3).join(' ')}`, ofJobs.length)
    expectNone(process, 'open stores', storage.openCountOf(process.bus.name))
  }
  for (const { bus, name } of cluster.processes) {
    if (!cluster.standsBy(name)) continue
    const ofLeader = bus.subjects.filter((subject) => !/\.ctl\.coordinator/.test(subject))
    if (ofLeader.length > 0) problems.push(`${when}, ${bus.name} stands by and listens to ${ofLeader[0]}`)
  }
  for (const process of cluster.closed) {
    const { subjects } = process.bus
    expectNone(process, `subscriptions: ${subjects.slice(0, 3).join(' ')}`, subjects.length)
    expectNone(process, 'timers', process.clock.timerCount)
    expectNone(process, 'open stores', storage.openCountOf(process.bus.name))
  }
  return problems
}

/**
 * Checkpoints of jobs that have ended are deleted, but for what somebody stored who was cut off and did not know; that
 * does not look like one. Those of jobs that have failed are not, nor are savepoints.
 */
export function leftoverFiles({ events, damages }: Plan, { paths }: SimulatedStorage): string[] {
  if (damages.length > 0) return []
  const areNodesSpared = events.every(({ process }) => process.startsWith('c'))
  const pattern = areNodesSpared ? /\/(meta$|shared\/)/ : /\/meta$/
  const left = paths.filter((path) => pattern.test(path) && !path.includes('savepoints/'))
  return left.length === 0 ? [] : [`${left.length} files are left, the first: ${left[0]}`]
}

/** Each row of `rows` as often as it is there more often than in `others`. */
function without(rows: readonly string[], others: readonly string[]): string[] {
  const counts = new Map<string, number>()
  for (const row of others) counts.set(row, (counts.get(row) ?? 0) + 1)
  return rows.filter((row) => {
    const count = counts.get(row) ?? 0
    counts.set(row, count - 1)
    return count <= 0
  })
}

function shown(rows: readonly string[]): string {
  const more = rows.length > DIFFERENCES_SHOWN_MAX ? ', ...' : ''
  return `${rows.slice(0, DIFFERENCES_SHOWN_MAX).join(', ')}${more}`
}
