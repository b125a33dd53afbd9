/**
 * The job scheduler, driven by text. Slots are written `node/slot`, subtasks `vertex.index`.
 *
 *     job *a:2 b:1/other                   vertices with parallelism and slot sharing group, * a source; first of all
 *     job *a:2 b:2 | *c:1                  ... in two regions, 0 and 1; what is said of attempts begins with the region
 *     job *a:2 b:2 by index                ... in one region for each index: the first leads the others
 *     restart none                         the restart strategy; before `submit`
 *     restart fixed 2 1000                 ... attempts, delay
 *     restart rate 2 5000 100              ... failures, in so many ms, delay
 *     restart exponential 100 1000 60000   ... first delay, longest, reset after so many ms without a failure
 *     with-checkpoints                     the job takes some; before `submit`
 *     at 500                               time, ms
 *     submit, cancel, tick, show
 *     grant n/0 n/1                        lost n/0
 *     report n/0 ready                     all subtasks of a slot, in the present attempt
 *     report n/0 #0 running                ... in another attempt; 1#0: ... of another region
 *     report n/0 a.0=failed b.0=running    single subtasks; failed ones with an error of their name
 *     deploy-failed                        deploy-failed #0
 *     take-over                            another leader goes on with what this one has saved
 *     unreadable older                     what it was to begin with; unreadable none: and there is nothing else
 *     unreadable 1#0 older                 ... of another region
 */

import { SeededRandom } from '../../../lib/base/prng.ts'
import { planSlot, type SlotLocation, type SubtaskState } from '../../../lib/graph/execution-graph.ts'
import type { JobGraph, JobVertex } from '../../../lib/graph/job-graph.ts'
import { PipelinedRegions } from '../../../lib/graph/pipelined-regions.ts'
import type { JobEvent, JobOrder, SubtaskStatus } from '../../../lib/scheduler/job-events.ts'
import { JobScheduler } from '../../../lib/scheduler/job-scheduler.ts'
import { newRestartStrategy, type RestartSettings } from '../../../lib/scheduler/restart-strategy.ts'

export const SLOT_REQUEST_TIMEOUT_MS = 30_000
const HEARTBEAT_TIMEOUT_MS = 2000
export const SLOT_TIMEOUT_MS = 5 * HEARTBEAT_TIMEOUT_MS

export class JobPlay {
  nowMs = 0
  scheduler!: JobScheduler
  #restart: RestartSettings = { kind: 'none' }
  #graph!: JobGraph
  regions!: PipelinedRegions
  #hasCheckpoints = false

  play(command: string): string[] {
    const [verb, ...words] = command.split(/\s+/) as [string, ...string[]]
    switch (verb) {
      case 'job':
        this.#graph = graphOf(words.filter((word) => word.includes(':')))
        this.regions = words.includes('index') ? regionsByIndex(this.#graph) : regionsOf(this.#graph, words)
        this.#begin()
        return []
      case 'restart':
        this.#restart = restartOf(words)
        this.#begin()
        return []
      case 'with-checkpoints':
        this.#hasCheckpoints = true
        this.#begin()
        return []
      case 'at':
        this.nowMs = Number(words[0])
        return []
      case 'show':
        return this.#show()
      case 'take-over':
        return this.on(this.takeOver()).map((order) => describeOrder(order, this.regions))
      default:
        return this.#eventsOf(verb, words)
          .flatMap((event) => this.on(event))
          .map((order) => describeOrder(order, this.regions))
    }
  }

  /** The scheduler is another from now on, and is to be told this first. */
  takeOver(): JobEvent {
    const { saved } = this.scheduler
    this.#begin()
    return { kind: 'adopted', saved: JSON.parse(JSON.stringify(saved)) }
  }

  on(event: JobEvent): JobOrder[] {
    return this.scheduler.on(event, this.nowMs)
  }

  /** What a slot would say of all its subtasks of a region. */
  statusesOf(
    slot: SlotLocation,
    stateOf: (name: string) => SubtaskState | undefined,
    region = 0,
  ): SubtaskStatus[] {
    const deployed = this.scheduler.deployed.find((each) => each.region === region)
    if (deployed === undefined) return []
    return planSlot(this.#graph, deployed.placement, slot, 'auto').flatMap(({ vertex, index }) => {
      const name = `${vertex.id}.${index}`
      const state = this.regions.regionOf(vertex.id, index) === region ? stateOf(name) : undefined
      if (state === undefined) return []
      const status = { vertexId: vertex.id, index, state }
      const error = { code: 'USER_FUNCTION_FAILED' as const, message: name }
      return [state === 'failed' ? { ...status, error } : status]
    })
  }

