/** How small an encoded value can be, and how large collections may be: what decoders check counts against. */
import type { FieldSchema, Schema } from './schema.ts'

/** Elements of one list. */
export const LIST_LENGTH_MAX = 2 ** 32 - 1
/** Entries of one map: what V8 allows a Map to hold. */
export const MAP_SIZE_MAX = 2 ** 24

/** Bits that a value takes in a batch at least. */
export function minimumBits(schema: Schema): number {
  switch (schema.kind) {
    case 'boolean':
    case 'nullable':
      return 1
    case 'tuple':
      return sum(schema.elements.map(minimumBits))
    case 'object':
      return sum(schema.fields.map(fieldBits))
    default:
      return 8
  }
}

/** Whether a value takes no bytes at all in a row: an object of nothing. */
export function isEmptyShape(schema: Schema): boolean {
  return minimumBits(schema) === 0
}

function fieldBits(field: FieldSchema): number {
  return field.isOptional === true ? 1 : minimumBits(field.schema)
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0)
}
