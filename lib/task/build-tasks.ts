/**
 * Makes the tasks of one slot out of the job graph, the functions behind it and the slot's part of the execution plan:
 * channels first, then chains, so that both ends of a channel inside the slot are one object.
 */
import { present } from '../base/assert.ts'
import type { Clock } from '../base/clock.ts'
import type { SluiceError } from '../base/errors.ts'
import type { Logger } from '../base/logger.ts'
import type { Random } from '../base/prng.ts'
import type { AssignedState } from '../checkpoint/assign-state.ts'
import { edgeName } from '../checkpoint/channel-snapshot.ts'
import type { AssignedInputs } from '../checkpoint/checkpoint-reader.ts'
import type { CheckpointSettings } from '../checkpoint/checkpoint-settings.ts'
import type { Connections } from '../function/connections.ts'
import type { ChannelPlan, SubtaskPlan } from '../graph/execution-graph.ts'
import type { JobEdge, JobGraph, JobGraphOrigin } from '../graph/job-graph.ts'
import type { StreamNode } from '../graph/stream-graph.ts'
import { MetricGroup } from '../metrics/metric-group.ts'
import type { InputChannel, OutputChannel } from '../network/channel.ts'
import type { ChannelAddress, FramePort } from '../network/frame-port.ts'
import { LocalChannel } from '../network/local-channel.ts'
import { newRecordWriter, type RecordWriter } from '../network/record-writer.ts'
import { RemoteInputChannel } from '../network/remote-input-channel.ts'
import { RemoteOutputChannel } from '../network/remote-output-channel.ts'
import { SourceOperator } from '../operator/source-operator.ts'
import type { OperatorContext } from '../operator/stream-operator.ts'
import { EntryCache } from '../state/entry-cache.ts'
import { keyGroupRange } from '../state/key-group.ts'
import { KeyedStateBackend } from '../state/keyed-state-backend.ts'
import { OperatorStateBackend } from '../state/operator-state.ts'
import type { StateHome } from '../state/state-home.ts'
import { PREFETCH_KEYS_MIN } from '../state/state-prefetch.ts'
import type { KeyValueStore } from '../storage/key-value-store.ts'
import { CACHE_SHARE } from '../storage/state-directory.ts'
import type { ChainInput, ChainTargets, Keying } from './chain-code.ts'
import type { InputEdge, RestoredInputs } from './input-processor.ts'
import { type ChainedOperator, OperatorChain } from './operator-chain.ts'
import { restoredInputs } from './restored-inputs.ts'
import { StreamTask, type TaskListener } from './stream-task.ts'
import type { TaskSettings } from './task-settings.ts'

export interface SlotEnvironment {
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
  readonly connections: Connections
  readonly jobId: string
  readonly jobName: string
  readonly attempt: number
  readonly settings: TaskSettings
  /** For keyed state that memory cannot hold; null: it lives in the heap. */
  readonly stateStore: KeyValueStore | null
  /** Null: the job takes no checkpoints. */
  readonly checkpoint: CheckpointSettings | null
  readonly graph: JobGraph
  readonly origin: JobGraphOrigin
  /** What carries the frames of a channel that leaves the slot. */
  portOf(channel: ChannelPlan): FramePort
  /** What an operator of a subtask begins with; undefined: nothing. */
  restoredOf(plan: SubtaskPlan, operatorId: string): AssignedState | undefined
  /** What the inputs of a subtask begin with; undefined: nothing. */
  restoredInputsOf(plan: SubtaskPlan): AssignedInputs | undefined
}

export interface BuiltTask {
  readonly plan: SubtaskPlan
  readonly task: StreamTask
  /** The head of the chain, where that is a source. */
  readonly source: SourceOperator<unknown, never> | null
  /** Per operator of the chain, in the order of the vertex. */
  readonly operators: readonly OperatorParts[]
}

export interface OperatorParts {
  readonly id: string
  readonly keyed: KeyedStateBackend | null
  readonly operatorState: OperatorStateBackend
  readonly metrics: MetricGroup
}

/** `listenerOf` gives what a task reports to; it is asked once per task. */
export function buildTasks(
  environment: SlotEnvironment,
  plans: readonly SubtaskPlan[],
  listenerOf: (plan: SubtaskPlan) => TaskListener,
): BuiltTask[] {
  const channels = new ChannelFactory(environment, plans)
  const newHome = stateHomes(environment, plans)
  return plans.map((plan) => buildTask(environment, plan, channels, newHome, listenerOf(plan)))
}

