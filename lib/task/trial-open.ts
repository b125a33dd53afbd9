/**
 * Whether a job's operators can read the states a checkpoint says it has, found out without the state itself, without
 * channels and without a record: operators are made and opened as they would be in a slot, on backends that hold
 * nothing but the names and types of what was saved.
 *
 * User functions are really opened, and closed again, since only in their `open` do they declare their states. Sources
 * and sinks are not: theirs are known beforehand, and opening one might write to the outside.
 */
import { asError } from '../base/errors.ts'
import { silentLogger } from '../base/logger.ts'
import type { CheckpointMetadata, OperatorRecord } from '../checkpoint/checkpoint-files.ts'
import type { StateRecord } from '../checkpoint/state-record.ts'
import type { StreamNode } from '../graph/stream-graph.ts'
import { MetricGroup } from '../metrics/metric-group.ts'
import { SinkOperator } from '../operator/sink-operator.ts'
import type { OperatorContext, Output, StreamOperator } from '../operator/stream-operator.ts'
import { KeyedStateBackend } from '../state/keyed-state-backend.ts'
import { OperatorStateBackend, type RedistributionMode } from '../state/operator-state.ts'
import type { TableLayout } from '../state/state-chunk.ts'
import type { StateMisfit } from '../state/state-misfit.ts'

export interface TrialResult {
  readonly misfits: readonly StateMisfit[]
  /** Operators that could not be opened here, and why: what they declare is not known. */
  readonly unopened: readonly string[]
}

/** `nodes`: by operator id, of a job built for this alone: its functions are of no use afterwards. */
export async function trialOpen(
  { jobName, operators }: CheckpointMetadata,
  nodes: ReadonlyMap<string, StreamNode>,
): Promise<TrialResult> {
  const misfits: StateMisfit[] = []
  const unopened: string[] = []
  for (const record of operators) {
    const node = nodes.get(record.id)
    if (node === undefined) continue
    try {
      misfits.push(...(await openOperator(jobName, record, node)))
    } catch (thrown) {
      unopened.push(`operator "${record.name}" (uid ${record.id}): ${asError(thrown).message}`)
    }
  }
  return { misfits, unopened }
}

async function openOperator(
  jobName: string,
  record: OperatorRecord,
  node: StreamNode,
): Promise<StateMisfit[]> {
  const { id, maxParallelism, states } = record
  const isKeyed = node.keySelectors.some((keyOf) => keyOf !== null)
  const keyed = isKeyed ? new KeyedStateBackend(maxParallelism, { first: 0, last: maxParallelism - 1 }) : null
  const operatorState = new OperatorStateBackend()
  keyed?.misfits.gather()
  operatorState.misfits.gather()
  keyed?.restore(states.filter(isKeyedState).map(emptyChunk))
  operatorState.restore(states.filter((state) => !isKeyedState(state)).map(emptyList))
  const operator = node.newOperator()
  operator.setup(contextOf(jobName, record, node, keyed, operatorState), NO_OUTPUT)
  if (node.source === null && !(operator instanceof SinkOperator)) await openAndClose(operator)
  return [...(keyed?.misfits.take(id) ?? []), ...operatorState.misfits.take(id)]
}

async function openAndClose(operator: StreamOperator<unknown>): Promise<void> {
  try {
    await operator.open()
  } finally {
    await operator.close()
  }
}

const KEYED: readonly string[] = ['flat', 'nested', 'slices', 'timers'] satisfies TableLayout[]

function isKeyedState({ kind }: StateRecord): boolean {
  return KEYED.includes(kind)
}

function emptyChunk({ name, kind, schema }: StateRecord) {
  const layout = kind as TableLayout
  return { table: name, layout, schema, isDeletion: false, rowCount: 0, rows: new Uint8Array() }
}

function emptyList({ name, kind, schema }: StateRecord) {
  return { name, mode: kind as RedistributionMode, schema: schema!, items: [] }
}

const NO_OUTPUT: Output<unknown> = { collect() {}, collectSide() {}, emitWatermark() {}, emitStatus() {} }

/** Time stands still, and nothing comes due. */
const NEVER = { cancel() {} }
const STILL = {
  now: () => 0,
  monotonic: () => 0,
  schedule: () => NEVER,
  defer: () => {},
  callAt: () => NEVER,
}

function contextOf(
  jobName: string,
  { id, maxParallelism }: OperatorRecord,
  node: StreamNode,
  keyed: KeyedStateBackend | null,
  operatorState: OperatorStateBackend,
): OperatorContext {
  return {
    ...{ jobId: 'trial', jobName, operatorName: node.name, uid: id, attempt: 0, hasCheckpoints: true },
    ...{ subtaskIndex: 0, parallelism: node.parallelism, maxParallelism },
    ...{ time: new Float64Array(2).fill(Number.NaN), clock: STILL, processingTime: STILL },
    ...{ log: silentLogger, metrics: new MetricGroup(), connections: {}, operatorState, keyed },
    watermarkIntervalMs: 1000,
    timersOnRestore: node.timersOnRestore,
    shouldPause: () => false,
    defer() {},
    wake() {},
    fail() {},
  }
}
