/**
 * Avro values by `avsc`, an optional peer: loaded when the first Avro type is built, and asked for in plain
 * words when it is missing. Its decoder trusts lengths and counts, so bytes are walked over first.
 */
import { createRequire } from 'node:module'
import type * as Avsc from 'avsc'
import { ByteReader } from '../base/byte-reader.ts'
import { asError, SluiceError } from '../base/errors.ts'
import { checkAvro } from './avro-check.ts'
import type { ByteCodec } from './byte-codec.ts'
import { mismatch } from './mismatch.ts'
import type { AvroSchema } from './schema.ts'

/** Throws UNSUPPORTED when avsc is not installed, TYPE_MISMATCH when it refuses the schema. */
export function avroCodec(schema: AvroSchema): ByteCodec<unknown> {
  const { Type } = loadAvsc()
  let type: Avsc.Type
  try {
    type = Type.forSchema(structuredClone(schema) as Avsc.Schema)
  } catch (thrown) {
    throw new SluiceError('TYPE_MISMATCH', `expected an Avro schema: ${asError(thrown).message}`, {
      cause: thrown,
    })
  }
  const reader = new ByteReader(new Uint8Array(0))
  return {
    encode(value) {
      try {
        return type.toBuffer(value)
      } catch (thrown) {
        throw explain(type, value, thrown)
      }
    },
    decode(bytes) {
      reader.reset(bytes)
      checkAvro(type, reader)
      try {
        return type.fromBuffer(Buffer.from(bytes))
      } catch (thrown) {
        throw new SluiceError('DECODE_FAILED', `expected an Avro value: ${asError(thrown).message}`, {
          cause: thrown,
        })
      }
    },
  }
}

function loadAvsc(): typeof Avsc {
  try {
    return createRequire(import.meta.url)('avsc') as typeof Avsc
  } catch (thrown) {
    const advice = "Avro types need the package 'avsc' (version 5.7.9 or later): npm install avsc"
    throw new SluiceError('UNSUPPORTED', advice, { cause: thrown })
  }
}

/** avsc says what it expected but not where; its validator does. */
function explain(type: Avsc.Type, value: unknown, thrown: unknown): SluiceError {
  let found: SluiceError | undefined
  try {
    type.isValid(value, {
      errorHook(path: string[], part: unknown, expected: Avsc.Type) {
        found ??= mismatch(path.join('.'), `Avro ${expected.typeName}`, part)
      },
    })
  } catch {
    // A value that its validator cannot walk over (a cycle): what the encoder said has to do.
  }
  return found ?? new SluiceError('TYPE_MISMATCH', `value: ${asError(thrown).message}`, { cause: thrown })
}
