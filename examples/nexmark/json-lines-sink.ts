/**
 * Results as lines of JSON, one file per subtask, so that whoever ran the job can read them back. Appends without
 * ado: a job that is restarted writes some of its results twice.
 */
import { closeSync, openSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import type { Sink } from 'sluice'

/** Characters collected before they are written. */
const BUFFERED_MAX = 256 * 1024

export function jsonLinesSink<T>(directory: string): Sink<T> {
  return {
    name: 'json-lines',
    createWriter({ subtaskIndex }) {
      const file = openSync(join(directory, `rows-${subtaskIndex}.jsonl`), 'a')
      let lines = ''
      const writeOut = () => {
        writeSync(file, lines)
        lines = ''
      }
      return {
        write(value) {
          lines += `${JSON.stringify(value)}\n`
          if (lines.length > BUFFERED_MAX) writeOut()
        },
        flush: writeOut,
        close: () => closeSync(file),
      }
    },
  }
}
