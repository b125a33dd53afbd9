/**
 * The brain of a job master: takes one job from its submission to its end, over any number of attempts. Events in,
 * orders out; no clock, no bus, no promise. `actors/job-master.ts` is its shell.
 *
 * An attempt goes through four steps, each complete before the next: slots are granted; every slot has built its
 * tasks and opened them (so that nobody sends to somebody who is not there yet); all are started; all end. If
 * anything fails, what is left of the attempt is cancelled, and when the last of it is gone the restart strategy
 * decides about the next.
 *
 * J1. Orders and reports carry the attempt; reports of other attempts change nothing.
 * J2. Slots report what is, again and again; a report that gets lost is made up for by the next.
 * J3. A slot that does not report for the timeout is lost, whatever else is known of its node.
 * J4. The job has ended only when none of its subtasks runs any more, or its slot is lost.
 * J5. Whoever has `saved` can go on with the job as a new leader (`adopted`), also when whoever had it is gone in the
 *     middle of something: what runs goes on running, what was ordered and not confirmed is ordered again. For that
 *     each `stateChanged` must be saved before the orders beside it are carried out.
 */
import { present } from '../base/assert.ts'
import { type ErrorRecord, toErrorRecord } from '../base/errors.ts'
import {
  isFinal,
  isSameSlot,
  type Placement,
  type SlotLocation,
  type SubtaskState,
} from '../graph/execution-graph.ts'
import type { JobGraph } from '../graph/job-graph.ts'
import { misfitError, misfitsOfError, type StateMisfit } from '../state/state-misfit.ts'
import { assignSlots, slotCountOf } from './assign-slots.ts'
import type { RestartStrategy } from './restart-strategy.ts'

/**
 * `created`: nothing has been done yet. `waiting`: for slots. `deploying`: slots build their tasks. `running`.
 * `failing`, `cancelling`: what is left of the attempt is being cancelled. `backing-off`: before the next attempt.
 */
export type JobState =
  | 'created'
  | 'waiting'
  | 'deploying'
  | 'running'
  | 'failing'
  | 'cancelling'
  | 'backing-off'
  | 'finished'
  | 'failed'
  | 'cancelled'

export const TERMINAL_JOB_STATES: readonly JobState[] = ['finished', 'failed', 'cancelled']

/** What a new leader must know of a job. Plain data. */
export interface SavedJob {
  readonly state: JobState
  /** -1: none has been begun. */
  readonly attempt: number
  /** Those the attempt was deployed in, in order. */
  readonly deployed: readonly SlotLocation[]
  /** Those of them that have not been lost since. */
  readonly slots: readonly SlotLocation[]
  readonly error?: ErrorRecord
}

export interface SubtaskStatus {
  readonly vertexId: string
  readonly index: number
  readonly state: SubtaskState
  readonly error?: ErrorRecord
}

export type JobEvent =
  | { readonly kind: 'submitted' }
  /** Instead of `submitted`: another leader had the job, this is what is known of it. */
  | { readonly kind: 'adopted'; readonly saved: SavedJob }
  | { readonly kind: 'slotsGranted'; readonly slots: readonly SlotLocation[] }
  /** There are fewer free slots than were asked for; the job goes on waiting. */
  | { readonly kind: 'slotsScarce'; readonly free: number }
  | { readonly kind: 'slotsLost'; readonly slots: readonly SlotLocation[]; readonly reason: string }
  | {
      readonly kind: 'reported'
      readonly slot: SlotLocation
      readonly attempt: number
      readonly subtasks: readonly SubtaskStatus[]
    }
  | {
      readonly kind: 'deployFailed'
      readonly slot: SlotLocation
      readonly attempt: number
      readonly error: ErrorRecord
    }
  /** It cannot begin: the state it was to begin from does not fit. */
  | { readonly kind: 'refused'; readonly error: ErrorRecord }
  /** More checkpoints have failed than are tolerated. */
  | { readonly kind: 'checkpointsFailed'; readonly error: ErrorRecord }
  /**
   * What the attempt was to begin with cannot be read. `canFallBack`: the next attempt begins with something older, and
   * is none of the restart strategy's; otherwise the job has failed.
   */
  | {
      readonly kind: 'restoreFailed'
      readonly attempt: number
      readonly error: ErrorRecord
      readonly canFallBack: boolean
    }
  | { readonly kind: 'cancelRequested' }
  | { readonly kind: 'tick' }

