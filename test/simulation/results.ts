/**
 * Where simulated jobs leave their results, and the two kinds of sinks that do: one with two-phase commit, and one
 * that overwrites. Results are texts `key=value`, with a key that is there once in the results of a whole job.
 */
import { type Clock, sleep } from '../../lib/base/clock.ts'
import type { Sink } from '../../lib/function/sink.ts'
import { t as types } from '../../lib/types/t.ts'

export type SinkKind = 'transactional' | 'upsert'

interface Batch {
  readonly id: string
  readonly rows: readonly string[]
}

export interface SinkFaults {
  /** How long a flush or a commit takes. */
  readonly delayMs: number
  /** Asked at every commit: whether it fails, before or after it has taken effect. */
  commitFault(): 'none' | 'before' | 'after'
}

export const NO_SINK_FAULTS: SinkFaults = { delayMs: 0, commitFault: () => 'none' }

export class Results {
  /** What a database with transactions holds: batches by id, so that one that is committed twice is there once. */
  readonly #batches = new Map<string, readonly string[]>()
  readonly #values = new Map<string, string>()
  /** Rows that were overwritten with another value: what is done again must come to the same. */
  readonly conflicts: string[] = []

  commit({ id, rows }: Batch): void {
    this.#batches.set(id, rows)
  }

  set(row: string): void {
    const at = row.indexOf('=')
    const key = row.slice(0, at)
    const value = row.slice(at + 1)
    const known = this.#values.get(key)
    if (known !== undefined && known !== value) this.conflicts.push(`${key}: ${known}, then ${value}`)
    this.#values.set(key, value)
  }

  get rows(): string[] {
    const upserted = [...this.#values].map(([key, value]) => `${key}=${value}`)
    return [...[...this.#batches.values()].flat(), ...upserted].sort()
  }
}

export function resultSink(kind: SinkKind, results: Results, faults: SinkFaults): Sink<string, never, Batch> {
  return kind === 'upsert' ? upsertSink(results, faults) : transactionalSink(results, faults)
}

/** Writes at flushes, which take their time. */
function upsertSink(results: Results, { delayMs }: SinkFaults): Sink<string, never, never> {
  return {
    name: 'upsert',
    createWriter({ clock }) {
      let rows: string[] = []
      return {
        write: (row) => void rows.push(row),
        async flush() {
          const writing = rows
          rows = []
          await pause(clock, delayMs)
          for (const row of writing) results.set(row)
        },
        close() {},
      }
    },
  }
}

function transactionalSink(results: Results, faults: SinkFaults): Sink<string, never, Batch> {
  return {
    name: 'transactional',
    committableType: types.object({ id: types.string, rows: types.list(types.string) }),
    createWriter({ jobId, uid, subtaskIndex, attempt, clock }) {
      let rows: string[] = []
      let count = 0
      return {
        write: (row) => void rows.push(row),
        flush: () => pause(clock, faults.delayMs),
        prepareCommit() {
          const batch = { id: `${jobId}/${uid}/${attempt}/${subtaskIndex}/${count++}`, rows }
          rows = []
          return batch.rows.length === 0 ? [] : [batch]
        },
        close() {},
      }
    },
    createCommitter: ({ clock }) => ({
      async commit(batches) {
        const fault = faults.commitFault()
        if (fault === 'before') throw new Error('nothing was committed')
        await pause(clock, faults.delayMs)
        for (const batch of batches) results.commit(batch)
        if (fault === 'after') throw new Error('whether it was committed nobody knows')
      },
    }),
  }
}

async function pause(clock: Clock, delayMs: number): Promise<void> {
  if (delayMs > 0) await sleep(clock, delayMs)
}
