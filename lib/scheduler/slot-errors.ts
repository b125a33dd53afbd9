/** What a job fails with, or is restarted after, when it lacks slots or loses one. */
import type { ErrorRecord } from '../base/errors.ts'
import type { SlotLocation } from '../graph/execution-graph.ts'

/** `free`: slots that were free when it asked; `missing`: how many it lacked. */
export function slotsUnavailable(
  slots: Readonly<Record<'needed' | 'held' | 'free' | 'missing', number>>,
  timeoutMs: number,
): ErrorRecord {
  const { needed, held, free } = slots
  const missing = Math.max(1, slots.missing - free)
  return {
    code: 'SLOTS_UNAVAILABLE',
    message: `the job needs ${needed} slots and has ${held}; ${free} were free when it asked, and no more came within ${timeoutMs} ms: start more nodes (sluice node --slots ${missing}) or lower the parallelism`,
  }
}

export function slotSilent({ node, slot }: SlotLocation, forMs: number): ErrorRecord {
  return {
    code: 'SLOT_LOST',
    message: `slot ${slot} of node ${node} has not reported for ${Math.round(forMs)} ms`,
  }
}

/** Cancelled without an order: of no account to a job that is being cancelled anyway. */
export function givenUp({ node, slot }: SlotLocation): ErrorRecord {
  return {
    code: 'SLOT_LOST',
    message: `slot ${slot} of node ${node} has given up its subtasks: the node stops`,
  }
}