export type JobOrder =
  | { readonly kind: 'requestSlots'; readonly count: number; readonly held: readonly SlotLocation[] }
  | { readonly kind: 'releaseSlots'; readonly slots: readonly SlotLocation[] }
  | {
      readonly kind: 'deploy'
      readonly attempt: number
      readonly slots: readonly SlotLocation[]
      readonly placement: Placement
    }
  | { readonly kind: 'start'; readonly attempt: number; readonly slots: readonly SlotLocation[] }
  | { readonly kind: 'cancel'; readonly attempt: number; readonly slots: readonly SlotLocation[] }
  | { readonly kind: 'stateChanged'; readonly state: JobState; readonly error?: ErrorRecord }

export interface JobSchedulerOptions {
  readonly graph: JobGraph
  readonly restart: RestartStrategy
  /** How long the job waits for slots before it fails. */
  readonly slotRequestTimeoutMs: number
  /** A slot that has not reported for this long is lost. */
  readonly slotTimeoutMs: number
}

const REQUEST_REPEAT_MS = 5000

interface Subtask {
  readonly vertexId: string
  readonly index: number
  readonly slot: SlotLocation
  state: SubtaskState
}

interface Attempt {
  readonly number: number
  readonly placement: Placement
  readonly deployed: readonly SlotLocation[]
  readonly subtasks: readonly Subtask[]
  /** Slots that are part of it and not lost, and when each was last heard of. */
  readonly slots: Map<string, { readonly location: SlotLocation; heardMs: number }>
  isStarted: boolean
  /** Null unless what it was to begin with could not be read: whether there is something else. */
  canFallBack: boolean | null
}

export class JobScheduler {
  readonly #options: JobSchedulerOptions
  #state: JobState = 'created'
  /** When the present state began. */
  #sinceMs = 0
  #attemptNumber = -1
  #attempt: Attempt | null = null
  /** Slots that belong to the job, in order. */
  #slots: SlotLocation[] = []
  #requestedMs = 0
  /** When slots were last asked for and there were not enough. */
  #slotsFree = 0
  #error: ErrorRecord | undefined
  #restartAtMs = 0
  /** Saved state that does not fit, as far as the subtasks of the attempt have told. */
  #misfits: StateMisfit[] = []

  constructor(options: JobSchedulerOptions) {
    this.#options = options
  }

  get state(): JobState {
    return this.#state
  }

  /** Why the last attempt failed, if one has. */
  get error(): ErrorRecord | undefined {
    return this.#error
  }

