/** A sink that counts and forgets: for measuring everything before it. */
import type { Sink } from '../function/sink.ts'

export function blackholeSink<T>(): Sink<T> {
  return {
    name: 'blackhole',
    createWriter({ metrics }) {
      const records = metrics.counter('records_dropped_on_purpose_total')
      return {
        write() {
          records.value++
        },
        flush() {},
        close() {},
      }
    },
  }
}