  #begin(): void {
    this.scheduler = new JobScheduler({
      graph: this.#graph,
      regions: this.regions,
      hasCheckpoints: this.#hasCheckpoints,
      restart: newRestartStrategy(this.#restart, new SeededRandom(1)),
      slotRequestTimeoutMs: SLOT_REQUEST_TIMEOUT_MS,
      heartbeatTimeoutMs: HEARTBEAT_TIMEOUT_MS,
    })
  }

  #eventsOf(verb: string, words: string[]): JobEvent[] {
    const [named] = words.filter((word) => word.includes('#')).map((word) => word.split('#').map(Number))
    const region = named?.[0] ?? 0
    const attempt = named?.[1] ?? Math.max(0, this.scheduler.attemptOf(region))
    const rest = words.filter((word) => !word.includes('#'))
    if (verb !== 'report') return [this.#eventOf(verb, rest, { region, attempt })]
    const slot = slotOf(rest[0]!)
    const regions = named === undefined ? [...this.regions.regions.keys()] : [region]
    return regions.flatMap((each): JobEvent[] => {
      const subtasks = this.#statuses(rest[0]!, rest.slice(1), each)
      if (subtasks.length === 0 && this.#isDivided) return []
      const number = named === undefined ? Math.max(0, this.scheduler.attemptOf(each)) : attempt
      return [{ kind: 'reported', slot, region: each, attempt: number, subtasks }]
    })
  }

  get #isDivided(): boolean {
    return this.regions.regions.length > 1
  }

  #eventOf(verb: string, rest: string[], of: { region: number; attempt: number }): JobEvent {
    switch (verb) {
      case 'submit':
        return { kind: 'submitted' }
      case 'cancel':
        return { kind: 'cancelRequested' }
      case 'tick':
        return { kind: 'tick' }
      case 'grant':
        return { kind: 'slotsGranted', slots: rest.map(slotOf) }
      case 'lost':
        return { kind: 'slotsLost', slots: rest.map(slotOf), reason: 'the node is gone' }
      case 'unreadable': {
        const error = { code: 'CHECKPOINT_UNREADABLE', message: 'damaged' } as const
        return { kind: 'restoreFailed', ...of, error, canFallBack: rest[0] === 'older' }
      }
      case 'deploy-failed':
        return {
          kind: 'deployFailed',
          ...of,
          error: { code: 'TIMEOUT', message: 'no answer' },
        }
      default:
        throw new Error(`unknown command: ${verb}`)
    }
  }

  #statuses(slot: string, words: string[], region: number): SubtaskStatus[] {
    const single = new Map(
      words.filter((word) => word.includes('=')).map((word) => word.split('=') as [string, SubtaskState]),
    )
    const all = words.find((word) => !word.includes('=')) as SubtaskState | undefined
    return this.statusesOf(slotOf(slot), (name) => single.get(name) ?? all, region)
  }

  #show(): string[] {
    const { state, regions, error, slotsHeld, slotsNeeded, restartCount } = this.scheduler
    const attempts = regions.map((each) => (this.#isDivided ? `${each.attempt} ${each.state}` : each.attempt))
    const subtasks = this.scheduler
      .subtasks()
      .map(({ vertexId, index, state }) => `${vertexId}.${index}=${state}`)
    const failure = error === undefined ? '' : `, last error: ${error.message}`
    return [
      `${state}, attempt ${attempts.join(' and ')}, ${restartCount} restarts, ${slotsHeld} of ${slotsNeeded} slots${failure}`,
      ...(subtasks.length === 0 ? [] : [subtasks.join(' ')]),
    ]
  }
}

