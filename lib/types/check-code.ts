/**
 * Generated checks shared by the batch and the row encoder: does a value fit its schema? A failed check throws
 * `mismatch`; the path is put together only then.
 */
import { type Code, type PathCode, quote } from './code.ts'
import { mismatch } from './mismatch.ts'
import type { Schema } from './schema.ts'

/** A switch over more cases than this is slower than a look-up in a Map. */
const CASES_MAX = 16

/** What a value of a kind must be, for kinds that one condition decides. */
const CONDITIONS: Partial<Record<Schema['kind'], { fits: (value: string) => string; expected: string }>> = {
  string: { fits: (value) => `typeof ${value} === "string"`, expected: 'string' },
  boolean: { fits: (value) => `typeof ${value} === "boolean"`, expected: 'boolean' },
  int32: {
    fits: (value) => `typeof ${value} === "number" && (${value} | 0) === ${value}`,
    expected: 'int32',
  },
  int64: { fits: (value) => `Number.isSafeInteger(${value})`, expected: 'int64 (a safe integer)' },
  float64: { fits: (value) => `typeof ${value} === "number"`, expected: 'float64' },
  bigint: { fits: (value) => `typeof ${value} === "bigint"`, expected: 'bigint' },
  timestamp: { fits: (value) => `Number.isSafeInteger(${value})`, expected: 'timestamp (integer ms)' },
  bytes: { fits: (value) => `${value} instanceof Uint8Array`, expected: 'bytes (Uint8Array)' },
  list: { fits: (value) => `Array.isArray(${value})`, expected: 'a list' },
  map: { fits: (value) => `${value} instanceof Map`, expected: 'a Map' },
  object: { fits: (value) => `typeof ${value} === "object" && ${value} !== null`, expected: 'an object' },
  union: { fits: (value) => `typeof ${value} === "object" && ${value} !== null`, expected: 'an object' },
}

/** Emits the check that the value in variable `value` has the kind of `schema`; its parts are checked later. */
export function emitCheck(code: Code, schema: Schema, value: string, path: PathCode): void {
  if (schema.kind === 'tuple') {
    const size = schema.elements.length
    const fits = `Array.isArray(${value}) && ${value}.length === ${size}`
    code.line(`if (!(${fits})) ${throwMismatch(code, path, `a list of ${size}`, value)}`)
    return
  }
  const condition = CONDITIONS[schema.kind]
  if (condition === undefined) return
  code.line(`if (!(${condition.fits(value)})) ${throwMismatch(code, path, condition.expected, value)}`)
}

/** Emits a variable with the index of the string `value` among `choices`, and returns its name. */
export function emitIndexOf(code: Code, choices: readonly string[], value: string, path: PathCode): string {
  const index = code.fresh()
  const refusal = throwMismatch(code, path, oneOf(choices), value)
  if (choices.length > CASES_MAX) {
    const indices = code.constant(new Map(choices.map((choice, i) => [choice, i])))
    code.line(`const ${index} = ${indices}.get(${value})`)
    code.line(`if (${index} === undefined) ${refusal}`)
    return index
  }
  code.line(`let ${index}`)
  code.line(`switch (${value}) {`)
  for (const [i, choice] of choices.entries()) code.line(`case ${quote(choice)}: ${index} = ${i}; break`)
  code.line(`default: ${refusal}`)
  code.line('}')
  return index
}

function throwMismatch(code: Code, path: PathCode, expected: string, value: string): string {
  return `throw ${code.constant(mismatch)}(${path.expression}, ${quote(expected)}, ${value})`
}

const CHOICES_SHOWN_MAX = 8

function oneOf(choices: readonly string[]): string {
  const shown = choices.slice(0, CHOICES_SHOWN_MAX).map((choice) => `'${choice}'`)
  const rest = choices.length - shown.length
  return `${shown.join(' | ')}${rest > 0 ? ` | ${rest} more` : ''}`
}
