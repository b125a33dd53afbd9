/**
 * One subtask as an actor: what makes it addressable. It translates messages into calls of the task, which knows no
 * actors, and carries a source's requests to its coordinator.
 */

import type { ActorRef } from '../lib/actor/actor-ref.ts'
import { type Behavior, handling } from '../lib/actor/behavior.ts'
import { askPersistently } from '../lib/actor/persistent-ask.ts'
import { SluiceError } from '../lib/base/errors.ts'
import { isFinal, type SubtaskState } from '../lib/graph/execution-graph.ts'
import type { SourceOperator } from '../lib/operator/source-operator.ts'
import type {
  Deployment,
  SourceCoordinatorProtocol,
  SubtaskProtocol,
  WatermarkAlignmentProtocol,
} from '../lib/protocol/slot.ts'
import type { BuiltTask } from '../lib/task/build-tasks.ts'
import { decodeSplits } from '../lib/task/enumerator-host.ts'
import type { SubtaskMetrics } from '../lib/task/subtask-report.ts'
import type { SlotEnvironment } from './slot-environment.ts'
import { keepAligned } from './watermark-alignment.ts'

export interface SubtaskActorOptions {
  readonly environment: SlotEnvironment
  readonly built: BuiltTask
  readonly attempt: number
  readonly metrics: () => SubtaskMetrics
  /** Who knows how far other sources are. */
  readonly alignment: ActorRef<WatermarkAlignmentProtocol> | null
}

/** Answers for one subtask. Messages of other attempts are ignored: their senders talk to somebody who is gone. */
export function subtaskActor(options: SubtaskActorOptions): Behavior<SubtaskProtocol> {
  const { built, attempt, metrics, alignment } = options
  const stopAligning = alignment === null ? () => {} : keepAligned({ ...options, alignment })
  const source = built.source
  let nextDelivery = 0
  return handling<SubtaskProtocol>(
    {
      describe: (_message, sender) =>
        sender.reply({ state: built.task.state, waitsFor: built.task.waitsFor, metrics: metrics() }),
      takeSplits: (message, sender) => {
        if (message.attempt !== attempt || source === null) return
        // Repeated because the reply was lost: the enumerator's snapshot waits for it, also when the task has ended. So
        // it does for an answer to a request that the reader did not wait for, having been told that there is no more.
        const isNeedless = built.task.state === 'finished' && message.splits === null
        if (message.sequence < nextDelivery || isNeedless) sender.reply({})
        if (message.sequence !== nextDelivery || isFinal(built.task.state)) return
        if (!hasReader(built.task.state)) {
          sender.fail(new SluiceError('NO_RESPONDERS', 'the reader is not open yet: ask again'))
          return
        }
        if (message.afterCheckpoint > built.task.checkpoints.passedId) {
          sender.fail(new SluiceError('NO_RESPONDERS', 'the barrier has not passed yet: ask again'))
          return
        }
        nextDelivery++
        takeSplits(source, built, message.splits)
        sender.reply({})
      },
    },
    {
      signal: (signal) => {
        if (signal.kind === 'PostStop') stopAligning()
      },
    },
  )
}

/** Enumerators may hand out splits before they are asked. */
function hasReader(state: SubtaskState): boolean {
  return state !== 'created' && state !== 'opening'
}

function takeSplits(
  source: SourceOperator<unknown, never>,
  { task }: BuiltTask,
  splits: readonly Uint8Array[] | null,
): void {
  try {
    if (splits === null) source.noMoreSplits()
    else source.addSplits(decodeSplits(source.splitType, splits))
  } catch (error) {
    void task.fail(task.chain.attribute(error, 'while taking splits', 0))
  }
}

/** Lets a source ask its coordinator for splits, however long that takes to appear. */
export function connectSource(
  { environment, built }: Pick<SubtaskActorOptions, 'environment' | 'built'>,
  { attempt, leadingAttempt, restoredId }: Pick<Deployment, 'attempt' | 'leadingAttempt' | 'restoredId'>,
  coordinator: ActorRef<SourceCoordinatorProtocol>,
): void {
  const { source, task, plan } = built
  if (source === null) return
  let sequence = 0
  let last: Promise<unknown> = Promise.resolve()
  source.connect({
    requestSplit: () => {
      const request = {
        kind: 'requestSplit',
        attempt: leadingAttempt,
        reader: attempt,
        restoredId,
        subtaskIndex: plan.index,
        sequence: sequence++,
      } as const
      const ask = () =>
        askPersistently(environment.system, coordinator, request, {
          clock: environment.clock,
          isObsolete: () => isFinal(task.state),
        })
      last = last
        .then(ask)
        .catch((error) => task.fail(task.chain.attribute(error, 'while asking for splits', 0)))
    },
  })
}
