/** Reads state that an older version of a job may have written; refuses what does not fit, naming every mismatch. */
import type { ByteReader } from '../base/byte-reader.ts'
import { SluiceError } from '../base/errors.ts'
import { resolveRows } from '../types/compatibility.ts'
import type { Schema } from '../types/schema.ts'
import type { Type } from '../types/type.ts'

/** A reader of values of `type` from rows written with `written`. Throws STATE_INCOMPATIBLE. */
export function rowReader<T>(written: Schema, type: Type<T>, stateName: string): (input: ByteReader) => T {
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