function buildTask(
  environment: SlotEnvironment,
  plan: SubtaskPlan,
  channels: ChannelFactory,
  newHome: () => StateHome | null,
  listener: TaskListener,
): BuiltTask {
  const { origin } = environment
  const nodes = plan.vertex.operators.map(({ id }) => present(origin.nodes.get(id), `operator ${id}`))
  const operators = nodes.map((node) => node.newOperator())
  const writers = buildWriters(environment, plan, channels)
  const head = operators[0]
  const source = head instanceof SourceOperator ? (head as SourceOperator<unknown, never>) : null
  const task = new StreamTask(
    {
      clock: environment.clock,
      time: channels.timeOf(plan),
      restoredInputs: restoredInputsOf(environment, plan),
      inputs: plan.inputs.map((channel) => ({
        channel: channels.input(channel),
        edge: channels.inputEdge(channel.edge),
        input: channel.edge.input,
      })),
      source,
      writers: [...writers.values()],
      lingerMs: environment.settings.lingerMs,
      isExactlyOnce: environment.checkpoint?.mode !== 'at-least-once',
    },
    listener,
  )
  const parts = nodes.map((node, k) =>
    buildOperatorParts(environment, plan, node, plan.vertex.operators[k]!.id, newHome),
  )
  if (nodes[0]!.source?.hasOwnTexts === true)
    for (const { keyed } of parts) if (keyed !== null) keyed.context.hasOwnTexts = true
  const chained: ChainedOperator[] = nodes.map((node, k) => ({
    operator: operators[k]!,
    keying: keyingOf(node, 0, parts[k]!),
    context: operatorContext(environment, plan, node, k, parts[k]!, task, channels.timeOf(plan)),
    ...targetsOf(plan, nodes, node, origin, writers),
  }))
  task.attach(new OperatorChain(chained, chainInputs(nodes[0]!, parts[0]!), channels.timeOf(plan)), parts)
  channels.onError(plan, (error) => void task.fail(error))
  return { plan, task, source, operators: parts }
}

function restoredInputsOf(environment: SlotEnvironment, plan: SubtaskPlan): RestoredInputs | null {
  const assigned = environment.restoredInputsOf(plan)
  if (assigned === undefined) return null
  const places = plan.inputs.map(({ edge }) => {
    const { type, partitioner } = present(environment.origin.edges.get(edge.id), `edge ${edge.id}`)
    return { type, partitioner, edge: `from operator ${edge.fromOperator} to operator ${edge.toOperator}` }
  })
  const { parallelism, maxParallelism } = plan.vertex
  return restoredInputs(assigned, places, { index: plan.index, parallelism, maxParallelism })
}

/** One writer per edge that leaves the task. */
function buildWriters(
  environment: SlotEnvironment,
  plan: SubtaskPlan,
  channels: ChannelFactory,
): Map<string, RecordWriter> {
  const byEdge = new Map<JobEdge, OutputChannel[]>()
  const bySubtask = new Map<string, OutputChannel[]>()
  for (const channel of plan.outputs) {
    const output = channels.output(channel)
    const subtask = `${channel.edge.to}/${channel.to}`
    byEdge.set(channel.edge, [...(byEdge.get(channel.edge) ?? []), output])
    bySubtask.set(subtask, [...(bySubtask.get(subtask) ?? []), output])
  }
  for (const outputs of bySubtask.values()) {
    for (const output of outputs) output.beside = outputs.filter((other) => other !== output)
  }
  const writers = new Map<string, RecordWriter>()
  for (const [edge, outputs] of byEdge) {
    const { partitioner } = present(environment.origin.edges.get(edge.id), `edge ${edge.id}`)
    const writer = newRecordWriter({
      partitioner,
      channels: outputs,
      maxParallelism: channels.maxParallelismOf(edge),
      subtaskIndex: plan.index,
      random: environment.random,
    })
    writers.set(edge.id, writer)
  }
  return writers
}

