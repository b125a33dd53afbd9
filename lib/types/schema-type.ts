/** A type made from nothing but its schema: what `t` builds, and what reads the data of a job without its code. */
import { generateBatchDecoder } from './batch-decoder-code.ts'
import { generateBatchEncoder } from './batch-encoder-code.ts'
import { generateDetach } from './detach-code.ts'
import { generateRowCodec } from './row-code.ts'
import { isImmutableSchema, parseSchema, type Schema } from './schema.ts'
import type { BatchDecoder, BatchEncoder, RowCodec, Type } from './type.ts'

/** The type a schema describes. Throws TYPE_MISMATCH if it is no schema; see {@link parseSchema}. */
export function schemaToType(schema: Schema): Type<unknown> {
  return new SchemaType(schema)
}

export class SchemaType<T> implements Type<T> {
  readonly schema: Schema
  readonly isImmutable: boolean
  #row: RowCodec<T> | undefined
  #encoder: (new () => BatchEncoder<T>) | undefined
  #decoder: (new () => BatchDecoder<T>) | undefined
  #detach: ((value: T) => T) | undefined

  constructor(schema: unknown) {
    this.schema = parseSchema(schema)
    this.isImmutable = isImmutableSchema(this.schema)
  }

  get row(): RowCodec<T> {
    this.#row ??= generateRowCodec<T>(this.schema)
    return this.#row
  }

  newBatchEncoder(): BatchEncoder<T> {
    this.#encoder ??= generateBatchEncoder<T>(this.schema)
    return new this.#encoder()
  }

  newBatchDecoder(): BatchDecoder<T> {
    this.#decoder ??= generateBatchDecoder<T>(this.schema)
    return new this.#decoder()
  }

  detach(value: T): T {
    this.#detach ??= generateDetach<T>(this.schema)
    return this.#detach(value)
  }
}
