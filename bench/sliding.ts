/** Sliding windows of 60 s by 1 s to tumbling ones of 60 s, over the same stream. */
import { sliding, tumbling } from '../lib/index.ts'
import { printMeasurement } from './measurement.ts'
import { type Clicks, inSluice } from './window-job.ts'

/** Ten records of each key in a second, for three minutes. */
const CLICKS: Clicks = { keyCount: 5000, rate: 50, count: 9_000_000 }
const ROUNDS = 2

let bare = Number.POSITIVE_INFINITY
let sluice = Number.POSITIVE_INFINITY
for (let round = 0; round < ROUNDS; round++) {
  bare = Math.min(bare, await inSluice(CLICKS, tumbling('60s')))
  sluice = Math.min(sluice, await inSluice(CLICKS, sliding('60s', '1s')))
}
printMeasurement({ sluice, bare, unit: 'ns/record', ratio: sluice / bare })
