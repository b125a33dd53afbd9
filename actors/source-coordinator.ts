/**
 * Runs the split enumerator of one source, beside subtask 0 of the source. Readers ask it for splits; it delivers what
 * the enumerator assigns, in order, until it has arrived. Who speaks to it names its attempt; the attempts of readers
 * are theirs, and the first request of each says what it begins with.
 */

import type { ActorRef } from '../lib/actor/actor-ref.ts'
import { type Behavior, handling } from '../lib/actor/behavior.ts'
import { askPersistently } from '../lib/actor/persistent-ask.ts'
import { SluiceError } from '../lib/base/errors.ts'
import type { Source } from '../lib/function/source.ts'
import type { SourceCoordinatorProtocol, SubtaskProtocol } from '../lib/protocol/slot.ts'
import { EnumeratorHost } from '../lib/task/enumerator-host.ts'
import type { SlotEnvironment } from './slot-environment.ts'

export interface SourceCoordinatorOptions {
  readonly environment: Pick<SlotEnvironment, 'clock' | 'log' | 'connections'> & {
    readonly system: Pick<SlotEnvironment['system'], 'ask'>
  }
  readonly source: Source<unknown>
  readonly parallelism: number
  readonly attempt: number
  readonly restored: Uint8Array | undefined
  /** The checkpoint of the job that is from; 0: none. */
  readonly restoredId: number
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
    restoredId: options.restoredId,
    deliver: async (subtaskIndex, delivery, isObsolete) => {
      await askPersistently(
        environment.system,
        options.subtaskRef(subtaskIndex),
        { kind: 'takeSplits', ...delivery },
        { clock: environment.clock, isObsolete: () => isStopped || isObsolete() },
      )
    },
    fail: (error) => options.onError(error),
  })
  const started = host.start().catch((error) => options.onError(error))
  /** The present attempt of each reader, and the number of its requests that have been served. */
  const readers = new Map<number, { readonly attempt: number; served: number }>()
  return handling<SourceCoordinatorProtocol>(
    {
      requestSplit: ({ attempt: asked, reader, subtaskIndex, restoredId, sequence }, sender) => {
        const known = readers.get(subtaskIndex)
        if (asked !== attempt || (known !== undefined && reader < known.attempt)) return
        const isNew = known?.attempt !== reader
        const current = isNew ? { attempt: reader, served: 0 } : known!
        readers.set(subtaskIndex, current)
        if (isNew || sequence >= current.served) {
          current.served = sequence + 1
          void started.then(() => {
            if (isStopped) return
            if (isNew) host.readerBegins(subtaskIndex, reader, restoredId)
            host.onSplitRequest(subtaskIndex)
          })
        }
        sender.reply({})
      },
      snapshot: ({ attempt: asked, checkpointId, completedId, readers: expected }, sender) => {
        if (asked !== attempt) return
        started
          .then(() => {
            const isMissing = expected.some((reader, index) => host.attemptOf(index) < reader)
            if (isMissing) throw new SluiceError('NO_RESPONDERS', 'a reader has not asked yet: ask again')
            return host.snapshot(checkpointId, completedId)
          })
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