/** Where an operator's outputs go: to operators of the same chain, and over the edges that leave it. */
function targetsOf(
  plan: SubtaskPlan,
  nodes: readonly StreamNode[],
  node: StreamNode,
  origin: JobGraphOrigin,
  writers: ReadonlyMap<string, RecordWriter>,
): { main: ChainTargets; sides: Map<string, ChainTargets> } {
  const byTag = new Map<string | null, { operators: number[]; writers: RecordWriter[] }>([
    [null, { operators: [], writers: [] }],
  ])
  const of = (tag: string | null) => {
    const known = byTag.get(tag) ?? { operators: [], writers: [] }
    byTag.set(tag, known)
    return known
  }
  for (const edge of origin.chained) {
    if (edge.from === node && nodes.includes(edge.to)) of(edge.sideTag).operators.push(nodes.indexOf(edge.to))
  }
  for (const [edgeId, edge] of origin.edges) {
    const writer = writers.get(edgeId)
    if (edge.from === node && writer !== undefined && plan.vertex.operators.length > 0)
      of(edge.sideTag).writers.push(writer)
  }
  const main = byTag.get(null)!
  byTag.delete(null)
  return { main, sides: byTag as Map<string, ChainTargets> }
}

function buildOperatorParts(
  environment: SlotEnvironment,
  plan: SubtaskPlan,
  node: StreamNode,
  id: string,
  newHome: () => StateHome | null,
): OperatorParts {
  const { maxParallelism, parallelism } = plan.vertex
  const range = keyGroupRange(maxParallelism, parallelism, plan.index)
  const keyed = isKeyed(node) ? new KeyedStateBackend(maxParallelism, range, newHome()) : null
  const operatorState = new OperatorStateBackend()
  keyed?.misfits.gather()
  operatorState.misfits.gather()
  const restored = environment.restoredOf(plan, id)
  if (restored !== undefined) {
    operatorState.restore(restored.operatorState)
    keyed?.restore(restored.keyed)
  }
  return { id, keyed, operatorState, metrics: new MetricGroup() }
}

function isKeyed({ keySelectors }: StreamNode): boolean {
  return keySelectors.some((keyOf) => keyOf !== null)
}

/** What makes the homes of the keyed operators of the slot, which share its memory in equal parts. */
function stateHomes(
  { stateStore, settings, origin }: SlotEnvironment,
  plans: readonly SubtaskPlan[],
): () => StateHome | null {
  if (stateStore === null) return () => null
  const operators = plans.flatMap(({ vertex }) => vertex.operators)
  const keyed = operators.filter(({ id }) => isKeyed(present(origin.nodes.get(id), `operator ${id}`)))
  const cacheBytes = (settings.state.memoryBytes * CACHE_SHARE) / Math.max(1, keyed.length)
  let tableCount = 0
  const newTableId = () => tableCount++
  const { timers, prefetchKeysMin = PREFETCH_KEYS_MIN } = settings.state
  return () => ({ cache: new EntryCache(stateStore, cacheBytes), timers, prefetchKeysMin, newTableId })
}

function chainInputs(head: StreamNode, parts: OperatorParts): ChainInput[] {
  const count = head.kind === 'source' ? 0 : head.kind === 'two-input' ? 2 : 1
  return Array.from({ length: count }, (_, input) => ({ keying: keyingOf(head, input, parts) }))
}

function keyingOf(node: StreamNode, input: number, { keyed }: OperatorParts): Keying | null {
  const keyOf = node.keySelectors[input] ?? null
  return keyOf === null || keyed === null ? null : { keyOf, keyContext: keyed.context }
}

function operatorContext(
  environment: SlotEnvironment,
  plan: SubtaskPlan,
  node: StreamNode,
  k: number,
  parts: OperatorParts,
  task: StreamTask,
  time: Float64Array,
): OperatorContext {
  const { jobId, jobName, attempt, clock, settings } = environment
  const { parallelism, maxParallelism } = plan.vertex
  return {
    jobId,
    jobName,
    operatorName: node.name,
    uid: parts.id,
    subtaskIndex: plan.index,
    parallelism,
    maxParallelism,
    attempt,
    hasCheckpoints: (environment.checkpoint?.intervalMs ?? null) !== null,
    time,
    clock,
    processingTime: {
      now: () => task.processingTime.now(),
      callAt: (timestamp, callback) =>
        task.processingTime.callAt(timestamp, () => task.chain.call(k, callback)),
    },
    log: environment.log.child({ operator: node.name, uid: parts.id, subtask: plan.index }),
    metrics: parts.metrics,
    connections: environment.connections,
    operatorState: parts.operatorState,
    keyed: parts.keyed,
    watermarkIntervalMs: settings.watermarkIntervalMs,
    timersOnRestore: node.timersOnRestore,
    shouldPause: () => task.shouldPause(),
    wake: () => task.wake(),
    defer: (callback) => task.post(() => task.chain.call(k, callback, 'in a callback')),
    fail: (error) => void task.fail(task.chain.attribute(error, 'in a callback', k)),
  }
}

