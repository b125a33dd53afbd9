/**
 * Key groups: the unit in which keyed state is owned and moved. A key belongs to one group for ever; groups
 * belong to subtasks in contiguous ranges. All arithmetic is that of Flink's KeyGroupRangeAssignment.
 */
import { assert } from '../base/assert.ts'
import type { ByteReader } from '../base/byte-reader.ts'
import type { ByteWriter } from '../base/byte-writer.ts'
import { type Key, keyHash, murmurHash } from '../base/hash.ts'

/** Both ends inclusive. */
export interface KeyGroupRange {
  readonly first: number
  readonly last: number
}

export const MAX_PARALLELISM_LIMIT = 32768
const MAX_PARALLELISM_FLOOR = 128

/** The group of a key: 0 <= group < maxParallelism. */
export function keyGroupOf(key: Key, maxParallelism: number): number {
  return murmurHash(keyHash(key)) % maxParallelism
}

/** The groups owned by subtask `index` of `parallelism`. */
export function keyGroupRange(maxParallelism: number, parallelism: number, index: number): KeyGroupRange {
  assert(parallelism <= maxParallelism, 'parallelism <= maxParallelism')
  assert(index >= 0 && index < parallelism, 'subtask index within parallelism')
  return {
    first: Math.floor((index * maxParallelism + parallelism - 1) / parallelism),
    last: Math.floor(((index + 1) * maxParallelism - 1) / parallelism),
  }
}

/** The subtask that owns a group. */
export function subtaskOfKeyGroup(maxParallelism: number, parallelism: number, keyGroup: number): number {
  return Math.floor((keyGroup * parallelism) / maxParallelism)
}

/** 1.5 times the parallelism, rounded up to a power of two, between 128 and 32768. */
export function defaultMaxParallelism(parallelism: number): number {
  const roomy = parallelism + Math.floor(parallelism / 2)
  const power = 2 ** Math.ceil(Math.log2(Math.max(roomy, 1)))
  return Math.min(Math.max(power, MAX_PARALLELISM_FLOOR), MAX_PARALLELISM_LIMIT)
}

export function intersectKeyGroups(a: KeyGroupRange, b: KeyGroupRange): KeyGroupRange | null {
  const first = Math.max(a.first, b.first)
  const last = Math.min(a.last, b.last)
  return first <= last ? { first, last } : null
}

/** Big endian, so that the rows of a range of key groups are neighbours. */
export function writeKeyGroup(out: ByteWriter, keyGroup: number): void {
  out.u8(keyGroup >> 8)
  out.u8(keyGroup)
}

export function readKeyGroup(input: ByteReader): number {
  const high = input.u8()
  return (high << 8) | input.u8()
}
