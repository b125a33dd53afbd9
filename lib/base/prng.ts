/**
 * Seeded randomness. Production seeds it from the operating system once per process, tests and the simulator
 * with a number they print; nobody else calls `Math.random`.
 */

export interface Random {
  /** Uniform in [0, 2^32). */
  nextUint32(): number
  /** Uniform integer in [0, bound); bound in [1, 2^32]. */
  nextInt(bound: number): number
  /** Uniform in [0, 1). */
  nextFloat(): number
}

/** The sfc32 generator (C. Doty-Humphrey, PractRand): 128 bits of state, four additions per draw. */
export class SeededRandom implements Random {
  #a: number
  #b: number
  #c: number
  #counter = 1

  constructor(seed: number) {
    this.#a = seed | 0
    this.#b = (seed / 2 ** 32) | 0
    this.#c = 0x9e3779b9 | 0
    for (let i = 0; i < 12; i++) this.nextUint32()
  }

  nextUint32(): number {
    const sum = (((this.#a + this.#b) | 0) + this.#counter) | 0
    this.#counter = (this.#counter + 1) | 0
    this.#a = this.#b ^ (this.#b >>> 9)
    this.#b = (this.#c + (this.#c << 3)) | 0
    this.#c = ((this.#c << 21) | (this.#c >>> 11)) + sum
    this.#c |= 0
    return sum >>> 0
  }

  nextInt(bound: number): number {
    return Math.floor(this.nextFloat() * bound)
  }

  nextFloat(): number {
    return this.nextUint32() / 2 ** 32
  }
}

/** A generator no two processes share. */
export function systemRandom(): Random {
  return new SeededRandom(Math.floor(Math.random() * Number.MAX_SAFE_INTEGER))
}
