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
  /** How long the sink is busy with a row before it takes others: what comes faster piles up in front of it. */
  readonly rowMs: number
  /** Asked at every commit: whether it fails, before or after it has taken effect. */
  commitFault(): 'none' | 'before' | 'after'
}

export const NO_SINK_FAULTS: SinkFaults = { delayMs: 0, rowMs: 0, commitFault: () => 'none' }

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
function upsertSink(results: Results, { delayMs, rowMs }: SinkFaults): Sink<string, never, never> {
  return {
    name: 'upsert',
    createWriter({ clock }) {
      let rows: string[] = []
      const pace = new Pace(clock, rowMs)
      return {
        write(row) {
          pace.add()
          rows.push(row)
        },
        whenReady: () => pace.whenReady(),
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
      const pace = new Pace(clock, faults.rowMs)
      return {
        write(row) {
          pace.add()
          rows.push(row)
        },
        whenReady: () => pace.whenReady(),
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

/** The time a sink owes for rows it has taken. */
class Pace {
  readonly #clock: Clock
  readonly #rowMs: number
  #rows = 0

  constructor(clock: Clock, rowMs: number) {
    this.#clock = clock
    this.#rowMs = rowMs
  }

  add(): void {
    this.#rows++
  }

  whenReady(): Promise<void> | undefined {
    const waitMs = this.#rows * this.#rowMs
    this.#rows = 0
    return waitMs === 0 ? undefined : sleep(this.#clock, waitMs)
  }
}

async function pause(clock: Clock, delayMs: number): Promise<void> {
  if (delayMs > 0) await sleep(clock, delayMs)
}
