/** Barriers for tests, and random input: channels whose items reach a task in any order the network may choose. */
import fc from 'fast-check'
import type { CheckpointBarrier } from '../../../lib/network/stream-event.ts'
import type { Json, JsonObject } from '../../conformance/case.ts'

export function barrierOf(checkpointId: number, more: Partial<CheckpointBarrier> = {}): CheckpointBarrier {
  return {
    kind: 'barrier',
    checkpointId,
    timestamp: 0,
    isSavepoint: false,
    isUnaligned: false,
    alignmentTimeoutMs: Number.POSITIVE_INFINITY,
    ...more,
  }
}

export const CHANNELS = 3
/** Its barrier is sent on each channel that has not ended. */
export const LAST_ID = 6

/** What is sent on each channel, as steps of a conformance case. */
export type Sent = readonly (readonly JsonObject[])[]

export interface Traffic {
  readonly sent: Sent
  /** Channel by channel, in the order of arrival, with pauses of the task and jumps of the clock in between. */
  readonly script: readonly JsonObject[]
}

/** How a checkpoint comes by on one channel. */
const passing = fc.record({
  buffers: fc.nat(3),
  how: fc.constantFrom('barrier', 'barrier', 'barrier', 'barrier', 'cancel', 'nothing'),
})
const channelPlan = fc.record({
  passings: fc.array(passing, { minLength: LAST_ID, maxLength: LAST_ID }),
  /** After the checkpoint of this id, and before its own; beyond the last one: not at all. */
  endsBefore: fc.integer({ min: 1, max: 3 * LAST_ID }),
})

export const traffic: fc.Arbitrary<Traffic> = fc
  .tuple(
    fc.array(channelPlan, { minLength: CHANNELS, maxLength: CHANNELS }),
    fc.array(fc.nat(CHANNELS + 3), { maxLength: 120 }),
    fc.integer({ min: 1, max: LAST_ID }),
  )
  .map(([plans, choices, savepointId]) => {
    const sent = plans.map((plan, channel) => sentOn(channel, plan, savepointId))
    return { sent, script: scriptOf(sent, choices) }
  })

interface ChannelPlan {
  readonly passings: readonly { readonly buffers: number; readonly how: string }[]
  readonly endsBefore: number
}

function sentOn(channel: number, { passings, endsBefore }: ChannelPlan, savepointId: number): JsonObject[] {
  const steps: JsonObject[] = []
  for (const [index, { buffers, how }] of passings.entries()) {
    const id = index + 1
    for (let i = 0; i < buffers; i++) steps.push({ buffer: { channel, id: `${channel}-${id}-${i}` } })
    if (id === endsBefore) return [...steps, { end: { channel } }]
    const savepoint = id === savepointId
    if (how === 'barrier' || id === LAST_ID) steps.push({ barrier: { channel, id, savepoint } })
    else if (how === 'cancel') steps.push({ cancel: { channel, id } })
  }
  return [...steps, { buffer: { channel, id: `${channel}-last` } }]
}

function scriptOf(sent: Sent, choices: readonly number[]): JsonObject[] {
  const rest = sent.map((steps) => [...steps])
  const script: JsonObject[] = []
  let time = 0
  for (const choice of choices) {
    if (choice < CHANNELS) script.push(...rest[choice]!.splice(0, 1))
    else if (choice === CHANNELS) script.push({ pause: true })
    else if (choice === CHANNELS + 1) script.push({ resume: true })
    else {
      time += 7
      script.push({ time })
    }
  }
  return [...script, ...rest.flat(), { resume: true }]
}

/** Buffers that were sent on a channel before its barrier of a checkpoint, or before its end. */
export function sentBefore(sent: Sent, channel: number, checkpointId: number): Json[] {
  const steps = sent[channel]!
  const end = steps.findIndex(({ barrier }) => (barrier as JsonObject | undefined)?.id === checkpointId)
  return buffersOf(steps.slice(0, end < 0 ? steps.length : end))
}

export function buffersOf(steps: readonly JsonObject[]): Json[] {
  return steps.flatMap(({ buffer }) => (buffer === undefined ? [] : [(buffer as JsonObject).id!]))
}

/** What was processed of a channel, up to some output. */
export function processedOf(outputs: readonly Json[], channel: number): Json[] {
  return (outputs as JsonObject[])
    .filter((output) => output.process !== undefined && output.channel === channel)
    .map(({ process }) => process!)
}
