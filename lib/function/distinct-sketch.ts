/**
 * How many different values there were, from a few kilobytes whatever their number: HyperLogLog (Flajolet, Fusy,
 * Gandouet, Meunier 2007) with the estimator of Ertl ("New cardinality estimation algorithms for HyperLogLog sketches",
 * 2017), which needs no correction for small or large numbers. Registers are plain bytes, so a sketch is its own
 * encoding, and the union of two is the larger of each pair.
 */

/** What can be counted: compared as `Map` compares keys. */
export type Distinct = string | number | bigint | boolean

/** The bits of a hash that do not choose the register. */
const RANK_BITS = 32
const BITS_MIN = 4
const BITS_MAX = 16
/** The relative standard error is this over the root of the number of registers. */
const ERROR_FACTOR = 1.04

export const SKETCH_ERROR_MIN = ERROR_FACTOR / 2 ** (BITS_MAX / 2)
export const SKETCH_ERROR_MAX = ERROR_FACTOR / 2 ** (BITS_MIN / 2)

/** The hash of the value that {@link hash} saw last: one word chooses the register, the other says how high it goes. */
let firstWord = 0
let secondWord = 0
const doubles = new Float64Array(1)
const halves = new Int32Array(doubles.buffer)

/** An empty sketch with at most this relative standard error, between SKETCH_ERROR_MIN and SKETCH_ERROR_MAX. */
export function newSketch(error: number): Uint8Array {
  const bits = Math.ceil(Math.log2((ERROR_FACTOR / error) ** 2))
  return new Uint8Array(2 ** Math.min(Math.max(bits, BITS_MIN), BITS_MAX))
}

export function addToSketch(sketch: Uint8Array, value: Distinct): void {
  hash(value)
  // The number of registers is a power of two.
  const register = firstWord & (sketch.length - 1)
  const rank = Math.clz32(secondWord) + 1
  if (rank > sketch[register]!) sketch[register] = rank
}

/** Adds what `other`, which has as many registers, has seen. */
export function mergeSketch(sketch: Uint8Array, other: Uint8Array): void {
  for (let i = 0; i < sketch.length; i++) if (other[i]! > sketch[i]!) sketch[i] = other[i]!
}

export function estimateOf(sketch: Uint8Array): number {
  const histogram = new Uint32Array(RANK_BITS + 2)
  for (const rank of sketch) histogram[rank]!++
  const size = sketch.length
  let sum = size * tau(1 - histogram[RANK_BITS + 1]! / size)
  for (let rank = RANK_BITS; rank >= 1; rank--) sum = (sum + histogram[rank]!) / 2
  sum += size * sigma(histogram[0]! / size)
  return Math.round((size * size) / (2 * Math.LN2 * sum))
}

/** x + the sum of x^(2^k) * 2^(k-1) over k from 1: what registers that are still empty stand for. */
function sigma(x: number): number {
  if (x === 1) return Number.POSITIVE_INFINITY
  let sum = x
  let power = x
  for (let weight = 1, before = Number.NaN; sum !== before; weight *= 2) {
    before = sum
    power *= power
    sum += power * weight
  }
  return sum
}

/** A third of 1 - x - the sum of (1 - x^(2^-k))^2 * 2^-k over k from 1: what full registers stand for. */
function tau(x: number): number {
  if (x === 0 || x === 1) return 0
  let sum = 1 - x
  let root = x
  for (let weight = 0.5, before = Number.NaN; sum !== before; weight /= 2) {
    before = sum
    root = Math.sqrt(root)
    sum -= (1 - root) ** 2 * weight
  }
  return sum / 3
}

/** 64 bits in two words. Not keyHash, of 32 bits, in which short texts that are alike often collide. */
function hash(value: Distinct): void {
  firstWord = 0x243f6a88
  secondWord = 0x13198a2e
  switch (typeof value) {
    case 'number':
      // 0 for -0, and one NaN for all.
      doubles[0] = Number.isNaN(value) ? Number.NaN : value + 0
      absorb(halves[0]!)
      absorb(halves[1]!)
      break
    case 'string':
      absorb(value.length)
      for (let i = 0; i < value.length; i++) absorb(value.charCodeAt(i))
      break
    default:
      // Other seeds, so that 1n and true are neither 1 nor '1'.
      absorb(typeof value === 'bigint' ? -1 : -2)
      for (const unit of String(value)) absorb(unit.charCodeAt(0))
  }
  const crossed = firstWord ^ rotate(secondWord, 16)
  secondWord = finish(secondWord + firstWord)
  firstWord = finish(crossed ^ secondWord)
}

function absorb(word: number): void {
  firstWord = Math.imul(rotate(firstWord ^ Math.imul(word, 0xcc9e2d51), 13), 5) + 0x52dce729
  secondWord = Math.imul(rotate(secondWord ^ Math.imul(word, 0x1b873593), 17), 9) + 0x38495ab5
}

/** The finisher of 32-bit murmur3: every bit depends on every bit. */
function finish(word: number): number {
  word = Math.imul(word ^ (word >>> 16), 0x85ebca6b)
  word = Math.imul(word ^ (word >>> 13), 0xc2b2ae35)
  return word ^ (word >>> 16)
}

function rotate(word: number, bits: number): number {
  return (word << bits) | (word >>> (32 - bits))
}
