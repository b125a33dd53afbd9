/** Outputs of an operator with as little around them as tests can be read with. */
import type { HarnessOutput } from '../../../lib/testing/operator-harness.ts'

/** Records and side outputs as their values, watermarks as numbers, statuses as words. */
export function brief(outputs: readonly HarnessOutput<unknown>[]): unknown[] {
  return outputs.map((output) => {
    if (output.kind === 'watermark') return output.timestamp
    if (output.kind === 'status') return output.isIdle ? 'idle' : 'active'
    return output.value
  })
}

/** The same, texts with the timestamp of their record behind. */
export function stamped(outputs: readonly HarnessOutput<unknown>[]): unknown[] {
  return outputs.map((output) =>
    output.kind === 'record' && output.timestamp !== undefined
      ? `${output.value}@${output.timestamp}`
      : brief([output])[0],
  )
}