/** Makes the channels of one slot; a channel inside it is made once and used at both ends. */
class ChannelFactory {
  readonly #environment: SlotEnvironment
  readonly #plans: readonly SubtaskPlan[]
  /** Per subtask, the time cell its chain shares with its output channels. */
  readonly #times = new Map<string, Float64Array>()
  readonly #local = new Map<string, LocalChannel>()
  readonly #inputEdges = new Map<string, InputEdge>()
  readonly #errorHandlers = new Map<SubtaskPlan, (error: SluiceError) => void>()

  constructor(environment: SlotEnvironment, plans: readonly SubtaskPlan[]) {
    this.#environment = environment
    this.#plans = plans
    for (const { vertex, index } of plans)
      this.#times.set(`${vertex.id}/${index}`, new Float64Array(2).fill(Number.NaN))
  }

  timeOf({ vertex, index }: SubtaskPlan): Float64Array {
    return this.#timeOf(vertex.id, index)
  }

  /** Errors of a subtask's channels go to `handler`. */
  onError(plan: SubtaskPlan, handler: (error: SluiceError) => void): void {
    this.#errorHandlers.set(plan, handler)
  }

  maxParallelismOf(edge: JobEdge): number {
    return present(this.#maxParallelism(edge.to), `vertex ${edge.to}`)
  }

  inputEdge(edge: JobEdge): InputEdge {
    const known = this.#inputEdges.get(edge.id)
    if (known !== undefined) return known
    const { graph, origin } = this.#environment
    const { type } = present(origin.edges.get(edge.id), `edge ${edge.id}`)
    const inputEdge = { name: edgeName(graph, edge), partitioner: edge.partitioner, type }
    this.#inputEdges.set(edge.id, inputEdge)
    return inputEdge
  }

  input(channel: ChannelPlan): InputChannel {
    if (channel.carrier === 'local') return this.#localChannel(channel)
    const { settings, clock } = this.#environment
    return new RemoteInputChannel({
      address: this.#addressOf(channel),
      port: this.#environment.portOf(channel),
      type: present(this.#environment.origin.edges.get(channel.edge.id), `edge ${channel.edge.id}`).type,
      nowMs: () => clock.monotonic(),
      recordBytesMax: settings.recordBytesMax,
      onError: (error) => this.#report(channel.edge.to, channel.to, error),
    })
  }

  output(channel: ChannelPlan): OutputChannel {
    if (channel.carrier === 'local') return this.#localChannel(channel)
    const { settings, clock } = this.#environment
    return new RemoteOutputChannel({
      address: this.#addressOf(channel),
      port: this.#environment.portOf(channel),
      type: present(this.#environment.origin.edges.get(channel.edge.id), `edge ${channel.edge.id}`).type,
      time: this.#timeOf(channel.edge.from, channel.from),
      nowMs: () => clock.monotonic(),
      frameBytes: settings.frameBytes,
      recordBytesMax: settings.recordBytesMax,
      timeoutMs: settings.channelTimeoutMs,
      onError: (error) => this.#report(channel.edge.from, channel.from, error),
    })
  }

  #localChannel({ edge, from, to }: ChannelPlan): LocalChannel {
    const key = `${edge.id}/${from}/${to}`
    const known = this.#local.get(key)
    if (known !== undefined) return known
    const channel = new LocalChannel(from, this.#timeOf(edge.from, from), () =>
      this.#environment.clock.monotonic(),
    )
    this.#local.set(key, channel)
    return channel
  }

  #addressOf({ edge, from, to }: ChannelPlan): ChannelAddress {
    return { jobId: this.#environment.jobId, attempt: this.#environment.attempt, edgeId: edge.id, from, to }
  }

  #timeOf(vertexId: string, index: number): Float64Array {
    return present(this.#times.get(`${vertexId}/${index}`), `subtask ${index} of ${vertexId} in this slot`)
  }

  #report(vertexId: string, index: number, error: SluiceError): void {
    const plan = this.#plans.find((each) => each.vertex.id === vertexId && each.index === index)
    if (plan !== undefined) this.#errorHandlers.get(plan)?.(error)
  }

  #maxParallelism(vertexId: string): number | undefined {
    return this.#environment.graph.vertices.find(({ id }) => id === vertexId)?.maxParallelism
  }
}
