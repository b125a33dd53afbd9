/** Reads state that an older version of a job may have written; refuses what does not fit, naming every mismatch. */
import type { ByteReader } from '../base/byte-reader.ts'
import { SluiceError } from '../base/errors.ts'
import { resolveValues } from '../types/compatibility.ts'
import type { Schema } from '../types/schema.ts'
import { schemaToType } from '../types/schema-type.ts'
import type { Type } from '../types/type.ts'
import { isStampedSchema } from './state-ttl.ts'

/** A reader of single values of `type` that were written with `written`. Throws STATE_INCOMPATIBLE. */
export function rowReader<T>(written: Schema, type: Type<T>, stateName: string): (input: ByteReader) => T {
  const { source, convert } = sourceOf(written, type, stateName)
  const { row } = source
  return convert === null ? (input) => row.read(input) as T : (input) => convert(row.read(input)) as T
}

/** The same of batches: gives so many values. */
export function batchReader<T>(
  written: Schema,
  type: Type<T>,
  stateName: string,
): (input: ByteReader, count: number) => T[] {
  const { source, convert } = sourceOf(written, type, stateName)
  const decoder = source.newBatchDecoder()
  return (input, count) => {
    const values: unknown[] = new Array(count)
    decoder.decode(input, count, values)
    return (convert === null ? values : values.map(convert)) as T[]
  }
}

interface Source {
  /** What the values were written as. */
  readonly source: Type<unknown>
  /** Makes them what they are now; null: they are. */
  readonly convert: ((value: unknown) => unknown) | null
}

function sourceOf(written: Schema, type: Type<unknown>, stateName: string): Source {
  const hadTtl = isStampedSchema(written)
  if (hadTtl !== isStampedSchema(type.schema)) throw ttlMismatch(stateName, hadTtl)
  const source = schemaToType(written)
  const resolved = resolveValues(source.schema, type.schema)
  switch (resolved.kind) {
    case 'same':
      return { source: type, convert: null }
    case 'migrate':
      return { source, convert: resolved.convert }
    case 'incompatible':
      throw new SluiceError(
        'STATE_INCOMPATIBLE',
        `state "${stateName}" was saved with another type: ${resolved.mismatches
          .map(({ path, written: old, current, reason }) => `${path}: was ${old}, is ${current} (${reason})`)
          .join('; ')}`,
        { details: { state: stateName, mismatches: resolved.mismatches } },
      )
  }
}

/** As Flink, we do not guess when values that have no time of last access were last used. */
function ttlMismatch(stateName: string, hadTtl: boolean): SluiceError {
  const [saved, declared] = hadTtl ? ['with', 'without'] : ['without', 'with']
  return new SluiceError(
    'STATE_INCOMPATIBLE',
    `state "${stateName}" was saved ${saved} a time-to-live and is declared ${declared} one: declare it as it was, or under another name, which begins empty`,
    { details: { state: stateName } },
  )
}
