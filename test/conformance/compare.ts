/**
 * Whether the outputs of one step are those a case expects, under the orders of SCHEMA section 3:
 *
 * - `strict`: the lists are equal.
 * - `any`: cut at watermarks and statuses, which must match in order; between cuts the lists are equal as multisets.
 * - `by-ts`: as `any`, and records of different timestamps come in the listed order. Side outputs are apart from the
 *   rest, as one multiset.
 * - `barrier`: cut at triggers and aborts, which must match in order; between them, what is processed is in order per
 *   channel. Aborts of checkpoints older than one that is reported may be added.
 *
 * Values are equal if their JSON is. Of errors only the fact is compared: the format does not say what kinds there are.
 */
import { CaseError, isObject, type Json } from './case.ts'

export function isSameOutput(expected: readonly Json[], found: readonly Json[], order: string): boolean {
  switch (order) {
    case 'strict':
      return isSameList(expected, found, isEqual)
    case 'any':
      return isSameCut(expected, found, isSameMultiset)
    case 'by-ts':
      return (
        isSameMultiset(expected.filter(isSide), found.filter(isSide)) &&
        isSameCut(expected.filter(isMain), found.filter(isMain), isSameByTimestamp)
      )
    case 'barrier':
      return isSameBarriers(expected, found)
    default:
      throw new CaseError(`order ${JSON.stringify(order)} is not supported`)
  }
}

export function isEqual(a: Json | undefined, b: Json | undefined): boolean {
  if (Array.isArray(a) && Array.isArray(b)) return isSameList(a, b, isEqual)
  if (!isObject(a) || !isObject(b)) return a === b
  if ('error' in a && 'error' in b) return true
  const keys = Object.keys(a)
  return (
    keys.length === Object.keys(b).length &&
    keys.every((key) => Object.hasOwn(b, key) && isEqual(a[key], b[key]))
  )
}

const isSide = (item: Json): boolean => isObject(item) && 'side' in item
const isMain = (item: Json): boolean => !isSide(item)
const isCut = (item: Json): boolean => isObject(item) && ('watermark' in item || 'status' in item)

function isSameList<T>(a: readonly T[], b: readonly T[], isSame: (a: T, b: T) => boolean): boolean {
  return a.length === b.length && a.every((item, index) => isSame(item, b[index]!))
}

export function isSameMultiset(a: readonly Json[], b: readonly Json[]): boolean {
  if (a.length !== b.length) return false
  const rest = [...b]
  return a.every((item) => {
    const index = rest.findIndex((other) => isEqual(item, other))
    if (index >= 0) rest.splice(index, 1)
    return index >= 0
  })
}

function isSameBarriers(expected: readonly Json[], found: readonly Json[]): boolean {
  const isDecision = (item: Json) => decisionOf(item) !== null
  const newest = Math.max(...expected.map((item) => decisionOf(item) ?? Number.NEGATIVE_INFINITY))
  const rest = found.filter((item) => {
    const isAbortOfOlder = isObject(item) && 'abort' in item && decisionOf(item)! < newest
    return !isAbortOfOlder || expected.some((other) => isEqual(item, other))
  })
  return (
    isSameList(expected.filter(isDecision), rest.filter(isDecision), isEqual) &&
    isSameList(split(expected, isDecision), split(rest, isDecision), isSameByChannel)
  )
}

/** The checkpoint that a decision is about; null for what is none. */
function decisionOf(item: Json): number | null {
  const id = isObject(item) ? (item.trigger ?? item.abort) : undefined
  return typeof id === 'number' ? id : null
}

function isSameByChannel(expected: readonly Json[], found: readonly Json[]): boolean {
  const of = (items: readonly Json[], channel: Json) =>
    items.filter((item) => isEqual(channelOf(item), channel))
  return (
    expected.length === found.length &&
    expected.every((item) => isSameList(of(expected, channelOf(item)), of(found, channelOf(item)), isEqual))
  )
}

function channelOf(item: Json): Json {
  return isObject(item) ? (item.channel ?? null) : null
}

type Compare = (a: readonly Json[], b: readonly Json[]) => boolean

function isSameCut(a: readonly Json[], b: readonly Json[], isSamePart: Compare): boolean {
  return (
    isSameList(a.filter(isCut), b.filter(isCut), isEqual) &&
    isSameList(split(a, isCut), split(b, isCut), isSamePart)
  )
}

/** The stretches before, between and after the items that cut. */
function split(items: readonly Json[], cuts: (item: Json) => boolean): Json[][] {
  const parts: Json[][] = [[]]
  for (const item of items) {
    if (cuts(item)) parts.push([])
    else parts.at(-1)!.push(item)
  }
  return parts
}

/** Each run of records with one timestamp must be found at its place, in any order. */
function isSameByTimestamp(expected: readonly Json[], found: readonly Json[]): boolean {
  if (expected.length !== found.length) return false
  let start = 0
  while (start < expected.length) {
    let end = start + 1
    while (end < expected.length && isEqual(timestampOf(expected[end]!), timestampOf(expected[start]!))) end++
    if (!isSameMultiset(expected.slice(start, end), found.slice(start, end))) return false
    start = end
  }
  return true
}

function timestampOf(item: Json): Json {
  return isObject(item) ? (item.ts ?? null) : null
}
