/** Reads state that an older version of a job may have written; refuses what does not fit, naming every mismatch. */
import type { ByteReader } from '../base/byte-reader.ts'
import { SluiceError } from '../base/errors.ts'
import { resolveRows } from '../types/compatibility.ts'
import type { Schema } from '../types/schema.ts'
import type { Type } from '../types/type.ts'
import { isStampedSchema } from './state-ttl.ts'

/** A reader of values of `type` from rows written with `written`. Throws STATE_INCOMPATIBLE. */
export function rowReader<T>(written: Schema, type: Type<T>, stateName: string): (input: ByteReader) => T {
  const hadTtl = isStampedSchema(written)
  if (hadTtl !== isStampedSchema(type.schema)) throw ttlMismatch(stateName, hadTtl)
  const resolved = resolveRows(written, type)
  switch (resolved.kind) {
    case 'same':
      return (input) => type.row.read(input)
    case 'migrate':
      return resolved.read
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
