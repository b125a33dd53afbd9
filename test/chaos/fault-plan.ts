/** What goes wrong when, drawn from a seed: one fault at a time, and between two of them time to recover. */
import type { Random } from '../../lib/base/prng.ts'

export const FAULT_KINDS = [
  'kill-node',
  'kill-leader',
  'kill-nats',
  'pause-node',
  'pause-leader',
  'pause-nats',
] as const

export type FaultKind = (typeof FAULT_KINDS)[number]

export interface Fault {
  readonly kind: FaultKind
  /** After the jobs have begun. */
  readonly atMs: number
  /** Until what was killed is started again, or what was stopped goes on. */
  readonly forMs: number
  /** Which of those there are. */
  readonly choice: number
}

/** Until the first one: jobs are deployed and have taken a checkpoint. */
const WARM_UP_MS = 6000
/** From the end of a fault to the next. */
const CALM_MS = 7000
/** At the end, to be measured without faults. */
const COOL_DOWN_MS = 5000
const DOWN_MS_MIN = 300
const DOWN_MS_MAX = 3000

/** Every kind comes up before one comes up again. */
export function planFaults(random: Random, seconds: number, kinds: readonly FaultKind[]): Fault[] {
  const faults: Fault[] = []
  let bag: FaultKind[] = []
  let atMs = WARM_UP_MS
  while (atMs + DOWN_MS_MAX + COOL_DOWN_MS < seconds * 1000) {
    if (bag.length === 0) bag = [...kinds]
    const kind = bag.splice(random.nextInt(bag.length), 1)[0]!
    const forMs = DOWN_MS_MIN + random.nextInt(DOWN_MS_MAX - DOWN_MS_MIN)
    faults.push({ kind, atMs, forMs, choice: random.nextInt(1 << 16) })
    atMs += forMs + CALM_MS + random.nextInt(2000)
  }
  return faults
}
