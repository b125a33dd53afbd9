/** The oldest NATS server Sluice works with, and comparison of versions such as `2.10.27` or `v2.9.10-beta`. */

/** Debian 12's. Anything newer that Sluice uses is detected, never assumed. */
export const NATS_VERSION_MIN = '2.9.10'

export function isNatsVersionAtLeast(version: string, floor: string): boolean {
  return compareNatsVersions(version, floor) >= 0
}

/** Negative, zero or positive, as `sort` wants it. */
export function compareNatsVersions(a: string, b: string): number {
  const [left, right] = [numbersOf(a), numbersOf(b)]
  for (let i = 0; i < 3; i++) {
    const difference = (left[i] ?? 0) - (right[i] ?? 0)
    if (difference !== 0) return difference
  }
  return 0
}

function numbersOf(version: string): number[] {
  return (/\d+(\.\d+)*/.exec(version)?.[0] ?? '0').split('.').map(Number)
}
