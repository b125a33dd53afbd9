/**
 * The checkpoint coordinator, driven by text. What a task acknowledges with is its name and the id, as `a@1`.
 *
 *     tasks a b                            the subtasks that run; first of all
 *     options interval 1000 retained 2     settings, before anything else; see OPTIONS
 *     restored 3 4                         completed checkpoints of earlier attempts
 *     at 500                               time, ms
 *     tick, show
 *     request x                            somebody asks for a checkpoint; `periodic x`: the timer does
 *     savepoint x                          a user asks for a savepoint
 *     ack 1 a b                            decline 1 a, finished a
 *     stored 1                             store-failed 1
 *     stop job-failover-region
 */
import {
  CheckpointCoordinator,
  type CheckpointCoordinatorOptions,
  type CheckpointEvent,
  type CheckpointOrder,
} from '../../../lib/checkpoint/checkpoint-coordinator.ts'
import type { CheckpointFailureReason } from '../../../lib/checkpoint/checkpoint-failures.ts'

const OPTIONS: Readonly<Record<string, keyof CheckpointCoordinatorOptions>> = {
  interval: 'intervalMs',
  pause: 'pauseMinMs',
  timeout: 'timeoutMs',
  concurrent: 'concurrentMax',
  retained: 'retained',
  tolerable: 'tolerableFailures',
}

export const DEFAULTS: CheckpointCoordinatorOptions = {
  intervalMs: Number.POSITIVE_INFINITY,
  pauseMinMs: 0,
  timeoutMs: 10_000,
  concurrentMax: 1,
  retained: 1,
  tolerableFailures: 0,
  lastCheckpointId: 0,
  completed: [],
}

export class CoordinatorPlay {
  nowMs = 0
  coordinator!: CheckpointCoordinator<string>
  #tasks: readonly string[] = []
  #options = DEFAULTS

  play(command: string): string[] {
    const [verb, ...words] = command.split(/\s+/) as [string, ...string[]]
    switch (verb) {
      case 'tasks':
        return this.#begin(words, this.#options)
      case 'options':
        return this.#begin(this.#tasks, { ...this.#options, ...optionsOf(words) })
      case 'restored': {
        const completed = words.map(Number)
        return this.#begin(this.#tasks, { ...this.#options, completed, lastCheckpointId: completed.at(-1)! })
      }
      case 'at':
        this.nowMs = Number(words[0])
        return []
      case 'show':
        return [
          `pending ${listOf(this.coordinator.pendingIds)}; retained ${listOf(this.coordinator.retained)}`,
        ]
      default:
        return eventsOf(verb, words).flatMap((event) =>
          this.coordinator.on(event, this.nowMs).map(describeOrder),
        )
    }
  }

  #begin(tasks: readonly string[], options: CheckpointCoordinatorOptions): string[] {
    this.#tasks = tasks
    this.#options = options
    this.coordinator = new CheckpointCoordinator(options, tasks, this.nowMs)
    return []
  }
}

const listOf = (ids: readonly number[]): string => ids.join(' ') || 'none'

function optionsOf(words: readonly string[]): Partial<CheckpointCoordinatorOptions> {
  const options: Record<string, number> = {}
  for (let i = 0; i < words.length; i += 2) options[OPTIONS[words[i]!]!] = Number(words[i + 1])
  return options
}

function eventsOf(verb: string, [first = '', ...tasks]: readonly string[]): CheckpointEvent<string>[] {
  const checkpointId = Number(first)
  switch (verb) {
    case 'tick':
      return [{ kind: 'tick' }]
    case 'request':
    case 'periodic':
    case 'savepoint': {
      const isSavepoint = verb === 'savepoint'
      const type = isSavepoint ? 'savepoint' : 'checkpoint'
      const request = { id: first, type, isPeriodic: verb === 'periodic', isForced: isSavepoint } as const
      return [{ kind: 'requested', request }]
    }
    case 'ack':
      return tasks.map((task) => ({
        kind: 'acknowledged',
        checkpointId,
        task,
        snapshot: `${task}@${checkpointId}`,
      }))
    case 'decline':
      return tasks.map((task) => ({ kind: 'declined', checkpointId, task, reason: 'declined' }))
    case 'finished':
      return [{ kind: 'finished', task: first }]
    case 'stored':
    case 'store-failed':
      return [{ kind: 'stored', checkpointId, isOk: verb === 'stored' }]
    case 'stop':
      return [{ kind: 'stopped', reason: first as CheckpointFailureReason }]
    default:
      throw new Error(`unknown command: ${verb}`)
  }
}

function describeOrder(order: CheckpointOrder<string>): string {
  switch (order.kind) {
    case 'trigger':
      return `trigger ${order.checkpointId} for ${order.request.id} at ${order.tasks.join(' ')}`
    case 'store':
      return `store ${order.checkpointId}: ${[...order.snapshots.values()].join(' ')}`
    case 'announce':
      return `announce ${order.checkpointId}`
    case 'abort':
      return `abort ${order.checkpointId}: ${order.reason}`
    case 'drop':
      return `drop ${order.request.id}: ${order.reason}`
    case 'defer':
      return `defer ${order.request.id}`
    case 'discard':
      return `discard ${order.checkpointId}`
    case 'ignore':
      return `ignore ${order.checkpointId}${order.snapshot === null ? '' : `, discard ${order.snapshot}`}`
    case 'failJob':
      return `fail the job: ${order.reason}`
  }
}
