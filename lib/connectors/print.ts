/** Records on the standard output of the process they end up in, one per line: for looking at small streams. */
import type { Sink } from '../function/sink.ts'

/** Strings as they are, everything else as JSON; in front, if there are several, the subtask. */
export function printSink<T>(label?: string): Sink<T> {
  return {
    name: 'print',
    createWriter({ subtaskIndex, parallelism }) {
      const subtask = parallelism > 1 ? `${subtaskIndex + 1}> ` : ''
      const prefix = label === undefined ? subtask : `${label} ${subtask}`
      return {
        write(value) {
          process.stdout.write(`${prefix}${formatRecord(value)}\n`)
        },
        flush() {},
        close() {},
      }
    },
  }
}

/** JSON with the values JSON lacks: bigint as text, Map as object, Infinity and NaN as words. */
function formatRecord(value: unknown): string {
  if (typeof value === 'string') return value
  return JSON.stringify(value, (_key, part: unknown) => {
    if (typeof part === 'bigint') return `${part}n`
    if (part instanceof Map) return Object.fromEntries(part)
    if (part instanceof Set) return [...part]
    if (typeof part === 'number' && !Number.isFinite(part)) return String(part)
    return part
  })
}
