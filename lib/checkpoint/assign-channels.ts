/**
 * What the channels of an edge into a subtask begin with: event time, and the data that was in flight when an unaligned
 * checkpoint was taken. The mapping is that of Flink's SubtaskStateMapper, for more kinds of edges. Pure.
 *
 * Where the parallelism at both ends is what it was, data in flight stays in its channel. Otherwise it goes to the
 * subtasks that get to process such records now:
 *
 *     hash, custom             to the subtask each record belongs to: read by all that may own some, and sifted
 *     broadcast                to all, as the subtask had it whose broadcast state they all begin with
 *     the others               old subtask t to the new one t modulo the parallelism: any may process any
 *
 * Records of one old channel stay together and in order.
 *
 * Each channel begins with the watermark it had, where that is a promise the sender can keep: its own records have
 * stayed with it. They have not where the parallelism has changed; nor where the watermark is that of one source reader
 * only (a source, and what is behind it without an exchange between all subtasks), since a split that nobody had can be
 * handed to another reader than it would have been. Then all channels begin with the event time of the old subtasks
 * that are read, the least of it: what they promised together. No record is late that would not have been, and event
 * time does not fall back further than it must. Of a pointwise edge no subtask knows all senders: nothing is assumed.
 */
import type { JobEdge, JobGraph } from '../graph/job-graph.ts'
import { lastWatermark } from '../network/frame.ts'
import { isPointwise, type PartitionerKind } from '../network/partitioner.ts'
import type { Schema } from '../types/schema.ts'
import type { ChannelSnapshot, InputSnapshot } from './channel-snapshot.ts'
import { redistributeKeyGroups } from './state-redistribution.ts'

/** An edge into a new subtask. */
export interface InputShare {
  readonly partitioner: PartitionerKind
  /** Of the data in flight. */
  readonly partitionerBefore: PartitionerKind
  /** Subtasks upstream that have a channel to this one, in order. */
  readonly froms: readonly number[]
  readonly upstream: number
  readonly upstreamBefore: number
  readonly parallelism: number
  readonly parallelismBefore: number
  readonly maxParallelism: number
  readonly index: number
  /** Event time of a sender is that of one source reader. */
  readonly isFromReaders: boolean
}

/** What an old subtask had of an edge. */
export interface SavedInput extends InputSnapshot {
  /** Event time of the subtask. */
  readonly watermark: number
}

export interface AssignedChannel {
  readonly watermark: number
  /** Data in flight, oldest first; bodies of data frames. */
  readonly frames: readonly Uint8Array[]
  /** Whether the watermarks in the data hold for the channel. */
  readonly hasWatermarks: boolean
  /** Holds once all that was in flight has been processed; -Infinity: nothing is known. */
  readonly watermarkAfter: number
  /** Records may be those of other subtasks. */
  readonly isToBeSifted: boolean
  /** Of the records; null if there are none. */
  readonly schema: Schema | null
}

/** Old subtasks whose data is read. `before`: the blobs of those that were there, null of those that had finished. */
export function neededForInput(share: InputShare, before: readonly (string | null)[]): number[] {
  const { partitioner, partitionerBefore, parallelismBefore, parallelism, maxParallelism, index } = share
  const all = before.map((_, old) => old)
  const isByRecord = partitioner === 'hash' || partitioner === 'custom'
  if (partitioner !== partitionerBefore && isByRecord) return all
  if (parallelismBefore === parallelism) return [index]
  switch (partitioner) {
    case 'hash':
      return redistributeKeyGroups(maxParallelism, parallelismBefore, parallelism, index).sources.map(
        ({ from }) => from,
      )
    case 'custom':
      return all
    case 'broadcast':
      return [broadcastDonor(before)]
    default:
      return all.filter((old) => old % parallelism === index)
  }
}

/** The old subtask whose broadcast state, and what it had still to process of it, all begin with. */
export function broadcastDonor(before: readonly (string | null)[]): number {
  const first = before.findIndex((name) => name !== null)
  return Math.max(0, first)
}

/** By place among `froms`. `saved`: what the needed old subtasks had, less those that had nothing. */
export function assignChannels(share: InputShare, saved: readonly SavedInput[]): AssignedChannel[] {
  const { froms, partitioner, isFromReaders } = share
  const old = saved.flatMap(({ channels }) => channels)
  const schema = saved[0]?.schema ?? null
  const isMoved = !isUnchanged(share)
  const hasNewOwners =
    share.parallelism !== share.parallelismBefore || partitioner !== share.partitionerBefore
  const shared = isMoved || isFromReaders ? sharedWatermarks(partitioner, saved) : null
  return froms.map((from, place) => {
    const ours = old.filter((channel) =>
      isMoved ? channel.from % froms.length === place : channel.from === from,
    )
    return {
      watermark: shared === null ? (ours[0]?.watermark ?? UNKNOWN) : shared.watermark,
      frames: ours.flatMap(({ frames }) => frames),
      hasWatermarks: shared === null,
      watermarkAfter: shared === null ? UNKNOWN : shared.watermarkAfter,
      isToBeSifted: hasNewOwners,
      schema,
    }
  })
}

/**
 * Event time of the new subtask, as far as this edge goes. It may be ahead of a channel that was idle, which then does
 * not count until it has caught up.
 */
export function eventTime(share: InputShare, saved: readonly SavedInput[]): number {
  if (saved.length === 0) return UNKNOWN
  const isExact = isUnchanged(share) && !share.isFromReaders
  return isExact ? saved[0]!.watermark : sharedWatermarks(share.partitioner, saved).watermark
}

/** What all senders together have promised. */
function sharedWatermarks(
  partitioner: PartitionerKind,
  saved: readonly SavedInput[],
): Pick<AssignedChannel, 'watermark' | 'watermarkAfter'> {
  if (isPointwise(partitioner) || saved.length === 0) return { watermark: UNKNOWN, watermarkAfter: UNKNOWN }
  const after = ({ watermark, frames }: ChannelSnapshot) => Math.max(watermark, lastWatermark(frames))
  return {
    watermark: Math.min(...saved.map(({ watermark }) => watermark)),
    watermarkAfter: Math.min(...saved.flatMap(({ channels }) => channels.map(after))),
  }
}

/** Whether every channel is the one it was. */
export function isUnchanged(share: InputShare): boolean {
  return (
    share.parallelism === share.parallelismBefore &&
    share.upstream === share.upstreamBefore &&
    share.partitioner === share.partitionerBefore
  )
}

/** No watermark. */
const UNKNOWN = Number.NEGATIVE_INFINITY

/** Whether event time of the subtasks at the sending end of an edge is that of one source reader each, of several. */
export function isFromReaders({ vertices, edges }: JobGraph, { from }: JobEdge): boolean {
  const isReaders = (id: string): boolean => {
    const vertex = vertices.find((each) => each.id === id)
    if (vertex?.isSource === true) return vertex.parallelism > 1
    return edges.some((edge) => edge.to === id && isPointwise(edge.partitioner) && isReaders(edge.from))
  }
  return isReaders(from)
}