function describeOrder(order: JobOrder, regions: PipelinedRegions): string {
  const isDivided = regions.regions.length > 1
  const of = 'attempt' in order ? `${isDivided ? order.region : ''}#${order.attempt}` : ''
  switch (order.kind) {
    case 'requestSlots':
      return `request ${[order.count, ...order.held.map(describeSlot)].join(' ')}`
    case 'releaseSlots':
      return `release ${order.slots.map(describeSlot).join(' ')}`.trim()
    case 'deploy': {
      const places = Object.entries(order.placement).flatMap(([vertex, slots]) =>
        slots.flatMap((slot, index) =>
          regions.regionOf(vertex, index) === order.region
            ? [`${vertex}.${index}@${describeSlot(slot)}`]
            : [],
        ),
      )
      return `deploy ${of} on ${order.slots.map(describeSlot).join(' ')}: ${places.join(' ')}`
    }
    case 'start':
    case 'cancel':
      return `${order.kind} ${of} on ${order.slots.map(describeSlot).join(' ')}`.trim()
    case 'regionChanged':
      return `region ${of} ${order.state}`
    case 'stateChanged':
      return `state ${order.state}${order.error === undefined ? '' : ` (${order.error.code}: ${order.error.message})`}`
  }
}

export function describeSlot({ node, slot }: SlotLocation): string {
  return `${node}/${slot}`
}

function slotOf(text: string): SlotLocation {
  const [node, slot] = text.split('/') as [string, string]
  return { node, slot: Number(slot) }
}

export function graphOf(words: readonly string[]): JobGraph {
  const vertices = words.map((word): JobVertex => {
    const [, mark, id, parallelism, group] = /^(\*?)(\w+):(\d+)(?:\/(\w+))?$/.exec(word)!
    return {
      id: id!,
      name: id!,
      operators: [],
      parallelism: Number(parallelism),
      maxParallelism: 128,
      slotSharingGroup: group ?? 'default',
      isSource: mark === '*',
    }
  })
  return { jobName: 'job', vertices, edges: [], fingerprint: '' }
}

function regionsByIndex({ vertices }: JobGraph): PipelinedRegions {
  const count = Math.max(...vertices.map(({ parallelism }) => parallelism))
  const indices = Array.from({ length: count }, (_, index) => index)
  return new PipelinedRegions(
    indices.map((index) =>
      vertices.filter(({ parallelism }) => index < parallelism).map(({ id }) => ({ vertexId: id, index })),
    ),
  )
}

/** One for each part between `|`. */
function regionsOf({ vertices }: JobGraph, words: readonly string[]): PipelinedRegions {
  const parts = words.join(' ').split('|')
  return new PipelinedRegions(
    parts.map((part) => {
      const ids = graphOf(part.trim().split(' ')).vertices.map(({ id }) => id)
      return vertices
        .filter(({ id }) => ids.includes(id))
        .flatMap(({ id, parallelism }) =>
          Array.from({ length: parallelism }, (_, index) => ({ vertexId: id, index })),
        )
    }),
  )
}

function restartOf([kind, ...numbers]: readonly string[]): RestartSettings {
  const [a = 0, b = 0, c = 0] = numbers.map(Number)
  switch (kind) {
    case 'fixed':
      return { kind: 'fixed-delay', attempts: a, delayMs: b }
    case 'rate':
      return { kind: 'failure-rate', failuresMax: a, intervalMs: b, delayMs: c }
    case 'exponential': {
      const rest = { multiplier: 2, resetAfterMs: c, jitter: 0, attempts: Number.POSITIVE_INFINITY }
      return { kind: 'exponential-delay', initialMs: a, maxMs: b, ...rest }
    }
    default:
      return { kind: 'none' }
  }
}
