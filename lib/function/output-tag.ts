/** Names a side output of an operator, and the type of its records. */
import { SluiceError } from '../base/errors.ts'
import { TOKEN_PATTERN } from '../base/ids.ts'
import { t } from '../types/t.ts'
import type { Type } from '../types/type.ts'

export class OutputTag<T> {
  readonly id: string
  readonly type: Type<T>

  constructor(id: string, type: Type<T> = t.any as Type<T>) {
    if (!TOKEN_PATTERN.test(id)) {
      throw new SluiceError(
        'GRAPH_INVALID',
        `output tag ${JSON.stringify(id)}: expected 1 to 64 characters out of letters, digits, '_', '-'`,
      )
    }
    this.id = id
    this.type = type
  }
}

/** `const late = outputTag('late', Trade)`. */
export function outputTag<T>(id: string, type?: Type<T>): OutputTag<T> {
  return new OutputTag(id, type)
}
