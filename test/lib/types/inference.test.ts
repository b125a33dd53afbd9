/** Mostly checked by the compiler: each `@ts-expect-error` fails the build if its line is no error. */
import t from 'tap'
import { type DefaultedField, t as types } from '../../../lib/types/t.ts'
import type { BatchEncoder, Infer, Type } from '../../../lib/types/type.ts'

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
function check<_ extends true>(): void {}

const trade = types.object({
  symbol: types.string,
  price: types.float64,
  at: types.timestamp,
  side: types.literal('bid', 'ask'),
  note: types.optional(types.string),
  retries: types.defaulted(types.int32, 0),
  parent: types.nullable(types.object({ id: types.bigint })),
  tags: types.list(types.string),
  limits: types.map(types.string, types.int64),
  pair: types.tuple(types.string, types.boolean),
  raw: types.bytes,
  extra: types.any,
})

interface Trade {
  symbol: string
  price: number
  at: number
  side: 'bid' | 'ask'
  note?: string
  retries: number
  parent: { id: bigint } | null
  tags: string[]
  limits: Map<string, number>
  pair: [string, boolean]
  raw: Uint8Array
  extra: unknown
}

const event = types.union('kind', {
  opened: types.object({ by: types.string, note: types.optional(types.string) }),
  closed: types.object({}),
})
type Event = { kind: 'opened'; by: string; note?: string } | { kind: 'closed' }

check<Equal<Infer<typeof trade>, { [K in keyof Trade]: Trade[K] }>>()
check<Equal<Infer<typeof event>, Event>>()
check<Equal<Infer<typeof types.string>, string>>()
check<Equal<Infer<ReturnType<typeof types.avro<{ a: 1 }>>>, { a: 1 }>>()
check<Equal<Infer<Type<unknown>>, unknown>>()

/** Never called: only its types matter. */
export function misuse(encoder: BatchEncoder<Trade>, value: Trade): void {
  encoder.write(value)
  // @ts-expect-error a field is missing
  encoder.write({ ...value, symbol: undefined })
  // @ts-expect-error a field has another type
  encoder.write({ ...value, price: 'x' })
  // @ts-expect-error a field has another name
  encoder.write({ ...value, prize: 1 })
  // @ts-expect-error not one of the literals
  encoder.write({ ...value, side: 'buy' })
  // @ts-expect-error null where undefined is meant
  encoder.write({ ...value, note: null })
  // @ts-expect-error undefined where null is meant
  encoder.write({ ...value, parent: undefined })
  // @ts-expect-error a tuple of another length
  encoder.write({ ...value, pair: ['a', true, 1] })

  const typed: Type<Trade> = trade
  // @ts-expect-error a type of other values
  const wrong: Type<{ symbol: number }> = trade
  // @ts-expect-error a type with fewer fields does not make values with more
  const fewer: Type<{ a: string; b: string }> = types.object({ a: types.string })
  const unknown: Type<unknown> = trade
  void [typed, wrong, fewer, unknown]

  // @ts-expect-error only objects have optional parts
  types.list(types.optional(types.string))
  // @ts-expect-error only fields have defaults
  types.nullable(types.defaulted(types.string, 'x'))
  // @ts-expect-error a default of another type
  types.defaulted(types.string, 5)
  // @ts-expect-error not one of the literals
  types.defaulted(types.literal('a', 'b'), 'c')
  // @ts-expect-error variants are objects
  types.union('kind', { a: types.string })
  // @ts-expect-error a literal has members
  types.literal()

  const made: Event = { kind: 'closed' }
  // @ts-expect-error a variant's field is missing
  const incomplete: Event = { kind: 'opened' }
  // @ts-expect-error no such variant
  const other: Infer<typeof event> = { kind: 'moved' }
  void [made, incomplete, other]
}

t.test('inference - a type made by the builder describes what TypeScript infers', async (t) => {
  const defaulted: DefaultedField<number> = types.defaulted(types.int32, 0)
  t.equal(defaulted.defaulted, types.int32)
  t.same(
    trade.fields.map(({ name }) => name),
    ['symbol', 'price', 'at', 'side', 'note', 'retries', 'parent', 'tags', 'limits', 'pair', 'raw', 'extra'],
  )
})
