/**
 * A count per key and tumbling window, 100 000 keys, in one slot: to a loop with a Map per window that does the same by
 * hand, watermarks included.
 */

import { printMeasurement } from './measurement.ts'
import { type Clicks, clicksOf, DELAY_MS, inSluice } from './window-job.ts'

/** Ten records of each key in a window of a minute. */
const CLICKS: Clicks = { keyCount: 100_000, rate: 1_000_000 / 60_000, count: 6_000_000 }
const WINDOW_MS = 60_000
const ROUNDS = 3

function byHand(): number {
  const clickOf = clicksOf(CLICKS)
  const windows = new Map<number, Map<string, number>>()
  let newest = 0
  let total = 0
  const fire = (watermark: number): void => {
    for (const [start, counts] of windows) {
      if (start + WINDOW_MS - 1 > watermark) continue
      for (const count of counts.values()) total += count
      windows.delete(start)
    }
  }
  const startedMs = performance.now()
  for (let i = 0; i < CLICKS.count; i++) {
    const { user, at } = clickOf(i)
    const start = Math.floor(at / WINDOW_MS) * WINDOW_MS
    let counts = windows.get(start)
    if (counts === undefined) {
      counts = new Map()
      windows.set(start, counts)
    }
    counts.set(user, (counts.get(user) ?? 0) + 1)
    if (at > newest) newest = at
    if ((i & 8191) === 0) fire(newest - DELAY_MS - 1)
  }
  fire(Number.POSITIVE_INFINITY)
  if (total !== CLICKS.count) throw new Error(`${total} of ${CLICKS.count} were counted`)
  return ((performance.now() - startedMs) * 1e6) / CLICKS.count
}

let bare = Number.POSITIVE_INFINITY
let sluice = Number.POSITIVE_INFINITY
byHand()
for (let round = 0; round < ROUNDS; round++) {
  sluice = Math.min(sluice, await inSluice(CLICKS))
  bare = Math.min(bare, byHand())
}
printMeasurement({ sluice, bare, unit: 'ns/record', ratio: bare / sluice })
