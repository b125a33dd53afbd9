/**
 * Runs the split enumerator of one source, beside subtask 0 of the source. Readers ask it for splits; it delivers what
 * the enumerator assigns, in order, until it has arrived.
 */

import type { ActorRef } from '../lib/actor/actor-ref.ts'
import { type Behavior, handling } from '../lib/actor/behavior.ts'
import { askPersistently } from '../lib/actor/persistent-ask.ts'
import type { Source } from '../lib/function/source.ts'
import type { SourceCoordinatorProtocol, SubtaskProtocol } from '../lib/protocol/slot.ts'
import { EnumeratorHost } from '../lib/task/enumerator-host.ts'
import type { SlotEnvironment } from './slot-environment.ts'

export interface SourceCoordinatorOptions {
  readonly environment: SlotEnvironment
  readonly source: Source<unknown>
  readonly parallelism: number
  readonly attempt: number
  readonly restored: Uint8Array | undefined
  subtaskRef(index: number): ActorRef<SubtaskProtocol>
  /** The enumerator threw: the subtask beside it fails with the error. */
  onError(error: unknown): void
}

export function sourceCoordinator(options: SourceCoordinatorOptions): Behavior<SourceCoordinatorProtocol> {
  const { environment, attempt, parallelism } = options
  let isStopped = false
  const host = new EnumeratorHost({
    source: options.source,
    parallelism,
    clock: environment.clock,
    log: environment.log,
    connections: environment.connections,
    restored: options.restored,
    deliver: async (subtaskIndex, { sequence, splits, afterCheckpoint }) => {
      await askPersistently(
        environment.system,
        options.subtaskRef(subtaskIndex),
        { kind: 'takeSplits', attempt, sequence, splits, afterCheckpoint },
        { clock: environment.clock, isObsolete: () => isStopped },
      )
    },
    fail: (error) => options.onError(error),
  })
  const started = host.start().catch((error) => options.onError(error))
  /** Per reader, the number of its requests that have been served. */
  const served = new Map<number, number>()
  return handling<SourceCoordinatorProtocol>(
    {
      requestSplit: ({ attempt: asked, subtaskIndex, sequence }, sender) => {
        if (asked !== attempt) return
        if (sequence >= (served.get(subtaskIndex) ?? 0)) {
          served.set(subtaskIndex, sequence + 1)
          void started.then(() => {
            if (!isStopped) host.onSplitRequest(subtaskIndex)
          })
        }
        sender.reply({})
      },
      snapshot: ({ attempt: asked, checkpointId }, sender) => {
        if (asked !== attempt) return
        started
          .then(() => host.snapshot(checkpointId))
          .then(
            (state) => {
              if (state !== null) sender.reply({ state })
            },
            (error) => sender.fail(error),
          )
      },
    },
    {
      signal: (signal) => {
        if (signal.kind !== 'PostStop') return
        isStopped = true
        host.close().catch((error) => environment.log.warn('an enumerator failed to close', { error }))
      },
    },
  )
}
