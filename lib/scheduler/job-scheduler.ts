/**
 * The brain of a job master: takes one job from its submission to its end, over any number of attempts. Events in,
 * orders out; no clock, no bus, no promise. `actors/job-master.ts` is its shell.
 *
 * A job consists of regions, between which nothing flows, and each has attempts of its own. An attempt goes through
 * four steps, each complete before the next: slots are granted; every slot has built its tasks and opened them (so that
 * nobody sends to somebody who is not there yet); all are started; all end. If anything fails, what is left of the
 * attempt is cancelled, and when the last of it is gone the restart strategy decides about the next. Other regions go
 * on meanwhile, unless there is to be no next attempt, or what failed concerns them too.
 *
 * J1. Orders and reports carry the region and its attempt; reports of other attempts change nothing.
 * J2. Slots report what is, again and again; a report that gets lost is made up for by the next.
 * J3. A slot that does not report for long is lost, whatever else is known of its node.
 * J4. The job has ended only when none of its subtasks runs any more, or its slot is lost.
 * J5. Whoever has `saved` can go on with the job as a new leader (`adopted`), also when whoever had it is gone in the
 *     middle of something: what runs goes on running, what was ordered and not confirmed is ordered again. For that
 *     each `stateChanged` and `regionChanged` must be saved before the orders beside it are carried out. What was being
 *     deployed is deployed as another attempt: a slot may have been started anew since it had its part of it.
 * J6. Whatever fails at once, in however many regions, is one failure to the restart strategy.
 * J7. Regions that are deployed at the same time start together, when all of them are ready: state that does not fit is
 *     told as a whole, before anything runs that it would have to be taken back from.
 * J8. No region has an attempt without the one that leads it, where the enumerators of its sources run: it is deployed
 *     after it and fails with it. Both have finished only when all that it leads have nothing more to do.
 */
import { present } from '../base/assert.ts'
import { type ErrorRecord, toErrorRecord } from '../base/errors.ts'
import { isFinal, type SlotLocation, type SubtaskState } from '../graph/execution-graph.ts'
import type { JobGraph } from '../graph/job-graph.ts'
import type { PipelinedRegions, SubtaskId } from '../graph/pipelined-regions.ts'
import { misfitError, misfitsOfError } from '../state/state-misfit.ts'
import { assignSlots, slotCountOf } from './assign-slots.ts'
import type { DeployedRegion, JobEvent, JobOrder } from './job-events.ts'
import {
  HOLDING_STATES,
  type JobState,
  type SavedJob,
  slotsHeldBy,
  TERMINAL_JOB_STATES,
} from './job-state.ts'
import { ADOPTED_SILENCE, RegionAttempt, SLOT_SILENCE, type Subtask, slotKey } from './region-attempt.ts'
import { RegionGroups } from './region-groups.ts'
import type { RestartStrategy } from './restart-strategy.ts'
import { givenUp, slotSilent, slotsUnavailable } from './slot-errors.ts'
import { SlotPlaces } from './slot-places.ts'

/** The first that a region is in is the state of the job. */
const BY_URGENCY: readonly JobState[] = [
  'failing',
  'backing-off',
  'waiting',
  'created',
  'deploying',
  'running',
]

export interface JobSchedulerOptions {
  readonly graph: JobGraph
  readonly regions: PipelinedRegions
  readonly restart: RestartStrategy
  /** Which have a part for the enumerators of sources, also when their readers have finished. */
  readonly hasCheckpoints: boolean
  /** How long the job waits for slots before it fails. */
  readonly slotRequestTimeoutMs: number
  /** Silence after which a node is lost. */
  readonly heartbeatTimeoutMs: number
}

/** In which a region has failed and not been deployed again. */
const FAILED_STATES: readonly JobState[] = ['failing', 'backing-off', 'waiting']
const REQUEST_REPEAT_MS = 5000

/** J6. */
interface Failure {
  readonly error: ErrorRecord
  /** The first region it has hit. */
  readonly first: number
  /** When the regions it has hit are restarted; null: that has not been decided. */
  restartAtMs: number | null
  isCounted: boolean
}

interface Region {
  readonly number: number
  readonly subtasks: readonly SubtaskId[]
  state: JobState
  /** When the present state began. */
  sinceMs: number
  /** -1: none has been begun. */
  attemptNumber: number
  attempt: RegionAttempt | null
  /** The places of the job when the attempt was deployed. */
  deployed: readonly SlotLocation[]
  /** Why there is to be another attempt, until there is. */
  failure: Failure | null
}

