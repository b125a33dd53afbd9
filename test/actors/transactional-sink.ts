/** A sink with two-phase commit into memory. */
import type { Sink } from '../../lib/function/sink.ts'
import { t as types } from '../../lib/types/t.ts'

interface Batch {
  readonly id: string
  readonly records: readonly string[]
}

/** What a database with transactions would hold: batches by id, so that one that is committed twice is there once. */
export class Table {
  readonly batches = new Map<string, readonly string[]>()

  get rows(): string[] {
    return [...this.batches.values()].flat().sort()
  }
}

/** Commits once what it is given twice. */
export function transactionalSink(table: Table): Sink<string, never, Batch> {
  return {
    name: 'table',
    committableType: types.object({ id: types.string, records: types.list(types.string) }),
    createWriter({ jobId, uid, subtaskIndex, attempt }) {
      let records: string[] = []
      let count = 0
      return {
        write: (value) => void records.push(value),
        flush() {},
        prepareCommit() {
          const batch = { id: `${jobId}/${uid}/${attempt}/${subtaskIndex}/${count++}`, records }
          records = []
          return batch.records.length === 0 ? [] : [batch]
        },
        close() {},
      }
    },
    createCommitter: () => ({
      commit(batches) {
        for (const { id, records } of batches) table.batches.set(id, records)
      },
    }),
  }
}
