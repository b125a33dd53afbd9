/** TYPE_MISMATCH errors: `trade.price: expected float64, found string 'x'`. */
import { SluiceError } from '../base/errors.ts'

/** What messages call a whole record, whose path is empty. */
const ROOT = 'value'

/** `expected` is a clause such as `float64`. The path is also in the details. */
export function mismatch(path: string, expected: string, found: unknown): SluiceError {
  return atPath(path, `expected ${expected}, found ${describeValue(found)}`)
}

/** An error from inside a value that does not know its own path, with that path in front. */
export function mismatchAt(path: string, thrown: unknown): unknown {
  if (!(thrown instanceof SluiceError) || thrown.code !== 'TYPE_MISMATCH') return thrown
  const { path: inner = '', clause = thrown.message } = thrown.details
  return atPath(joinPaths(path, String(inner)), String(clause))
}

function atPath(path: string, clause: string): SluiceError {
  return new SluiceError('TYPE_MISMATCH', `${path === '' ? ROOT : path}: ${clause}`, {
    details: { path, clause },
  })
}

function joinPaths(outer: string, inner: string): string {
  return outer === '' || inner === '' || /^[[{]/.test(inner) ? outer + inner : `${outer}.${inner}`
}

const TEXT_SHOWN_MAX = 40

/** A value as an error message names it: its type, and what it is if that is short. */
function describeValue(value: unknown): string {
  switch (typeof value) {
    case 'string':
      return `string '${value.length > TEXT_SHOWN_MAX ? `${value.slice(0, TEXT_SHOWN_MAX)}...` : value}'`
    case 'number':
      return `number ${Object.is(value, -0) ? '-0' : value}`
    case 'bigint': {
      const isShort = value < 10n ** 20n && value > -(10n ** 20n)
      return isShort ? `bigint ${value}n` : 'a large bigint'
    }
    case 'boolean':
      return `boolean ${value}`
    case 'object':
      return describeObject(value)
    default:
      return typeof value
  }
}

function describeObject(value: object | null): string {
  if (value === null) return 'null'
  if (Array.isArray(value)) return `a list of ${value.length}`
  const name = Object.getPrototypeOf(value)?.constructor?.name
  return typeof name === 'string' && name !== '' && name !== 'Object' ? `an instance of ${name}` : 'an object'
}
