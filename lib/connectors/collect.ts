/**
 * A sink that keeps the records of a bounded job in memory, for the test or program that runs it:
 *
 *     const rows = collectSink<Result>()
 *     await runLocal(job('j', (env) => { env.source(...).map(...).sinkTo(rows) }))
 *     rows.items
 *
 * It works where the job's tasks run in the thread of the program: `runLocal` of a job definition (not of a URL).
 * Anywhere else the job's module is loaded anew, and what is collected is collected there; write files then.
 *
 * Each record is there once, also after failures: records are handed over when the checkpoint that covers them is
 * complete, or at the end of a job without checkpoints.
 */
import { SluiceError } from '../base/errors.ts'
import type { Sink } from '../function/sink.ts'
import { t } from '../types/t.ts'
import type { Type } from '../types/type.ts'

export interface CollectOptions<T> {
  /** Of records, for checkpoints; default `t.any`. */
  readonly type?: Type<T>
  /** More records fail the job. Default one million. */
  readonly itemsMax?: number
}

/** What one writer handed over at once. */
interface CollectedBatch<T> {
  /** The writer: subtask and attempt. */
  readonly writer: string
  /** Counts from 1 per writer. */
  readonly number: number
  readonly items: readonly T[]
}

export interface CollectSink<T> extends Sink<T, never, CollectedBatch<T>> {
  /** In the order in which subtasks handed them over; those of one subtask in the order of its stream. */
  readonly items: readonly T[]
}

const ITEMS_MAX = 1_000_000

export function collectSink<T>(options: CollectOptions<T> = {}): CollectSink<T> {
  const { type = t.any as Type<T>, itemsMax = ITEMS_MAX } = options
  const items: T[] = []
  /** Per writer, the number of the last batch taken: batches that are committed again are known by it. */
  const taken = new Map<string, number>()
  return {
    name: 'collect',
    items,
    committableType: t.object({ writer: t.string, number: t.int32, items: t.list(type) }) as Type<
      CollectedBatch<T>
    >,
    createWriter: ({ jobId, uid, subtaskIndex, attempt }) => {
      let gathered: T[] = []
      let number = 0
      const writer = `${jobId}/${uid}/${subtaskIndex}/${attempt}`
      return {
        write(value) {
          if (gathered.length + items.length >= itemsMax) throw tooMany(itemsMax)
          gathered.push(type.detach(value))
        },
        flush() {},
        prepareCommit() {
          if (gathered.length === 0) return []
          const batch = { writer, number: ++number, items: gathered }
          gathered = []
          return [batch]
        },
        close() {},
      }
    },
    createCommitter: () => ({
      commit(batches) {
        for (const batch of batches) {
          if (batch.number <= (taken.get(batch.writer) ?? 0)) continue
          taken.set(batch.writer, batch.number)
          for (const item of batch.items) items.push(item)
        }
      },
    }),
  }
}

function tooMany(itemsMax: number): SluiceError {
  return new SluiceError(
    'CONNECTOR_FAILED',
    `collectSink holds at most ${itemsMax} records (itemsMax); write larger results to files`,
  )
}