  /** Attempts begun before the present one. */
  get restartCount(): number {
    return Math.max(0, this.#attemptNumber)
  }

  get attempt(): number {
    return Math.max(0, this.#attemptNumber)
  }

  get placement(): Placement | null {
    return this.#attempt?.placement ?? null
  }

  get saved(): SavedJob {
    const error = this.#error
    return {
      state: this.#state,
      attempt: this.#attemptNumber,
      deployed: this.#attempt?.deployed ?? [],
      slots: [...this.#slots],
      ...(error === undefined ? {} : { error }),
    }
  }

  get slotsNeeded(): number {
    return slotCountOf(this.#options.graph)
  }

  get slotsHeld(): number {
    return this.#slots.length
  }

  subtasks(): readonly Readonly<Subtask>[] {
    return this.#attempt?.subtasks ?? []
  }

  /** Whether the slot is to go on with what it has of an attempt; one that has been given up is not, if it lives. */
  isCurrent(slot: SlotLocation, attempt: number): boolean {
    const current = this.#attempt
    const isOver = this.isTerminal() || this.#state === 'backing-off' || this.#state === 'waiting'
    return !isOver && attempt === current?.number && current.slots.has(keyOf(slot))
  }

  isTerminal(): boolean {
    return TERMINAL_JOB_STATES.includes(this.#state)
  }

  on(event: JobEvent, nowMs: number): JobOrder[] {
    if (this.isTerminal()) return []
    switch (event.kind) {
      case 'submitted':
        return this.#requestSlots(nowMs)
      case 'adopted':
        return this.#adopt(event.saved, nowMs)
      case 'slotsScarce':
        this.#slotsFree = event.free
        return []
      case 'slotsGranted':
        return this.#onGrant(event.slots, nowMs)
      case 'slotsLost':
        return this.#onLost(event.slots, { code: 'NODE_LOST', message: event.reason }, nowMs)
      case 'reported':
        return this.#onReport(event, nowMs)
      case 'deployFailed':
        return event.attempt === this.#attemptNumber ? this.#fail(event.error, nowMs) : []
      case 'refused':
        this.#error = event.error
        return this.#end('failed', nowMs)
      case 'checkpointsFailed':
        return this.#fail(event.error, nowMs)
      case 'restoreFailed':
        return this.#onRestoreFailed(event, nowMs)
      case 'cancelRequested':
        return this.#onCancel(nowMs)
      case 'tick':
        return this.#onTick(nowMs)
    }
  }

  #requestSlots(nowMs: number): JobOrder[] {
    if (this.#slots.length === this.slotsNeeded) return this.#deploy(nowMs)
    return [...this.#enter('waiting', nowMs), this.#slotRequest(nowMs)]
  }

  /** Takes the place of the request before it; repeated, because it or the grant may get lost. */
  #slotRequest(nowMs: number): JobOrder {
    this.#requestedMs = nowMs
    return { kind: 'requestSlots', count: this.slotsNeeded - this.#slots.length, held: [...this.#slots] }
  }

  /** Grants may come twice, or when less is missing than when they were asked for. */
  #onGrant(slots: readonly SlotLocation[], nowMs: number): JobOrder[] {
    const missing = this.#state === 'waiting' ? this.slotsNeeded - this.#slots.length : 0
    const fresh = slots.filter((slot) => !this.#slots.some((mine) => isSameSlot(mine, slot)))
    this.#slots.push(...fresh.slice(0, missing))
    const surplus = fresh.slice(missing)
    return [
      ...(surplus.length > 0 ? [{ kind: 'releaseSlots', slots: surplus } as const] : []),
      ...(missing > 0 && this.#slots.length === this.slotsNeeded ? this.#deploy(nowMs) : []),
    ]
  }

  #deploy(nowMs: number): JobOrder[] {
    this.#attemptNumber++
    const attempt = this.#newAttempt(this.#slots, nowMs)
    return [...this.#enter('deploying', nowMs), this.#deployment(attempt)]
  }

  #newAttempt(deployed: readonly SlotLocation[], heardMs: number): Attempt {
    const { graph } = this.#options
    const placement = assignSlots(graph, deployed)
    this.#misfits = []
    this.#attempt = {
      number: this.#attemptNumber,
      placement,
      deployed: [...deployed],
      subtasks: graph.vertices.flatMap(({ id }) =>
        placement[id]!.map((slot, index): Subtask => ({ vertexId: id, index, slot, state: 'created' })),
      ),
      slots: new Map(this.#slots.map((location) => [keyOf(location), { location, heardMs }])),
      isStarted: false,
      canFallBack: null,
    }
    return this.#attempt
  }

  /** A slot that has this attempt already takes no notice. */
  #deployment({ number, placement }: Attempt): JobOrder {
    return { kind: 'deploy', attempt: number, slots: [...this.#slots], placement }
  }

  /** J5. */
  #adopt({ state, attempt, deployed, slots, error }: SavedJob, nowMs: number): JobOrder[] {
    this.#attemptNumber = attempt
    this.#error = error
    for (let failure = 0; failure < attempt; failure++)
      this.#options.restart.onFailure(Number.NEGATIVE_INFINITY)
    switch (state) {
      case 'created':
      case 'waiting':
        return this.#requestSlots(nowMs)
      case 'backing-off':
        this.#restartAtMs = nowMs + this.#options.restart.peek(nowMs).backoffMs
        return this.#enter('backing-off', nowMs)
      case 'deploying':
      case 'running':
      case 'failing':
      case 'cancelling':
        this.#slots = [...slots]
        return this.#adoptAttempt(state, deployed, nowMs)
      default:
        return this.#enter(state, nowMs)
    }
  }

  /** Slots have twice as long to be heard of for the first time: they may have been cut off as long as we were. */
  #adoptAttempt(
    state: 'deploying' | 'running' | 'failing' | 'cancelling',
    deployed: readonly SlotLocation[],
    nowMs: number,
  ): JobOrder[] {
    const attempt = this.#newAttempt(deployed, nowMs + this.#options.slotTimeoutMs)
    // A slot is lost without consequences only if all it had to do was done.
    const lostState = state === 'running' ? 'finished' : 'failed'
    for (const subtask of attempt.subtasks)
      if (!attempt.slots.has(keyOf(subtask.slot))) subtask.state = lostState
    attempt.isStarted = state !== 'deploying'
    const entered = this.#enter(state, nowMs)
    if (state === 'running') return entered
    if (state === 'deploying') return [...entered, this.#deployment(attempt)]
    const cancel: JobOrder = { kind: 'cancel', attempt: attempt.number, slots: this.#liveSlots(attempt) }
    return [...entered, cancel, ...this.#advance(attempt, nowMs)]
  }

  /** Whether every subtask has been heard of, which after an adoption takes a moment. */
  get isAllHeard(): boolean {
    return this.#attempt?.subtasks.every(({ state }) => state !== 'created') === true
  }

  #onReport(event: Extract<JobEvent, { kind: 'reported' }>, nowMs: number): JobOrder[] {
    const attempt = this.#attempt
    const slot = attempt?.slots.get(keyOf(event.slot))
    if (attempt === null || event.attempt !== attempt.number || slot === undefined) return []
    slot.heardMs = nowMs
    const stateBefore = this.#state
    const orders: JobOrder[] = []
    for (const { vertexId, index, state, error } of event.subtasks) {
      const subtask = attempt.subtasks.find((each) => each.vertexId === vertexId && each.index === index)
      if (subtask === undefined || isFinal(subtask.state)) continue
      subtask.state = state
      if (state === 'failed')
        orders.push(...this.#onSubtaskFailed(present(error, 'the error of a failed subtask'), nowMs))
      else if (state === 'cancelled') orders.push(...this.#fail(givenUp(event.slot), nowMs))
    }
    orders.push(...this.#advance(attempt, nowMs))
    return this.#state === stateBefore ? [...orders, ...this.#repeatOrder(attempt, event)] : orders
  }

  /** State that does not fit is told as a whole, once every subtask has looked at its own. */
  #onSubtaskFailed(error: ErrorRecord, nowMs: number): JobOrder[] {
    const misfits = this.#state === 'deploying' ? misfitsOfError(error) : []
    if (misfits.length === 0) return this.#fail(error, nowMs)
    this.#misfits.push(...misfits)
    return []
  }

  /** Orders may get lost: a report that shows that one has not been followed has it given again. */
  #repeatOrder(attempt: Attempt, { slot, subtasks }: Extract<JobEvent, { kind: 'reported' }>): JobOrder[] {
    const isWaiting = subtasks.some(({ state }) => state === 'ready')
    const isAlive = subtasks.some(({ state }) => !isFinal(state))
    if (this.#state === 'running' && isWaiting)
      return [{ kind: 'start', attempt: attempt.number, slots: [slot] }]
    const mustEnd = this.#state === 'failing' || this.#state === 'cancelling'
    return mustEnd && isAlive ? [{ kind: 'cancel', attempt: attempt.number, slots: [slot] }] : []
  }

  /** What follows from the states of the subtasks taken together. */
  #advance(attempt: Attempt, nowMs: number): JobOrder[] {
    const { subtasks } = attempt
    const isOver = subtasks.every(({ state }) => isFinal(state))
    switch (this.#state) {
      case 'deploying':
        if (this.#misfits.length > 0) {
          const areAllOpen = subtasks.every(({ state }) => state === 'ready' || isFinal(state))
          return areAllOpen ? this.#fail(toErrorRecord(misfitError(this.#misfits)), nowMs) : []
        }
        if (attempt.isStarted || !subtasks.every(({ state }) => state === 'ready')) return []
        attempt.isStarted = true
        return [
          { kind: 'start', attempt: attempt.number, slots: this.#liveSlots(attempt) },
          ...this.#enter('running', nowMs),
        ]
      case 'running':
        return isOver ? this.#end('finished', nowMs) : []
      case 'failing':
        return isOver ? this.#afterFailure(nowMs) : []
      case 'cancelling':
        return isOver ? this.#end('cancelled', nowMs) : []
      default:
        return []
    }
  }

  #fail(error: ErrorRecord, nowMs: number): JobOrder[] {
    if (this.#state !== 'deploying' && this.#state !== 'running') return []
    this.#error = error
    const attempt = present(this.#attempt, 'an attempt')
    return [
      ...this.#enter('failing', nowMs),
      { kind: 'cancel', attempt: attempt.number, slots: this.#liveSlots(attempt) },
      ...this.#advance(attempt, nowMs),
    ]
  }

  #onRestoreFailed(
    { attempt, error, canFallBack }: Extract<JobEvent, { kind: 'restoreFailed' }>,
    nowMs: number,
  ): JobOrder[] {
    const current = this.#attempt
    if (current === null || current.number !== attempt || this.#state !== 'deploying') return []
    current.canFallBack = canFallBack
    return this.#fail(error, nowMs)
  }

  #afterFailure(nowMs: number): JobOrder[] {
    const canFallBack = this.#attempt?.canFallBack ?? null
    const { canRestart, backoffMs } =
      canFallBack === null
        ? this.#options.restart.onFailure(nowMs)
        : { canRestart: canFallBack, backoffMs: 0 }
    // It would not fit the next time either.
    const isLasting = this.#error?.code === 'STATE_INCOMPATIBLE'
    if (!canRestart || isLasting) return this.#end('failed', nowMs)
    this.#restartAtMs = nowMs + backoffMs
    return [...this.#enter('backing-off', nowMs), ...(backoffMs <= 0 ? this.#requestSlots(nowMs) : [])]
  }

  #onLost(slots: readonly SlotLocation[], error: ErrorRecord, nowMs: number): JobOrder[] {
    const held = this.#slots.length
    this.#slots = this.#slots.filter((mine) => !slots.some((lost) => isSameSlot(mine, lost)))
    if (this.#state === 'waiting' && this.#slots.length < held) return [this.#slotRequest(nowMs)]
    const attempt = this.#attempt
    if (attempt === null) return []
    const isAffected = slots.some((slot) => this.#isNeeded(attempt, slot))
    for (const subtask of attempt.subtasks) {
      if (slots.some((lost) => isSameSlot(subtask.slot, lost)) && !isFinal(subtask.state))
        subtask.state = 'failed'
    }
    for (const lost of slots) attempt.slots.delete(keyOf(lost))
    return isAffected ? [...this.#fail(error, nowMs), ...this.#advance(attempt, nowMs)] : []
  }

  #onCancel(nowMs: number): JobOrder[] {
    switch (this.#state) {
      case 'deploying':
      case 'running':
      case 'failing': {
        const attempt = present(this.#attempt, 'an attempt')
        const cancel: JobOrder = { kind: 'cancel', attempt: attempt.number, slots: this.#liveSlots(attempt) }
        return [...this.#enter('cancelling', nowMs), cancel, ...this.#advance(attempt, nowMs)]
      }
      case 'cancelling':
        return []
      default:
        return this.#end('cancelled', nowMs)
    }
  }

  #onTick(nowMs: number): JobOrder[] {
    const { slotRequestTimeoutMs } = this.#options
    if (this.#state === 'backing-off' && nowMs >= this.#restartAtMs) return this.#requestSlots(nowMs)
    if (this.#state === 'waiting' && nowMs - this.#sinceMs > slotRequestTimeoutMs) {
      const missing = Math.max(1, this.slotsNeeded - this.#slots.length - this.#slotsFree)
      this.#error = {
        code: 'SLOTS_UNAVAILABLE',
        message: `the job needs ${this.slotsNeeded} slots and has ${this.#slots.length}; ${this.#slotsFree} were free when it asked, and no more came within ${slotRequestTimeoutMs} ms: start more nodes (sluice node --slots ${missing}) or lower the parallelism`,
      }
      return this.#end('failed', nowMs)
    }
    if (this.#state === 'waiting' && nowMs - this.#requestedMs >= REQUEST_REPEAT_MS)
      return [this.#slotRequest(nowMs)]
    return this.#checkSilence(nowMs)
  }

  #checkSilence(nowMs: number): JobOrder[] {
    const { slotTimeoutMs } = this.#options
    const attempt = this.#attempt
    if (attempt === null || this.#state === 'backing-off' || this.#state === 'waiting') return []
    const silent = [...attempt.slots.values()].filter(
      ({ location, heardMs }) => nowMs - heardMs > slotTimeoutMs && this.#isNeeded(attempt, location),
    )
    return silent.flatMap(({ location, heardMs }): JobOrder[] => {
      const message = `slot ${location.slot} of node ${location.node} has not reported for ${Math.round(nowMs - heardMs)} ms`
      const orders = this.#onLost([location], { code: 'SLOT_LOST', message }, nowMs)
      // Only we know: whoever keeps the slots takes it for ours still.
      return [{ kind: 'releaseSlots', slots: [location] }, ...orders]
    })
  }

  /** Whether a slot runs something, be it only the enumerator of a source, beside subtask 0, that others still read. */
  #isNeeded({ subtasks }: Attempt, location: SlotLocation): boolean {
    const isRunning = (vertexId: string) =>
      subtasks.some((each) => each.vertexId === vertexId && !isFinal(each.state))
    return subtasks.some(
      ({ vertexId, index, slot, state }) =>
        isSameSlot(slot, location) &&
        (!isFinal(state) || (index === 0 && this.#isSource(vertexId) && isRunning(vertexId))),
    )
  }

  #isSource(vertexId: string): boolean {
    return this.#options.graph.vertices.some(({ id, isSource }) => id === vertexId && isSource)
  }

  #liveSlots(attempt: Attempt): SlotLocation[] {
    return [...attempt.slots.values()].map(({ location }) => location)
  }

  #end(state: 'finished' | 'failed' | 'cancelled', nowMs: number): JobOrder[] {
    return [...this.#enter(state, nowMs), { kind: 'releaseSlots', slots: this.#slots.splice(0) }]
  }

  #enter(state: JobState, nowMs: number): JobOrder[] {
    this.#state = state
    this.#sinceMs = nowMs
    const error =
      state === 'failed' || state === 'failing' || state === 'backing-off' ? this.#error : undefined
    return [{ kind: 'stateChanged', state, ...(error === undefined ? {} : { error }) }]
  }
}

/** Cancelled without an order: of no account to a job that is being cancelled anyway. */
function givenUp({ node, slot }: SlotLocation): ErrorRecord {
  return {
    code: 'SLOT_LOST',
    message: `slot ${slot} of node ${node} has given up its subtasks: the node stops`,
  }
}

function keyOf({ node, slot }: SlotLocation): string {
  return `${node}/${slot}`
}
