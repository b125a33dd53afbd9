/**
 * The tasks of one job attempt in one slot, from opening to end, on one slot loop. Built by the slot actor, which
 * tells it what the job master wants and passes on what it reports.
 */
import { type ErrorRecord, toErrorRecord } from '../base/errors.ts'
import type { StateSize } from '../checkpoint/snapshot-chain.ts'
import type { SnapshotTarget, SnapshotTimes, SubtaskSnapshot } from '../checkpoint/subtask-snapshot.ts'
import { isFinal, type SubtaskPlan } from '../graph/execution-graph.ts'
import type { CheckpointBarrier } from '../network/stream-event.ts'
import { type BuiltTask, buildTasks, type SlotEnvironment } from './build-tasks.ts'
import { SlotLoop, type TaskTimes } from './slot-loop.ts'
import type { TaskListener } from './stream-task.ts'
import type { SubtaskMetrics, SubtaskReport } from './subtask-report.ts'

interface Member extends BuiltTask {
  error: ErrorRecord | null
  /** Once it has ended. */
  times: TaskTimes | null
}

export interface SlotAttemptListener {
  /** A report would say something new. */
  onChange(): void
  /** As TaskListener. */
  openSnapshot(
    plan: SubtaskPlan,
    barrier: CheckpointBarrier,
    size: StateSize | null,
    onChange: () => void,
  ): SnapshotTarget
  onSnapshot(
    plan: SubtaskPlan,
    barrier: CheckpointBarrier,
    snapshot: SubtaskSnapshot,
    times: SnapshotTimes,
  ): void
  /** There will be no snapshot of the subtask for the checkpoint. */
  onUnused(plan: SubtaskPlan, checkpointId: number, snapshot: SubtaskSnapshot): void
  onDeclined(plan: SubtaskPlan, checkpointId: number, error: Error): void
}

export class SlotAttempt {
  readonly tasks: readonly BuiltTask[]
  readonly #members: Member[]
  readonly #loop: SlotLoop
  readonly #listener: SlotAttemptListener

  constructor(environment: SlotEnvironment, plans: readonly SubtaskPlan[], listener: SlotAttemptListener) {
    this.#loop = new SlotLoop(environment.clock)
    this.#listener = listener
    this.#members = buildTasks(environment, plans, (plan) => this.#taskListener(plan)).map((built) => ({
      ...built,
      error: null,
      times: null,
    }))
    this.tasks = this.#members
  }

  /** Opens all tasks; each reports ready or failed. */
  open(): void {
    for (const { task } of this.#members) void task.open()
  }

  start(): void {
    for (const { task } of this.#members) {
      if (task.state !== 'ready') continue
      this.#loop.add(task)
      task.start()
    }
  }

  /** Resolves when every task has ended. */
  async cancel(): Promise<void> {
    await Promise.all(this.#members.map(({ task }) => task.cancel()))
    this.#loop.close()
  }

  /** An enumerator has failed, and with it the task it runs beside, also if that has finished. */
  failBeside({ task }: BuiltTask, error: Error): void {
    const member = this.#members.find((each) => each.task === task)
    if (task.state !== 'finished' || member === undefined) void task.fail(error)
    else {
      member.error ??= toErrorRecord(error)
      this.#listener.onChange()
    }
  }

  trigger(barrier: CheckpointBarrier, subtasks: readonly { vertexId: string; index: number }[]): void {
    for (const { task, plan } of this.#members) {
      if (subtasks.some(({ vertexId, index }) => plan.vertex.id === vertexId && plan.index === index)) {
        task.checkpoints.trigger(barrier)
      }
    }
  }

  /** As TaskCheckpoints.ended, of all. */
  async checkpointEnded(checkpointId: number, mustCommit: boolean): Promise<void> {
    await Promise.all(this.#members.map(({ task }) => task.checkpoints.ended(checkpointId, mustCommit)))
  }

  /** As TaskCheckpoints.haltAt, for all. */
  haltAt(checkpointId: number, isDrain: boolean): void {
    for (const { task } of this.#members) task.checkpoints.haltAt(checkpointId, isDrain)
  }

  get hasEnded(): boolean {
    return this.#members.every(({ task }) => isFinal(task.state))
  }

  report(): SubtaskReport[] {
    return this.#members.map((member) => ({
      vertexId: member.plan.vertex.id,
      index: member.plan.index,
      state: member.task.state === 'finished' && member.error !== null ? 'failed' : member.task.state,
      metrics: this.metricsOf(member),
      ...(member.error === null ? {} : { error: member.error }),
      ...(member.task.isAwaitingCheckpoint ? { isAwaitingCheckpoint: true } : {}),
    }))
  }

  metricsOf(built: BuiltTask): SubtaskMetrics {
    const { task, operators } = built
    const times = (built as Member).times ?? this.#loop.timesOf(task)
    const sum = (
      of: readonly { readonly records: number; readonly bytes: number }[],
      field: 'records' | 'bytes',
    ) => of.reduce((total, stats) => total + stats[field], 0)
    const inputs = task.inputs.map(({ channel }) => channel.stats)
    const outputs = task.outputs.map(({ stats }) => stats)
    const watermark = task.watermark
    return {
      recordsIn: inputs.length > 0 ? sum(inputs, 'records') : task.sourceRecordCount,
      recordsOut: sum(outputs, 'records'),
      bytesIn: sum(inputs, 'bytes'),
      bytesOut: sum(outputs, 'bytes'),
      busyMs: Math.round(times.busyMs),
      backPressuredMs: Math.round(times.backPressuredMs),
      idleMs: Math.round(times.idleMs),
      watermark: watermark === Number.NEGATIVE_INFINITY ? null : watermark,
      operators: Object.fromEntries(
        operators.flatMap(({ id, metrics }) =>
          Object.entries(metrics.read()).map(([name, value]) => [`${id}.${name}`, value]),
        ),
      ),
    }
  }

  #taskListener(plan: SubtaskPlan): TaskListener {
    const memberOf = (): Member | undefined => this.#members.find((member) => member.plan === plan)
    return {
      onState: (_state, error) => {
        const member = memberOf()
        if (member === undefined) return
        if (error !== undefined) member.error = toErrorRecord(error)
        if (isFinal(member.task.state)) {
          member.times ??= this.#loop.timesOf(member.task)
          this.#loop.remove(member.task)
        }
        this.#listener.onChange()
      },
      onWake: () => this.#loop.wake(),
      openSnapshot: (barrier, size, onChange) => this.#listener.openSnapshot(plan, barrier, size, onChange),
      onUnused: (checkpointId, snapshot) => this.#listener.onUnused(plan, checkpointId, snapshot),
      onDeclined: (checkpointId, error) => this.#listener.onDeclined(plan, checkpointId, error),
      onSnapshot: (barrier, snapshot, times) => this.#listener.onSnapshot(plan, barrier, snapshot, times),
    }
  }
}