export class JobScheduler {
  readonly #options: JobSchedulerOptions
  readonly #regions: readonly Region[]
  readonly #groups: RegionGroups<Region>
  readonly #isLacking = ({ subtasks }: Region) => this.#places.emptyFor(subtasks).length > 0
  #places: SlotPlaces
  /** What was said last. */
  #state: JobState = 'created'
  /** What the job comes to once all that runs has been cancelled. */
  #outcome: 'failed' | 'cancelled' | null = null
  #restarts = 0
  #requestedMs = 0
  /** When slots were last asked for and there were not enough. */
  #slotsFree = 0
  #error: ErrorRecord | undefined

  constructor(options: JobSchedulerOptions) {
    this.#options = options
    this.#places = new SlotPlaces(options.graph)
    this.#regions = options.regions.regions.map((subtasks, number) => ({
      ...{ number, subtasks, state: 'created', sinceMs: 0 },
      ...{ attemptNumber: -1, attempt: null, deployed: [], failure: null },
    }))
    this.#groups = new RegionGroups(options.regions, this.#regions)
  }

  get state(): JobState {
    return this.#state
  }

  /** Why the last attempt failed, if one has. */
  get error(): ErrorRecord | undefined {
    return this.#error
  }

  /** Restarts begun, each of one region or of several that failed at once. */
  get restartCount(): number {
    return this.#restarts
  }

  /** By region: its attempt, how many it has had before, and its state. */
  get regions(): {
    readonly state: JobState
    readonly attempt: number
    readonly subtaskCount: number
  }[] {
    return this.#regions.map(({ state, attemptNumber, subtasks }) => ({
      ...{ state, attempt: Math.max(0, attemptNumber), subtaskCount: subtasks.length },
    }))
  }

  /** -1: it has not been deployed yet. */
  attemptOf(region: number): number {
    return this.#regions[region]?.attemptNumber ?? -1
  }

  /** By region, as far as they have been deployed. */
  get deployed(): DeployedRegion[] {
    return this.#regions.flatMap((region) => (region.attempt === null ? [] : [deployedRegion(region)]))
  }

  get saved(): SavedJob {
    const error = this.#error
    return {
      state: this.#state,
      restarts: this.#restarts,
      regions: this.#regions.map(({ state, attemptNumber, deployed }) => ({
        ...{ state, attempt: attemptNumber, deployed },
      })),
      places: this.#places.all,
      ...(error === undefined ? {} : { error }),
    }
  }

  get slotsNeeded(): number {
    return slotCountOf(this.#options.graph)
  }

  get slotsHeld(): number {
    return this.#places.held.length
  }

  subtasks(): readonly Readonly<Subtask>[] {
    return this.#regions.flatMap(({ attempt }) => attempt?.subtasks ?? [])
  }

  /** Whether the slot is to go on with what it has of an attempt; one that has been given up is not, if it lives. */
  isCurrent(slot: SlotLocation, region: number, attempt: number): boolean {
    const { state, attempt: current } = this.#regions[region] ?? { state: 'failed', attempt: null }
    if (this.isTerminal() || current === null || !HOLDING_STATES.includes(state)) return false
    return attempt === current.number && current.has(slot)
  }

  isTerminal(): boolean {
    return TERMINAL_JOB_STATES.includes(this.#state)
  }

  /** Whether every subtask has been heard of, which after an adoption takes a moment. */
  get isAllHeard(): boolean {
    return this.#regions.every(({ attempt }) => attempt?.isHeard === true)
  }

  on(event: JobEvent, nowMs: number): JobOrder[] {
    if (this.isTerminal()) return []
    switch (event.kind) {
      case 'submitted':
        return this.#begin(this.#regions, nowMs)
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
      case 'deployFailed': {
        const region = this.#regionOf(event)
        return region === null ? [] : this.#fail([region], event.error, nowMs)
      }
      case 'refused':
        this.#error = event.error
        return this.#giveUp('failed', nowMs)
      case 'checkpointsFailed':
        return this.#fail(this.#regions, event.error, nowMs)
      case 'restoreFailed':
        return this.#onRestoreFailed(event, nowMs)
      case 'cancelRequested':
        return this.#outcome === 'cancelled' ? [] : this.#giveUp('cancelled', nowMs)
      case 'tick':
        return this.#onTick(nowMs)
    }
  }

  /** Null if the attempt is not the present one of its region. */
  #regionOf({ region, attempt }: { readonly region: number; readonly attempt: number }): Region | null {
    const found = this.#regions[region]
    return found?.attempt?.number === attempt ? found : null
  }

  #in(...states: readonly JobState[]): Region[] {
    return this.#regions.filter(({ state }) => states.includes(state))
  }

  /** Deploys what has its slots; what has not waits for them, and so does what it leads. */
  #begin(regions: readonly Region[], nowMs: number): JobOrder[] {
    const lacking = this.#groups
      .withLed([...this.#in('waiting'), ...regions].filter(this.#isLacking))
      .filter((region) => regions.includes(region))
    const waiting = lacking.flatMap((region) => this.#enter(region, 'waiting', nowMs))
    return [
      ...waiting,
      ...(lacking.length > 0 ? [this.#slotRequest(nowMs)] : []),
      ...this.#deployReady(regions, nowMs),
      ...this.#deployReady(this.#in('waiting'), nowMs),
    ]
  }

  /** J8: in order, leading ones come first. */
  #deployReady(regions: readonly Region[], nowMs: number): JobOrder[] {
    return regions.flatMap((region) =>
      this.#isLacking(region) || !this.#groups.isLed(region) ? [] : this.#deploy(region, nowMs),
    )
  }

  /** Empty places that regions wait for. */
  #missing(): number[] {
    return this.#places.emptyFor(this.#in('waiting').flatMap(({ subtasks }) => subtasks))
  }

  /** Takes the place of the request before it; repeated, because it or the grant may get lost. */
  #slotRequest(nowMs: number): JobOrder {
    this.#requestedMs = nowMs
    return { kind: 'requestSlots', count: this.#missing().length, held: this.#places.held }
  }

  /** Grants may come twice, or when less is missing than when they were asked for. */
  #onGrant(slots: readonly SlotLocation[], nowMs: number): JobOrder[] {
    const missing = this.#missing()
    const fresh = slots.filter((slot) => !this.#places.has(slot))
    missing.slice(0, fresh.length).forEach((place, i) => {
      this.#places.put(place, fresh[i]!)
    })
    const surplus = fresh.slice(missing.length)
    return [
      ...(surplus.length > 0 ? [{ kind: 'releaseSlots', slots: surplus } as const] : []),
      ...this.#deployReady(this.#in('waiting'), nowMs),
    ]
  }

  #deploy(region: Region, nowMs: number): JobOrder[] {
    const { failure } = region
    if (failure !== null && !failure.isCounted) {
      failure.isCounted = true
      this.#restarts++
    }
    region.failure = null
    region.attemptNumber++
    region.deployed = this.#places.all
    this.#newAttempt(region, nowMs)
    return [...this.#enter(region, 'deploying', nowMs), { kind: 'deploy', ...deployedRegion(region) }]
  }

  #newAttempt(region: Region, heardMs: number): RegionAttempt {
    const { graph } = this.#options
    region.attempt = new RegionAttempt({
      number: region.attemptNumber,
      subtasks: region.subtasks,
      placement: assignSlots(graph, region.deployed),
      isSource: (vertexId) => graph.vertices.some(({ id, isSource }) => id === vertexId && isSource),
      hasCheckpoints: this.#options.hasCheckpoints,
      isAwaited: () => this.#groups.isAwaited(region),
      state: region.state === 'finished' ? 'finished' : 'created',
      heardMs,
    })
    return region.attempt
  }

  /** J5. */
  #adopt(saved: SavedJob, nowMs: number): JobOrder[] {
    this.#error = saved.error
    this.#restarts = saved.restarts
    for (let failure = 0; failure < saved.restarts; failure++)
      this.#options.restart.onFailure(Number.NEGATIVE_INFINITY)
    if (TERMINAL_JOB_STATES.includes(saved.state)) return this.#tellState(saved.state)
    if (slotsHeldBy(saved).length > 0) this.#places = new SlotPlaces(this.#options.graph, saved.places)
    const failure: Failure | null =
      saved.error === undefined ? null : { error: saved.error, first: 0, restartAtMs: null, isCounted: false }
    for (const region of this.#regions) {
      const { state, attempt, deployed } = saved.regions[region.number]!
      region.state = state
      region.sinceMs = nowMs
      region.attemptNumber = attempt
      region.deployed = deployed
      if (attempt >= 0 && FAILED_STATES.includes(state)) region.failure = failure
      if (HOLDING_STATES.includes(state)) this.#adoptAttempt(region, nowMs)
    }
    if (failure !== null && this.#in('backing-off').length > 0)
      failure.restartAtMs = nowMs + this.#options.restart.peek(nowMs).backoffMs
    if (saved.state === 'cancelling') this.#outcome = 'cancelled'
    else if (this.#in('cancelling', 'failed').length > 0) this.#outcome = 'failed'
    return [...this.#changed(), ...this.#goOn(nowMs)]
  }

  /** Slots have twice as long to be heard of for the first time: they may have been cut off as long as we were. */
  #adoptAttempt(region: Region, nowMs: number): void {
    const attempt = this.#newAttempt(region, nowMs - ADOPTED_SILENCE * this.#options.heartbeatTimeoutMs)
    attempt.isStarted = true
    // A slot is lost without consequences only if all it had to do was done.
    const isDone = region.state === 'running' || region.state === 'finished'
    for (const slot of attempt.slots)
      if (!this.#places.has(slot)) attempt.lose(slot, isDone ? 'finished' : 'failed')
  }

  /** What the leader before may have come to order or not. */
  #goOn(nowMs: number): JobOrder[] {
    const ending = this.#in('failing', 'cancelling')
    return [
      ...ending.map((region) => this.#cancellation(region)),
      ...ending.flatMap((region) => this.#advance(region, nowMs)),
      ...(this.#outcome === null
        ? this.#begin(this.#in('created', 'waiting', 'deploying'), nowMs)
        : this.#advanceJob()),
    ]
  }

  #onReport(event: Extract<JobEvent, { kind: 'reported' }>, nowMs: number): JobOrder[] {
    const region = this.#regionOf(event)
    const attempt = region?.attempt ?? null
    if (region === null || attempt?.has(event.slot) !== true) return []
    attempt.heard(event.slot, nowMs)
    const stateBefore = region.state
    const orders: JobOrder[] = []
    for (const { vertexId, index, state, error } of event.subtasks) {
      const subtask = attempt.subtasks.find((each) => each.vertexId === vertexId && each.index === index)
      if (subtask === undefined || !mayFollow(subtask.state, state)) continue
      subtask.state = state
      if (state === 'failed')
        orders.push(...this.#onSubtaskFailed(region, present(error, 'the error of a failed subtask'), nowMs))
      else if (state === 'cancelled') orders.push(...this.#fail([region], givenUp(event.slot), nowMs))
    }
    if (region.attempt === attempt) orders.push(...this.#advance(region, nowMs))
    return region.state === stateBefore ? [...orders, ...this.#repeatOrder(region, event)] : orders
  }

  /** J7. */
  #onSubtaskFailed(region: Region, error: ErrorRecord, nowMs: number): JobOrder[] {
    const misfits = region.state === 'deploying' ? misfitsOfError(error) : []
    if (misfits.length === 0) return this.#fail([region], error, nowMs)
    region.attempt?.misfits.push(...misfits)
    return []
  }

  /** Orders may get lost: a report that shows that one has not been followed has it given again. */
  #repeatOrder(
    { number, state, attemptNumber }: Region,
    { slot, subtasks }: Extract<JobEvent, { kind: 'reported' }>,
  ): JobOrder[] {
    const order = { region: number, attempt: attemptNumber, slots: [slot] }
    const isWaiting = subtasks.some((subtask) => subtask.state === 'ready')
    const isAlive = subtasks.some((subtask) => !isFinal(subtask.state))
    if (state === 'running' && isWaiting) return [{ kind: 'start', ...order }]
    const mustEnd = state === 'failing' || state === 'cancelling'
    return mustEnd && isAlive ? [{ kind: 'cancel', ...order }] : []
  }

  /** What follows from the states of a region's subtasks taken together. */
  #advance(region: Region, nowMs: number): JobOrder[] {
    const isOver = region.attempt?.isOver === true
    switch (region.state) {
      case 'deploying':
        return this.#startAll(nowMs)
      case 'running': {
        const ended = this.#groups.isOver(region) ? this.#groups.groupOf(region) : []
        return ended.flatMap((each) => this.#leave(each, 'finished', nowMs))
      }
      case 'failing':
        return isOver ? this.#afterFailure(region, nowMs) : []
      case 'cancelling':
        return isOver ? this.#leave(region, this.#outcome ?? 'failed', nowMs) : []
      default:
        return []
    }
  }

  /** J7. */
  #startAll(nowMs: number): JobOrder[] {
    const regions = this.#in('deploying')
    const attempts = regions.map(({ attempt }) => present(attempt, 'an attempt'))
    const misfits = attempts.flatMap((attempt) => attempt.misfits)
    if (misfits.length > 0) {
      const areAllOpen = attempts.every(({ isOpen }) => isOpen)
      return areAllOpen ? this.#fail(regions, toErrorRecord(misfitError(misfits)), nowMs) : []
    }
    if (!attempts.every(({ isStarted, isReady }) => !isStarted && isReady)) return []
    return regions.flatMap((region) => {
      const { slots } = region.attempt!
      region.attempt!.isStarted = true
      const order = { kind: 'start', region: region.number, attempt: region.attemptNumber, slots } as const
      return [order, ...this.#enter(region, 'running', nowMs)]
    })
  }

  /** What of these regions is deployed fails, all of it with one failure. */
  #fail(regions: readonly Region[], error: ErrorRecord, nowMs: number): JobOrder[] {
    const isHit = ({ state }: Region) => state === 'deploying' || state === 'running'
    const hit = this.#groups.withLed(regions.filter(isHit)).filter(isHit)
    if (hit.length === 0) return []
    this.#error = error
    const failure = { error, first: hit[0]!.number, restartAtMs: null, isCounted: false }
    for (const region of hit) region.failure = failure
    const cancelled = hit.flatMap((region) => [
      ...this.#enter(region, 'failing', nowMs),
      this.#cancellation(region),
    ])
    return [...cancelled, ...hit.flatMap((region) => this.#advance(region, nowMs))]
  }

  #cancellation({ number, attemptNumber, attempt }: Region): JobOrder {
    return { kind: 'cancel', region: number, attempt: attemptNumber, slots: attempt?.slots ?? [] }
  }

  #onRestoreFailed(event: Extract<JobEvent, { kind: 'restoreFailed' }>, nowMs: number): JobOrder[] {
    const region = this.#regionOf(event)
    if (region?.state !== 'deploying') return []
    region.attempt!.canFallBack = event.canFallBack
    return this.#fail([region], event.error, nowMs)
  }

  #afterFailure(region: Region, nowMs: number): JobOrder[] {
    const failure = present(region.failure, 'a failure')
    // It would not fit the next time either.
    const isLasting = failure.error.code === 'STATE_INCOMPATIBLE'
    if (isLasting || !this.#mayRestart(region, failure, nowMs)) return this.#giveUp('failed', nowMs)
    const due = failure.restartAtMs! <= nowMs ? this.#groups.ready([region]) : []
    const orders = this.#enter(region, 'backing-off', nowMs)
    return due.length > 0 ? [...orders, ...this.#begin(due, nowMs)] : orders
  }

  /** Decided by the first of the regions that have failed with it. */
  #mayRestart({ attempt }: Region, failure: Failure, nowMs: number): boolean {
    if (failure.restartAtMs !== null) return true
    const canFallBack = attempt?.canFallBack ?? null
    const { canRestart, backoffMs } =
      canFallBack === null
        ? this.#options.restart.onFailure(nowMs)
        : { canRestart: canFallBack, backoffMs: 0 }
    if (canRestart) failure.restartAtMs = nowMs + Math.max(0, backoffMs)
    return canRestart
  }

  #onLost(slots: readonly SlotLocation[], error: ErrorRecord, nowMs: number): JobOrder[] {
    const waitedFor = this.#missing().length
    this.#places.lose(slots)
    const request = this.#missing().length > waitedFor ? [this.#slotRequest(nowMs)] : []
    const affected = this.#regions.filter(
      ({ state, attempt }) =>
        HOLDING_STATES.includes(state) && slots.some((slot) => attempt?.isNeeded(slot) === true),
    )
    const ending = affected.filter(({ state }) => state === 'failing' || state === 'cancelling')
    for (const { attempt } of this.#regions) for (const slot of slots) attempt?.lose(slot)
    return [
      ...request,
      ...this.#fail(affected, error, nowMs),
      ...ending.flatMap((region) => this.#advance(region, nowMs)),
    ]
  }

  /** The whole job is to end; what still runs is cancelled first. */
  #giveUp(outcome: 'failed' | 'cancelled', nowMs: number): JobOrder[] {
    this.#outcome = outcome
    const running = this.#in('deploying', 'running', 'failing', 'cancelling').filter(
      ({ attempt }) => attempt?.isOver === false,
    )
    for (const region of this.#regions)
      if (!running.includes(region) && region.state !== 'finished') region.state = outcome
    return [
      ...running.flatMap((region) => [
        ...this.#enter(region, 'cancelling', nowMs),
        this.#cancellation(region),
      ]),
      ...this.#advanceJob(),
    ]
  }

  #onTick(nowMs: number): JobOrder[] {
    const { slotRequestTimeoutMs } = this.#options
    const isDue = ({ failure }: Region) => nowMs >= (failure?.restartAtMs ?? 0)
    const due = this.#groups.ready(this.#in('backing-off').filter(isDue))
    const orders = due.length > 0 ? this.#begin(due, nowMs) : []
    const waiting = this.#in('waiting').filter(this.#isLacking)
    if (waiting.some(({ sinceMs }) => nowMs - sinceMs > slotRequestTimeoutMs)) {
      const slots = { needed: this.slotsNeeded, held: this.slotsHeld, free: this.#slotsFree }
      this.#error = slotsUnavailable({ ...slots, missing: this.#missing().length }, slotRequestTimeoutMs)
      return [...orders, ...this.#giveUp('failed', nowMs)]
    }
    if (waiting.length > 0 && nowMs - this.#requestedMs >= REQUEST_REPEAT_MS)
      orders.push(this.#slotRequest(nowMs))
    return [...orders, ...this.#checkSilence(nowMs)]
  }

  #checkSilence(nowMs: number): JobOrder[] {
    const silent = this.#in(...HOLDING_STATES).flatMap(({ attempt }) =>
      present(attempt, 'an attempt').silent(nowMs, SLOT_SILENCE * this.#options.heartbeatTimeoutMs),
    )
    const bySlot = new Map(silent.map((each) => [slotKey(each.location), each]))
    return [...bySlot.values()].flatMap(({ location, forMs }): JobOrder[] => {
      const orders = this.#onLost([location], slotSilent(location, forMs), nowMs)
      // Only we know: whoever keeps the slots takes it for ours still.
      return [{ kind: 'releaseSlots', slots: [location] }, ...orders]
    })
  }

  /** A region has nothing to do any more. */
  #leave(region: Region, state: 'finished' | 'failed' | 'cancelled', nowMs: number): JobOrder[] {
    return [...this.#enter(region, state, nowMs), ...this.#advanceJob()]
  }

  /** What follows from the states of the regions taken together. */
  #advanceJob(): JobOrder[] {
    if (!this.#regions.every(({ state }) => TERMINAL_JOB_STATES.includes(state))) return []
    const state = this.#outcome ?? 'finished'
    return [...this.#tellState(state), { kind: 'releaseSlots', slots: this.#places.clear() }]
  }

  #enter(region: Region, state: JobState, nowMs: number): JobOrder[] {
    region.state = state
    region.sinceMs = nowMs
    if (this.#regions.length === 1) return this.#changed()
    const { number, attemptNumber, failure } = region
    const attempt = Math.max(0, attemptNumber)
    const error = failure === null ? {} : { error: failure.error, firstRegion: failure.first }
    return [{ kind: 'regionChanged', region: number, attempt, state, ...error }, ...this.#changed()]
  }

  /** Tells the state of the job if it has changed; that it has ended is told by whoever ends it. */
  #changed(): JobOrder[] {
    const states = this.#regions.map(({ state }) => state)
    if (states.every((state) => TERMINAL_JOB_STATES.includes(state))) return []
    const ending = this.#outcome === 'cancelled' ? 'cancelling' : 'failing'
    const state = this.#outcome === null ? BY_URGENCY.find((each) => states.includes(each))! : ending
    return state === this.#state ? [] : this.#tellState(state)
  }

  #tellState(state: JobState): JobOrder[] {
    this.#state = state
    const hasFailed = state === 'failed' || state === 'failing' || state === 'backing-off'
    const error = hasFailed ? this.#error : undefined
    return [{ kind: 'stateChanged', state, ...(error === undefined ? {} : { error }) }]
  }
}

function deployedRegion({ number, subtasks, attempt, attemptNumber }: Region): DeployedRegion {
  const { slots, placement } = present(attempt, 'an attempt')
  return { region: number, attempt: attemptNumber, subtasks, slots, placement }
}

/** What has ended stays that way, but that an enumerator may fail beside a subtask that has finished. */
function mayFollow(before: SubtaskState, state: SubtaskState): boolean {
  return !isFinal(before) || (before === 'finished' && state === 'failed')
}
