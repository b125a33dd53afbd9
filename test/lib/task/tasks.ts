/** Stream tasks to be stepped by hand: noting operators in a line, channels whose other ends the test holds. */
import { SeededRandom } from '../../../lib/base/prng.ts'
import type { SnapshotTimes, SubtaskSnapshot } from '../../../lib/checkpoint/subtask-snapshot.ts'
import type { SubtaskState } from '../../../lib/graph/execution-graph.ts'
import type { OutputChannel } from '../../../lib/network/channel.ts'
import { LocalChannel } from '../../../lib/network/local-channel.ts'
import { newRecordWriter, type RecordWriter } from '../../../lib/network/record-writer.ts'
import type { SourceOperator } from '../../../lib/operator/source-operator.ts'
import type { StreamOperator } from '../../../lib/operator/stream-operator.ts'
import { KeyedStateBackend } from '../../../lib/state/keyed-state-backend.ts'
import { OperatorStateBackend } from '../../../lib/state/operator-state.ts'
import { valueState } from '../../../lib/state/state-descriptor.ts'
import type { RestoredInputs } from '../../../lib/task/input-processor.ts'
import { StreamTask } from '../../../lib/task/stream-task.ts'
import { ManualClock } from '../../../lib/testing/manual-clock.ts'
import { t as types } from '../../../lib/types/t.ts'
import { CollectingTarget } from '../checkpoint/collecting-target.ts'
import { chainOf, contextOf, EDGE, NotingOperator, NotingWriter, TIME } from './chains.ts'

export interface HandTaskOptions {
  readonly names?: readonly string[]
  readonly inputCount?: number
  /** Default: a writer that notes what leaves the chain. */
  readonly output?: OutputChannel
  readonly source?: SourceOperator<unknown, never>
  readonly lingerMs?: number
  readonly restoredInputs?: RestoredInputs
  readonly isExactlyOnce?: boolean
  /** Keyed state to be snapshotted: tables, and values in each. */
  readonly keyedTables?: number
  readonly entriesPerTable?: number
}

export class HandTask {
  readonly clock = new ManualClock()
  readonly log: string[] = []
  readonly states: string[] = []
  readonly inputs: LocalChannel[]
  readonly operators: NotingOperator[]
  readonly task: StreamTask
  wakes = 0
  readonly declined: string[] = []
  readonly unused: number[] = []
  readonly targets = new Map<number, CollectingTarget>()
  /** Of the snapshots that follow. */
  isStorageBusy = false
  onTargetChange: () => void = () => {}
  readonly times: SnapshotTimes[] = []
  readonly snapshots: [number, SubtaskSnapshot][] = []

  constructor(options: HandTaskOptions = {}) {
    const { names = ['a'], inputCount = 1, output, source, lingerMs = 5, restoredInputs = null } = options
    const nowMs = () => this.clock.monotonic()
    this.inputs =
      source !== undefined
        ? []
        : Array.from({ length: inputCount }, (_, i) => new LocalChannel(i, TIME, nowMs))
    this.operators = names.map((name) => new NotingOperator(name, this.log))
    const writers: RecordWriter[] = [
      output === undefined ? new NotingWriter('out', this.log) : writerTo(output),
    ]
    this.task = new StreamTask(
      {
        clock: this.clock,
        time: TIME,
        inputs: this.inputs.map((channel) => ({ channel, edge: EDGE, input: 0 })),
        restoredInputs,
        source: source ?? null,
        writers,
        lingerMs,
        isExactlyOnce: options.isExactlyOnce ?? true,
      },
      {
        onState: (state: SubtaskState, error) =>
          this.states.push(error === undefined ? state : `${state}: ${error.message}`),
        onWake: () => this.wakes++,
        onDeclined: (checkpointId, error) => this.declined.push(`${checkpointId}: ${error.message}`),
        onUnused: (checkpointId) => this.unused.push(checkpointId),
        openSnapshot: ({ checkpointId, isSavepoint }, _size, onChange) => {
          const target = new CollectingTarget(isSavepoint ? 'savepoint' : 'base')
          if (this.isStorageBusy) target.state = 'busy'
          this.targets.set(checkpointId, target)
          this.onTargetChange = onChange
          return target
        },
        onSnapshot: ({ checkpointId }, snapshot, times) => {
          this.snapshots.push([checkpointId, this.targets.get(checkpointId)!.whole(snapshot)])
          this.times.push(times)
        },
      },
    )
    const all: StreamOperator<unknown>[] = [...(source === undefined ? [] : [source]), ...this.operators]
    const links = all.map((operator, k) => ({
      operator,
      main: k === all.length - 1 ? { writers } : { operators: [k + 1] },
    }))
    const chain = chainOf(links, source === undefined ? undefined : [], (name) =>
      contextOf(name, this.clock, {
        processingTime: this.task.processingTime,
        shouldPause: () => this.task.shouldPause(),
        wake: () => this.task.wake(),
        fail: (error) => void this.task.fail(error as Error),
      }),
    )
    const { keyedTables = 0, entriesPerTable = 0 } = options
    const keyed = filledBackend(keyedTables, entriesPerTable)
    const states = [{ id: 'keyed', keyed, operatorState: new OperatorStateBackend() }]
    this.task.attach(chain, keyedTables === 0 ? [] : states)
  }

  async run(): Promise<void> {
    await this.task.open()
    this.task.start()
  }

  /** Puts records into an input; they arrive as one batch. */
  send(values: readonly unknown[], input = 0): void {
    for (const value of values) this.inputs[input]!.write(value, -1)
    this.inputs[input]!.flush()
  }

  end(input = 0): void {
    this.inputs[input]!.event({ kind: 'end' })
  }

  /** Steps until there is nothing to do; every step has all the time it wants. */
  stepAll(): string {
    for (;;) {
      const result = this.task.step(Number.POSITIVE_INFINITY)
      if (result !== 'progress') return result
    }
  }

  /** Everything that went on since the last call, life cycle left out. */
  taken(): string[] {
    return this.log.splice(0).filter((line) => !/ (open|close|finish)$/.test(line))
  }
}

function filledBackend(tables: number, entries: number): KeyedStateBackend {
  const backend = new KeyedStateBackend(128, { first: 0, last: 127 })
  for (let i = 0; i < tables; i++) {
    const state = backend.state(valueState(`state${i}`, types.int64))
    for (let key = 0; key < entries; key++) {
      backend.context.set(key, -1)
      state.update(key)
    }
  }
  return backend
}

export function writerTo(...channels: OutputChannel[]): RecordWriter {
  const random = new SeededRandom(1)
  return newRecordWriter({
    partitioner: { kind: 'rebalance' },
    channels,
    maxParallelism: 128,
    subtaskIndex: 0,
    random,
  })
}
