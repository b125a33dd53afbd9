/**
 * What a checkpoint keeps of the channels into a subtask: how far event time had come on each, and, if it was taken
 * unaligned, the data in flight. It is kept with the receiving subtask only: what a barrier overtakes is on its way
 * there or there already (see RemoteOutputChannel).
 */
import type { JobEdge, JobGraph } from '../graph/job-graph.ts'
import type { PartitionerKind } from '../network/partitioner.ts'
import type { Schema } from '../types/schema.ts'

/** An edge by the operators at its ends: what it is recognised by when the graph around it has changed. */
export interface EdgeName {
  readonly fromOperator: string
  readonly toOperator: string
  readonly input: number
  readonly sideTag: string | null
  /** Its place among edges of which all the above is the same. */
  readonly ordinal: number
}

export interface ChannelSnapshot {
  /** The index of the subtask upstream. */
  readonly from: number
  /** -Infinity before the first. */
  readonly watermark: number
  /** Data in flight, oldest first: bodies of data frames (frame.ts). */
  readonly frames: readonly Uint8Array[]
}

/** All channels of one edge into a subtask. */
export interface InputSnapshot {
  readonly edge: EdgeName
  readonly partitioner: PartitionerKind
  /** Of the records in the frames. */
  readonly schema: Schema
  readonly channels: readonly ChannelSnapshot[]
}

export function edgeName({ edges }: JobGraph, edge: JobEdge): EdgeName {
  const { fromOperator, toOperator, input, sideTag } = edge
  const alike = edges.filter(
    (other) =>
      other.fromOperator === fromOperator &&
      other.toOperator === toOperator &&
      other.input === input &&
      other.sideTag === sideTag,
  )
  const ordinal = alike.findIndex(({ id }) => id === edge.id)
  return { fromOperator, toOperator, input, sideTag, ordinal }
}

export const channelBytes = (inputs: readonly InputSnapshot[]): number =>
  inputs
    .flatMap(({ channels }) => channels)
    .flatMap(({ frames }) => frames)
    .reduce((sum, { length }) => sum + length, 0)
