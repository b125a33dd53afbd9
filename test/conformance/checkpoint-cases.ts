/** Cases of what decides about checkpoints: requests, failures, the coordinator. */
import {
  CheckpointCoordinator,
  type CheckpointEvent,
  type CheckpointOrder,
} from '../../lib/checkpoint/checkpoint-coordinator.ts'
import { type CheckpointFailureReason, CheckpointFailures } from '../../lib/checkpoint/checkpoint-failures.ts'
import {
  type CheckpointRequest,
  CheckpointRequestDecider,
  type DeciderSituation,
  type RequestDecision,
} from '../../lib/checkpoint/checkpoint-request-decider.ts'
import {
  CaseError,
  checkFields,
  isObject,
  type Json,
  type JsonObject,
  numberOf,
  objectOf,
  stringOf,
} from './case.ts'
import type { Adapter, Subject } from './run-case.ts'

function adapterOf(op: string, fields: readonly string[], open: (config: JsonObject) => Subject): Adapter {
  return {
    variants: (config) => {
      checkFields(config, 'config', ['op', ...fields])
      if (config.op !== op) throw new CaseError(`expected op ${op}, found ${JSON.stringify(config.op)}`)
      return [{ name: '', open: () => open(config) }]
    },
  }
}

export const requestDeciderAdapter = adapterOf(
  'checkpoint-request-decider',
  ['maxConcurrent', 'maxQueued', 'minPause'],
  openDecider,
)

const SITUATION = ['pending', 'cleaning', 'triggering', 'lastCompletion', 'now']

function openDecider(config: JsonObject): Subject {
  const decider = new CheckpointRequestDecider({
    concurrentMax: numberOf(config, 'maxConcurrent'),
    queuedMax: numberOf(config, 'maxQueued'),
    pauseMinMs: numberOf(config, 'minPause'),
  })
  return {
    step(step) {
      checkFields(step, 'step', [...SITUATION, 'request', 'poll'])
      const situation: DeciderSituation = {
        pendingCount: numberOf(step, 'pending'),
        cleaningCount: numberOf(step, 'cleaning'),
        isTriggering: step.triggering === true,
        lastCompletionMs: numberOf(step, 'lastCompletion'),
        nowMs: numberOf(step, 'now'),
      }
      const decisions =
        step.poll === true
          ? decider.poll(situation)
          : decider.onRequest(requestOf(objectOf(step, 'request')), situation)
      return decisions.map(describeDecision)
    },
  }
}

function requestOf(request: JsonObject): CheckpointRequest {
  checkFields(request, 'request', ['id', 'type', 'periodic', 'force'])
  return {
    id: stringOf(request, 'id'),
    type: typeOf(request.type),
    isPeriodic: request.periodic === true,
    isForced: request.force === true,
  }
}

function typeOf(type: Json | undefined): CheckpointRequest['type'] {
  if (type === 'checkpoint' || type === 'savepoint') return type
  throw new CaseError(`unknown type ${JSON.stringify(type)}`)
}

function describeDecision(decision: RequestDecision): Json {
  switch (decision.kind) {
    case 'execute':
      return { execute: decision.request.id }
    case 'drop':
      return { drop: decision.request.id, reason: decision.reason }
    case 'reschedule':
      return { reschedule: decision.delayMs }
  }
}

export const failuresAdapter = adapterOf('checkpoint-failure-counter', ['tolerable'], (config) => {
  const failures = new CheckpointFailures(numberOf(config, 'tolerable'))
  return {
    step(step) {
      checkFields(step, 'step', ['failure', 'success'])
      if (step.success !== undefined) {
        failures.onSuccess(numberOf(step, 'success'))
        return []
      }
      const failure = objectOf(step, 'failure')
      checkFields(failure, 'failure', ['id', 'reason'])
      const id = failure.id === null ? null : numberOf(failure, 'id')
      const isFatal = failures.onFailure(id, stringOf(failure, 'reason') as CheckpointFailureReason)
      return isFatal ? [{ failJob: true }] : []
    },
  }
})

export const coordinatorAdapter = adapterOf(
  'checkpoint-coordinator',
  ['tasks', 'maxConcurrent', 'minPause', 'timeout', 'retained'],
  (config) => new ModelJob(config),
)

const TASKS = 'abcdefghijklmnopqrstuvwxyz'

/** A job whose metadata is written at once. */
class ModelJob implements Subject {
  readonly #coordinator: CheckpointCoordinator<null>
  #nowMs = 0
  #requestCount = 0

  constructor(config: JsonObject) {
    const options = {
      intervalMs: Number.POSITIVE_INFINITY,
      pauseMinMs: numberOf(config, 'minPause'),
      timeoutMs: numberOf(config, 'timeout'),
      concurrentMax: numberOf(config, 'maxConcurrent'),
      retained: numberOf(config, 'retained'),
      tolerableFailures: Number.POSITIVE_INFINITY,
      lastCheckpointId: 0,
      completed: [],
    }
    this.#coordinator = new CheckpointCoordinator(options, TASKS.slice(0, numberOf(config, 'tasks')), 0)
  }

  step(step: JsonObject): readonly Json[] {
    checkFields(step, 'step', ['trigger', 'ack', 'decline', 'time'])
    if (step.time !== undefined) this.#nowMs = numberOf(step, 'time')
    return this.#tell(this.#eventOf(step))
  }

  facts(): JsonObject {
    return { retained: this.#coordinator.retained }
  }

  #eventOf(step: JsonObject): CheckpointEvent<null> {
    if (step.trigger !== undefined)
      return { kind: 'requested', request: this.#requestOf(typeOf(step.trigger)) }
    if (isObject(step.ack)) return { kind: 'acknowledged', ...taskOf(step.ack), snapshot: null }
    if (isObject(step.decline)) return { kind: 'declined', ...taskOf(step.decline), reason: 'declined' }
    return { kind: 'tick' }
  }

  #requestOf(type: CheckpointRequest['type']): CheckpointRequest {
    const isSavepoint = type === 'savepoint'
    return { id: `${++this.#requestCount}`, type, isPeriodic: !isSavepoint, isForced: isSavepoint }
  }

  #tell(event: CheckpointEvent<null>): Json[] {
    return this.#coordinator.on(event, this.#nowMs).flatMap((order) => this.#outputsOf(order))
  }

  #outputsOf(order: CheckpointOrder<null>): Json[] {
    switch (order.kind) {
      case 'trigger':
        return [{ started: order.checkpointId }]
      case 'store':
        return this.#tell({ kind: 'stored', checkpointId: order.checkpointId, isOk: true })
      case 'announce':
        return [{ completed: order.checkpointId }]
      case 'abort':
        return [{ aborted: order.checkpointId, reason: order.reason }]
      case 'drop':
        return [{ rejected: order.reason }]
      case 'defer':
        return [{ deferred: true }]
      case 'discard':
        return []
      case 'ignore':
        return [{ ignored: order.checkpointId }]
      case 'failJob':
        return [{ failJob: order.reason }]
    }
  }
}

function taskOf(details: JsonObject): { checkpointId: number; task: string } {
  checkFields(details, 'ack', ['id', 'task'])
  return { checkpointId: numberOf(details, 'id'), task: stringOf(details, 'task') }
}
