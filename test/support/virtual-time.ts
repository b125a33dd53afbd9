/** Awaiting promises under a manual clock. */
import type { ManualClock } from '../../lib/testing/manual-clock.ts'

const VIRTUAL_MS_MAX = 600_000

/** Moves time on until the promise has settled; ten virtual minutes are the end of patience. */
export async function runVirtually<T>(clock: ManualClock, promise: Promise<T>): Promise<T> {
  let isSettled = false
  const settled = () => {
    isSettled = true
  }
  promise.then(settled, settled)
  await clock.advanceUntil(() => isSettled, VIRTUAL_MS_MAX)
  if (!isSettled) throw new Error(`not settled within ${VIRTUAL_MS_MAX} virtual ms`)
  return promise
}
