/** Durations and sizes as people write them: `'5s'`, `'1.5m'`, `'64mb'`; plain numbers are ms and bytes. */
import { SluiceError } from './errors.ts'

/** Milliseconds, or a number with one of the units ms, s, m, h, d. */
export type Duration = number | string
/** Bytes, or a number with one of the units b, kb, mb, gb (powers of 1024). */
export type ByteSize = number | string

const DURATION_UNITS_MS: Record<string, number> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }
const SIZE_UNITS_BYTES: Record<string, number> = { b: 1, kb: 1024, mb: 1024 ** 2, gb: 1024 ** 3 }

/** Integer milliseconds. Throws CONFIG_INVALID naming the accepted forms. */
export function parseDuration(value: Duration): number {
  return parseQuantity(
    value,
    DURATION_UNITS_MS,
    'ms',
    "a duration such as '500ms', '5s', '1.5m', '2h', '1d' or milliseconds",
  )
}

/** Integer bytes. Throws CONFIG_INVALID naming the accepted forms. */
export function parseByteSize(value: ByteSize): number {
  return parseQuantity(value, SIZE_UNITS_BYTES, 'b', "a size such as '512kb', '64mb', '2gb' or bytes")
}

function parseQuantity(
  value: number | string,
  units: Record<string, number>,
  unitless: string,
  expected: string,
): number {
  const match = /^\s*([+-]?\d+(?:\.\d+)?)\s*([a-z]*)\s*$/i.exec(String(value))
  const unit = (match?.[2] || unitless).toLowerCase()
  const factor = Object.hasOwn(units, unit) ? units[unit] : undefined
  if (match === null || factor === undefined) {
    throw new SluiceError('CONFIG_INVALID', `expected ${expected}, found ${JSON.stringify(value)}`)
  }
  return Math.round(Number(match[1]) * factor)
}

/** `950ms`, `1.5s`, `2m 5s`, `3h 4m`: two units at most. */
export function formatDuration(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)}ms`
  if (ms < 60_000) return `${Math.round(ms / 100) / 10}s`
  const [large, small, largeMs, smallMs] =
    ms < 3_600_000 ? ['m', 's', 60_000, 1000] : ['h', 'm', 3_600_000, 60_000]
  const rest = Math.floor((ms % (largeMs as number)) / (smallMs as number))
  return `${Math.floor(ms / (largeMs as number))}${large}${rest === 0 ? '' : ` ${rest}${small}`}`
}

/** `512 B`, `1.5 KB`, `64 MB`. */
export function formatBytes(bytes: number): string {
  const names = ['B', 'KB', 'MB', 'GB', 'TB']
  let index = 0
  while (bytes >= 1024 && index < names.length - 1) {
    bytes /= 1024
    index++
  }
  return `${index === 0 ? bytes : Math.round(bytes * 10) / 10} ${names[index]}`
}
