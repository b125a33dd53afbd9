/**
 * Alignment of the watermarks of one job attempt: answers the sources' question how far the others of their group are.
 * It runs beside the first of them rather than in the job master, so that sources do not stop when there is no leader.
 */
import type { ActorRef } from '../lib/actor/actor-ref.ts'
import { type Behavior, handling } from '../lib/actor/behavior.ts'
import { askPersistently } from '../lib/actor/persistent-ask.ts'
import { sleep } from '../lib/base/clock.ts'
import { asError } from '../lib/base/errors.ts'
import { isFinal } from '../lib/graph/execution-graph.ts'
import { alignmentMemberId, alignmentMembers, type JobGraph } from '../lib/graph/job-graph.ts'
import type { WatermarkAlignmentProtocol } from '../lib/protocol/slot.ts'
import type { BuiltTask } from '../lib/task/build-tasks.ts'
import { type AlignedWatermark, AlignmentGroups } from '../lib/time/watermark-alignment.ts'
import type { SlotEnvironment } from './slot-environment.ts'

export function watermarkAlignment(graph: JobGraph, attempt: number): Behavior<WatermarkAlignmentProtocol> {
  const groups = new AlignmentGroups(alignmentMembers(graph))
  return handling<WatermarkAlignmentProtocol>({
    report: ({ attempt: reported, group, member, watermark }, sender) => {
      if (reported !== attempt) return
      try {
        sender.reply({ slowest: groups.report({ group, id: member }, watermark) })
      } catch (error) {
        sender.fail(asError(error))
      }
    },
  })
}

export interface AlignmentOptions {
  readonly environment: SlotEnvironment
  readonly built: BuiltTask
  readonly attempt: number
  readonly alignment: ActorRef<WatermarkAlignmentProtocol>
}

/** Keeps the aligned operators of a subtask informed until it has ended, or the returned function is called. */
export function keepAligned(options: AlignmentOptions): () => void {
  const { task, plan } = options.built
  let isStopped = false
  const isGone = () => isStopped || task.state === 'failed' || task.state === 'cancelled'
  for (const { operator, context } of task.chain.operators) {
    if (operator.aligned === null) continue
    const id = alignmentMemberId(context.uid, plan.index)
    askRepeatedly(options, operator.aligned, id, isGone).catch((error) =>
      task.fail(task.chain.attribute(error, 'while aligning watermarks')),
    )
  }
  return () => {
    isStopped = true
  }
}

/** The last question is asked after the end: what it reports lets the others go on. */
async function askRepeatedly(
  { environment, built, attempt, alignment }: AlignmentOptions,
  aligned: AlignedWatermark,
  member: string,
  isObsolete: () => boolean,
): Promise<void> {
  const { system, clock } = environment
  const { group, updateIntervalMs } = aligned.alignment
  for (let hasEnded = false; !hasEnded; ) {
    hasEnded = isFinal(built.task.state)
    const message = { kind: 'report', attempt, group, member, watermark: aligned.reported } as const
    const answer = await askPersistently(system, alignment, message, { clock, isObsolete })
    if (answer === undefined) return
    if (aligned.onSlowest(answer.slowest)) built.task.wake()
    await sleep(clock, updateIntervalMs)
  }
}
