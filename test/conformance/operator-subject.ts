/**
 * An operator under a script: the steps that all operator suites share, given to the harness. The operator is the one
 * that the public API puts into the graph for what a case's config says.
 */
import { StreamEnvironment } from '../../lib/api/stream-environment.ts'
import type { DataStream } from '../../lib/api/streams.ts'
import { SluiceError } from '../../lib/base/errors.ts'
import { collection } from '../../lib/connectors/generator.ts'
import type { StreamNode } from '../../lib/graph/stream-graph.ts'
import type { StateBackend } from '../../lib/state/state-home.ts'
import {
  type HarnessOutput,
  type HarnessSnapshot,
  OperatorHarness,
} from '../../lib/testing/operator-harness.ts'
import { CaseError, checkFields, isObject, type Json, type JsonObject } from './case.ts'
import { parseTime, toJson } from './literals.ts'
import type { Subject } from './run-case.ts'

const STEP_FIELDS = [
  'record',
  'watermark',
  'status',
  'processingTime',
  'snapshotRestore',
  'endInput',
  'input',
]

/** The node of the operator that `build` adds last to streams of a new job. */
export function nodeOf(build: (newStream: () => DataStream<Json>) => void): StreamNode {
  return nodesOf(build).at(-1)!
}

/** The nodes of all operators that `build` adds to streams of a new job. */
export function nodesOf(build: (newStream: () => DataStream<Json>) => void): StreamNode[] {
  const env = new StreamEnvironment('conformance', {
    parallelism: 1,
    maxParallelism: 128,
    isChainingEnabled: true,
    args: [],
  })
  build(() => env.source(collection<Json>([])))
  return env.graph.nodes.filter(({ kind }) => kind !== 'source')
}

/** Two operators, the second fed with what the first puts out. */
export async function openPair(first: StreamNode, second: StreamNode): Promise<Subject> {
  const [one, two] = [await openOperator(first), await openOperator(second)]
  return {
    async step(step) {
      const isOfBoth = step.snapshotRestore === true || step.processingTime !== undefined
      const outputs = (await one.step(step)) as JsonObject[]
      const found: Json[] = []
      for (const { record, ts, ...event } of outputs) {
        found.push(...(await two.step(record === undefined ? event : { record: { value: record, ts: ts! } })))
      }
      // Last: what the first put out for the snapshot is before it for the second.
      if (isOfBoth) found.push(...(await two.step(step)))
      return found
    },
    async close() {
      await one.close()
      await two.close()
    },
  }
}

export async function openOperator(node: StreamNode, watermarkIntervalMs = 0): Promise<OperatorSubject> {
  const subject = new OperatorSubject(node, watermarkIntervalMs)
  await subject.open()
  return subject
}

let backend: StateBackend = 'heap'

/** What keeps the state of operators that are opened from now on. */
export function useBackend(next: StateBackend): void {
  backend = next
}

export class OperatorSubject implements Subject {
  readonly #node: StreamNode
  readonly #watermarkIntervalMs: number
  #harness!: OperatorHarness<unknown>
  /** Of the harness before, which a snapshot made it put out. */
  #last: HarnessOutput<unknown>[] = []
  #nowMs = 0

  constructor(node: StreamNode, watermarkIntervalMs: number) {
    this.#node = node
    this.#watermarkIntervalMs = watermarkIntervalMs
  }

  async open(restore?: HarnessSnapshot): Promise<void> {
    this.#harness = await OperatorHarness.open({
      operator: () => this.#node.newOperator(),
      backend,
      keySelectors: this.#node.keySelectors,
      maxParallelism: this.#node.maxParallelism!,
      processingTimeMs: this.#nowMs,
      watermarkIntervalMs: this.#watermarkIntervalMs,
      ...(restore === undefined ? {} : { restore }),
    })
  }

  async step(step: JsonObject): Promise<Json[]> {
    checkFields(step, 'step', STEP_FIELDS)
    const errors: Json[] = []
    try {
      await this.#perform(step)
    } catch (error) {
      if (error instanceof CaseError) throw error
      errors.push({ error: error instanceof SluiceError ? error.code : String(error) })
    }
    const outputs = [...this.#last, ...this.#harness.takeOutput()]
    this.#last = []
    return [...outputs.map(toItem), ...errors]
  }

  close(): Promise<void> {
    return this.#harness.close()
  }

  /** The sub-keys a table of keyed state has, over all keys, in order. */
  subKeys(table: string): number[] {
    const registered = [...this.#harness.keyed!.tables()].find(({ name }) => name === table)!
    return [...registered.table.entries()].map(({ sub }) => sub as number).sort((a, b) => a - b)
  }

  async #perform(step: JsonObject): Promise<void> {
    const input = (step.input ?? 0) as number
    if (isObject(step.record)) this.#record(step.record, input)
    else if (step.watermark !== undefined) this.#harness.watermark(parseTime(step.watermark), input)
    else if (step.status !== undefined) this.#harness.status(isIdle(step.status), input)
    else if (step.processingTime !== undefined) this.#setTime(parseTime(step.processingTime))
    else if (step.snapshotRestore === true) await this.#snapshotRestore()
    else if (step.endInput === true) await this.#harness.finish()
    else throw new CaseError(`unknown step ${JSON.stringify(step)}`)
  }

  #record(record: JsonObject, input: number): void {
    checkFields(record, 'record', ['value', 'ts'])
    this.#harness.element(record.value, record.ts === undefined ? undefined : parseTime(record.ts), input)
  }

  #setTime(nowMs: number): void {
    this.#nowMs = nowMs
    this.#harness.processingTime(nowMs)
  }

  async #snapshotRestore(): Promise<void> {
    const snapshot = await this.#harness.snapshot()
    this.#last = this.#harness.takeOutput()
    await this.#harness.close()
    await this.open(snapshot)
  }
}

function isIdle(status: Json): boolean {
  if (status === 'idle' || status === 'active') return status === 'idle'
  throw new CaseError(`unknown status ${JSON.stringify(status)}`)
}

function toItem(output: HarnessOutput<unknown>): Json {
  switch (output.kind) {
    case 'record':
      return { record: toJson(output.value), ts: toJson(output.timestamp) }
    case 'side':
      return { side: output.tag, record: toJson(output.value), ts: toJson(output.timestamp) }
    case 'watermark':
      return { watermark: toJson(output.timestamp) }
    case 'status':
      return { status: output.isIdle ? 'idle' : 'active' }
  }
}
