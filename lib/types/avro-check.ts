/**
 * Walks over the bytes of one Avro value before avsc decodes it. avsc reads past the end without noticing
 * until it is done, so a few bytes that announce an array of 2^50 items would keep it busy for ever; and it
 * would take a map key `__proto__` for the prototype.
 */
import type * as Avsc from 'avsc'
import type { ByteReader } from '../base/byte-reader.ts'
import { latin1Slice } from '../base/byte-text.ts'

/** Recursive Avro types may nest values this deep. */
const AVRO_DEPTH_MAX = 128
/** Items that take no bytes (nulls, empty records) in one value, at most, beyond one per byte of it. */
const AVRO_EMPTY_ITEMS_MAX = 65_536

const LONG_BYTES_MAX = 10

/** The parts of avsc's types that matter here; its own declarations leave most of them out. */
interface AvroNode {
  readonly typeName: string
  readonly fields: readonly { readonly type: AvroNode }[]
  readonly itemsType: AvroNode
  readonly valuesType: AvroNode
  readonly types: readonly AvroNode[]
  readonly symbols: readonly string[]
  readonly size: number
}

/** Throws DECODE_FAILED unless `input` is exactly one value of `type`. */
export function checkAvro(type: Avsc.Type, input: ByteReader): void {
  new AvroChecker(input).value(type as unknown as AvroNode, 0)
  if (input.remaining > 0)
    input.fail(`expected the end of an Avro value, found ${input.remaining} more bytes`)
}

class AvroChecker {
  readonly #input: ByteReader
  /** Items of arrays and maps still allowed. */
  #items: number

  constructor(input: ByteReader) {
    this.#input = input
    this.#items = input.remaining + AVRO_EMPTY_ITEMS_MAX
  }

  value(type: AvroNode, depth: number): void {
    const input = this.#input
    if (depth > AVRO_DEPTH_MAX) input.fail(`expected at most ${AVRO_DEPTH_MAX} levels of nesting in Avro`)
    switch (type.typeName) {
      case 'null':
        return
      case 'boolean':
        input.skip(1)
        return
      case 'int':
      case 'long':
        this.#skipLong()
        return
      case 'float':
        input.skip(4)
        return
      case 'double':
        input.skip(8)
        return
      case 'string':
      case 'bytes':
        input.skip(this.#size())
        return
      case 'fixed':
        input.skip(type.size)
        return
      case 'enum':
        this.#choice(type.symbols)
        return
      case 'union:unwrapped':
      case 'union:wrapped':
        this.value(this.#choice(type.types), depth + 1)
        return
      case 'record':
      case 'error':
        for (const field of type.fields) this.value(field.type, depth + 1)
        return
      case 'array':
        this.#blocks(() => this.value(type.itemsType, depth + 1))
        return
      case 'map':
        this.#blocks(() => {
          this.#key()
          this.value(type.valuesType, depth + 1)
        })
        return
      default:
        input.fail(`Avro type ${type.typeName} is not supported`)
    }
  }

  /** Blocks of items; a negative count says that the size of the block in bytes follows. */
  #blocks(item: () => void): void {
    const input = this.#input
    for (;;) {
      let count = input.zigzag()
      if (count === 0) return
      if (count < 0) {
        count = -count
        this.#skipLong()
      }
      if (count > this.#items) input.fail(`expected ${count} items of an Avro array or map`)
      this.#items -= count
      for (let i = 0; i < count; i++) item()
    }
  }

  #choice<T>(choices: readonly T[]): T {
    const index = this.#input.zigzag()
    const choice = choices[index]
    if (choice === undefined)
      return this.#input.fail(`expected one of ${choices.length} choices, found ${index}`)
    return choice
  }

  #key(): void {
    const size = this.#size()
    const at = this.#input.claim(size)
    const isPrototype = size === 9 && latin1Slice(this.#input.buffer, at, at + size) === '__proto__'
    if (isPrototype) this.#input.fail("expected a map key other than '__proto__'")
  }

  #size(): number {
    const size = this.#input.zigzag()
    if (size < 0) this.#input.fail(`expected a size, found ${size}`)
    return size
  }

  #skipLong(): void {
    for (let i = 0; i < LONG_BYTES_MAX; i++) if (this.#input.u8() < 0x80) return
    this.#input.fail('an Avro integer is longer than ten bytes')
  }
}
