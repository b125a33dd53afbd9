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

/** Data in flight on an edge, of one subtask or of all. */
export interface EdgeInFlight {
  readonly edge: EdgeName
  readonly partitioner: PartitionerKind
  readonly byteLength: number
}

/** Edges on which there is any. */
export function inFlightOf(inputs: readonly InputSnapshot[]): EdgeInFlight[] {
  return inputs
    .map((input) => ({ edge: input.edge, partitioner: input.partitioner, byteLength: channelBytes([input]) }))
    .filter(({ byteLength }) => byteLength > 0)
}

export function isSameEdge(a: EdgeName, b: EdgeName): boolean {
  return (
    a.fromOperator === b.fromOperator &&
    a.toOperator === b.toOperator &&
    a.input === b.input &&
    a.sideTag === b.sideTag &&
    a.ordinal === b.ordinal
  )
}

/** Edge by edge. */
export function addInFlight(all: readonly EdgeInFlight[]): EdgeInFlight[] {
  const sums: EdgeInFlight[] = []
  for (const each of all) {
    const at = sums.findIndex(({ edge }) => isSameEdge(edge, each.edge))
    if (at < 0) sums.push(each)
    else sums[at] = { ...each, byteLength: sums[at]!.byteLength + each.byteLength }
  }
  return sums
}

/** Why data in flight cannot be placed in a job: an entry for each edge that is not there, or has become another. */
export function inFlightProblems(inFlight: readonly EdgeInFlight[], graph: JobGraph): string[] {
  return inFlight.flatMap(({ edge, partitioner, byteLength }) => {
    const now = graph.edges.find((each) => isSameEdge(edgeName(graph, each), edge))
    const what = `${byteLength} bytes in flight from operator ${edge.fromOperator} to operator ${edge.toOperator}`
    if (now === undefined)
      return [`there are ${what}, between which no data crosses subtasks any more (take a savepoint instead)`]
    const isOther = now.partitioner !== partitioner && [now.partitioner, partitioner].includes('broadcast')
    return isOther
      ? [`there are ${what}, which were sent by ${partitioner} and are by ${now.partitioner} now`]
      : []
  })
}

export const channelBytes = (inputs: readonly InputSnapshot[]): number =>
  inputs
    .flatMap(({ channels }) => channels)
    .flatMap(({ frames }) => frames)
    .reduce((sum, { length }) => sum + length, 0)
