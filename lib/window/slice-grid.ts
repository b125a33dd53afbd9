/**
 * Aligned windows cut into slices of gcd(size, slide): every window is a whole number of them, and all records of a
 * slice are in the same windows (Krishnamurthy et al. 2006). A slice is known by its first millisecond.
 */
import { windowStart } from './window.ts'
import type { AlignedWindows } from './window-assigner.ts'

export class SliceGrid {
  readonly sizeMs: number
  readonly slideMs: number
  readonly offsetMs: number
  readonly sliceMs: number

  constructor({ sizeMs, slideMs, offsetMs }: Pick<AlignedWindows<never>, 'sizeMs' | 'slideMs' | 'offsetMs'>) {
    this.sizeMs = sizeMs
    this.slideMs = slideMs
    this.offsetMs = offsetMs
    this.sliceMs = greatestCommonDivisor(sizeMs, slideMs)
  }

  sliceOf(timestamp: number): number {
    return windowStart(timestamp, this.offsetMs, this.sliceMs)
  }

  /** The end of the first window over a slice. */
  firstEndOver(slice: number): number {
    return (
      windowStart(slice + this.sliceMs - this.sizeMs + this.slideMs - 1, this.offsetMs, this.slideMs) +
      this.sizeMs
    )
  }

  lastEndOver(slice: number): number {
    return windowStart(slice, this.offsetMs, this.slideMs) + this.sizeMs
  }

  /** The last end of a window that is not after `time`. All slices from there on are in later windows only. */
  lastEndUntil(time: number): number {
    return windowStart(time - this.sizeMs, this.offsetMs, this.slideMs) + this.sizeMs
  }

  /** The first slice over which there is a window that ends after `time`. */
  firstSliceAfter(time: number): number {
    return this.lastEndUntil(time) - this.sizeMs + this.slideMs
  }
}

function greatestCommonDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestCommonDivisor(b, a % b)
}
