/**
 * The randomness of Nexmark's generator: a stream of 32-bit numbers that a seed and an event's number decide, and
 * what is drawn from it. Every operation is exact in 32-bit integers or IEEE doubles, so that any language gets the
 * same events. The mixing function is the "lowbias32" family of Chris Wellons' hash prospector, the stream is
 * SplitMix's (Steele, Lea, Flood 2014) with 32 bits.
 */

const TWO_TO_32 = 2 ** 32
const STREAM_STEP = 0x9e3779b9 | 0
const SEED_SALT = 0x4e584d4b
/** Longest text that `text` makes, and more. */
const TEXT_LENGTH_MAX = 128
const LETTER_A = 97

export function mix32(x: number): number {
  x ^= x >>> 16
  x = Math.imul(x, 0x21f0aaad)
  x ^= x >>> 15
  x = Math.imul(x, 0xd35a2d97)
  return x ^ (x >>> 15)
}

/** The state in which the stream of event `n` starts; a signed 32-bit integer, as all states here. */
export function streamStart(seed: number, n: number): number {
  const high = Math.floor(n / TWO_TO_32)
  return mix32(mix32(mix32(seed ^ SEED_SALT) + (n | 0)) ^ high)
}

export class Draws {
  /** Signed, since V8 keeps 32 signed bits in a field without allocating, but not 32 unsigned ones. */
  #state: number
  readonly #letters = Buffer.alloc(TEXT_LENGTH_MAX)

  constructor(state = 0) {
    this.#state = state | 0
  }

  restart(state: number): void {
    this.#state = state
  }

  /** Uniform over 0..2^32-1. */
  next(): number {
    this.#state = (this.#state + STREAM_STEP) | 0
    return mix32(this.#state) >>> 0
  }

  /** Uniform over 0..k-1, for k up to 2^21: so far the product is an exact double. */
  nextInt(k: number): number {
    return ((this.next() * k) / TWO_TO_32) | 0
  }

  /** The same for k up to 2^32: the product is taken in two halves. */
  nextIntLarge(k: number): number {
    const u = this.next()
    return Math.floor(((u >>> 16) * k + Math.floor(((u & 0xffff) * k) / 65536)) / 65536)
  }

  /** Log-uniform over 100..10^8: a decade and 24 bits inside it, by table: `Math.pow` differs between machines. */
  nextPrice(): number {
    const scaled = this.next() * 6
    const fraction = (scaled >>> 0) >>> 8
    const factor = COARSE_POWERS[fraction >>> 12]! * FINE_POWERS[fraction & 4095]!
    return Math.floor(DECADES[(scaled / TWO_TO_32) | 0]! * factor + 0.5)
  }

  /** Letters, with `special` (a character code) for one in 13, of length 3 to max-1; spaces at the ends are cut off. */
  nextText(lengthMax: number, special: number): string {
    const letters = this.#letters
    let end = 3 + this.nextInt(lengthMax - 3)
    for (let i = 0; i < end; i++) {
      const v = this.nextInt(338)
      letters[i] = v < 26 ? special : LETTER_A + (v % 26)
    }
    let begin = 0
    while (begin < end && letters[begin] === SPACE) begin++
    while (end > begin && letters[end - 1] === SPACE) end--
    return letters.toString('latin1', begin, end)
  }
}

export const SPACE = 32
export const UNDERSCORE = 95

const DECADES = Float64Array.of(1e2, 1e3, 1e4, 1e5, 1e6, 1e7)

/** 10^(2^-k) for k = 1..24. */
const ROOTS_OF_TEN = [
  3.1622776601683795, 1.7782794100389228, 1.333521432163324, 1.1547819846894583, 1.0746078283213174,
  1.036632928437698, 1.018151721718182, 1.0090350448414473, 1.0045073642544624, 1.0022511482929128,
  1.00112494139988, 1.0005623126022087, 1.00028111678778, 1.0001405485169472, 1.0000702717894114,
  1.000035135277462, 1.0000175674844227, 1.0000087837036347, 1.0000043918421733, 1.0000021959186756,
  1.000001097958735, 1.0000005489792168, 1.0000002744895706, 1.000000137244776,
]

/** Entry i: the product of the roots whose bits are set in i, the first root having the highest bit of 12. */
function productsOf(roots: readonly number[]): Float64Array {
  return Float64Array.from({ length: 4096 }, (_, i) =>
    roots.reduce((product, root, k) => ((i >>> (11 - k)) & 1 ? product * root : product), 1),
  )
}

const COARSE_POWERS = productsOf(ROOTS_OF_TEN.slice(0, 12))
const FINE_POWERS = productsOf(ROOTS_OF_TEN.slice(12))
