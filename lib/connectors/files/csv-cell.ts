/**
 * What the text between two delimiters means for a field of some type, and back. Fields that may be absent (optional,
 * nullable or with a default) are so if the cell is empty and not in quotes; empty strings of such fields are written
 * as `""`. Lists, maps and the like are JSON in a cell.
 */
import { SluiceError } from '../../base/errors.ts'
import type { FieldSchema, Schema } from '../../types/schema.ts'
import { schemaToType } from '../../types/schema-type.ts'
import { bigintOf, bytesOf, defaultOf, jsonReader, timestampOf, toJsonText } from './json-value.ts'

/** The value of a cell, or {@link UNREADABLE}. */
export type CellReader = (text: string, isQuoted: boolean) => unknown
/** The text of a cell; null for one that is empty without quotes because the field is absent. */
export type CellWriter = (value: unknown) => string | null

/** Says that a text is not of the expected type; a value no cell can have. */
export const UNREADABLE = Symbol('unreadable')

export interface CellCodec {
  readonly read: CellReader
  readonly write: CellWriter
  /** For messages. */
  readonly expected: string
  /** Empty text has to be quoted, since without quotes it says that there is no value. */
  readonly isEmptyQuoted: boolean
}

interface TextCodec {
  readonly expected: string
  readonly read: (text: string) => unknown
  readonly write: (value: never) => string
}

/** Throws UNSUPPORTED for Avro types. */
export function cellCodec(field: FieldSchema): CellCodec {
  const isNullable = field.schema.kind === 'nullable'
  const codec = textCodec(field.schema.kind === 'nullable' ? field.schema.of : field.schema, field.name)
  const absent = absentValue(field)
  const write: CellWriter = (value) =>
    value === undefined || (value === null && absent !== null) ? null : codec.write(value as never)
  if (absent === null) return { read: codec.read, write, expected: codec.expected, isEmptyQuoted: false }
  return {
    read: (text, isQuoted) => (text === '' && !isQuoted ? absent() : codec.read(text)),
    write,
    expected: `${codec.expected}${isNullable ? ' or nothing' : ''}`,
    isEmptyQuoted: true,
  }
}

/** What a field is if its column is missing or its cell is empty; null if it must be there. */
export function absentValue(field: FieldSchema): (() => unknown) | null {
  if (field.default !== undefined) return defaultOf(field)
  if (field.isOptional === true) return () => undefined
  return field.schema.kind === 'nullable' ? () => null : null
}

function textCodec(schema: Schema, name: string): TextCodec {
  switch (schema.kind) {
    case 'string':
      return { expected: 'string', read: (text) => text, write: (value: string) => value }
    case 'int32':
      return { expected: 'int32', read: readInt32, write: (value: number) => `${value}` }
    case 'int64':
      return { expected: 'int64', read: readInt64, write: (value: number) => `${value}` }
    case 'float64':
      return { expected: 'float64', read: readFloat, write: writeFloat }
    case 'timestamp':
      return {
        expected: 'timestamp (ms or ISO 8601)',
        read: readTimestamp,
        write: (value: number) => `${value}`,
      }
    case 'boolean':
      return { expected: 'true or false', read: readBoolean, write: (value: boolean) => `${value}` }
    case 'bigint':
      return {
        expected: 'bigint',
        read: (text) => bigintOf(text.trim()) ?? UNREADABLE,
        write: (value: bigint) => `${value}`,
      }
    case 'bytes':
      return { expected: 'bytes (base64)', read: (text) => bytesOf(text) ?? UNREADABLE, write: writeBytes }
    case 'literal': {
      const values = new Set(schema.values)
      const expected = schema.values.map((value) => `'${value}'`).join(' | ')
      return {
        expected,
        read: (text) => (values.has(text) ? text : UNREADABLE),
        write: (value: string) => value,
      }
    }
    case 'avro':
      throw new SluiceError('UNSUPPORTED', `field "${name}" is of an Avro type, which CSV cannot carry`)
    default:
      return jsonCodec(schema)
  }
}

function jsonCodec(schema: Schema): TextCodec {
  const fromJson = jsonReader(schemaToType(schema))
  const read = (text: string) => {
    try {
      return fromJson(JSON.parse(text))
    } catch {
      return UNREADABLE
    }
  }
  return { expected: `${schema.kind} as JSON`, read, write: (value: unknown) => toJsonText(value) }
}

/** As JavaScript reads numbers, but neither blank nor in hexadecimal, octal or binary. NaN for everything else. */
function readNumber(text: string): number {
  const value = Number(text)
  const first = text.charCodeAt(0)
  // Fast for what begins with 1 to 9; what begins otherwise is looked at closely.
  return first > 48 && first < 58 ? value : isDecimal(text) ? value : Number.NaN
}

function isDecimal(text: string): boolean {
  return /^\s*[+-]?(\d|\.\d|Infinity)/.test(text) && !/^\s*0[xob]/i.test(text)
}

function readInt32(text: string): unknown {
  const value = readNumber(text)
  return (value | 0) === value ? value + 0 : UNREADABLE
}

function readInt64(text: string): unknown {
  const value = readNumber(text)
  return Number.isSafeInteger(value) ? value + 0 : UNREADABLE
}

function readFloat(text: string): unknown {
  const value = readNumber(text)
  return Number.isNaN(value) && text.trim() !== 'NaN' ? UNREADABLE : value
}

function writeFloat(value: number): string {
  return Object.is(value, -0) ? '-0' : `${value}`
}

function readTimestamp(text: string): unknown {
  const value = readNumber(text)
  return Number.isSafeInteger(value) ? value + 0 : (timestampOf(text.trim()) ?? UNREADABLE)
}

function readBoolean(text: string): unknown {
  return text === 'true' ? true : text === 'false' ? false : UNREADABLE
}

function writeBytes(value: Uint8Array): string {
  return Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('base64')
}
