/**
 * The format of values without a declared type: a tag, then what the tag says. Carries what JSON does and also
 * undefined, NaN, -0, infinities, bigints, Map, Set, Date, RegExp, Error and binary data, exactly. Class
 * instances arrive as plain objects, or as what their toJSON returns. Functions and symbols are refused.
 *
 * Why a format of our own and not msgpackr: that loses -0 and unpaired surrogates, needs every value walked
 * over before (to catch those) and every input after (it recurses as deep as bytes say, looks error classes up
 * by names from the input, formats the whole value into some errors), and keeps its extensions in a table
 * that is global to the process. With both walks it took more than twice as long as this does.
 */

export const TAG = {
  undefined: 0,
  null: 1,
  false: 2,
  true: 3,
  /** A zigzag varint: int32 without -0. */
  int: 4,
  float: 5,
  string: 6,
  bigint: 7,
  list: 8,
  /** A count, then names and values. */
  object: 9,
  /** The index of a shape listed in front of the batch, then the values. */
  shaped: 10,
  map: 11,
  set: 12,
  date: 13,
  bytes: 14,
  /** Other binary data: an index into {@link BINARY_CLASSES}, then the bytes. */
  binary: 15,
  regExp: 16,
  error: 17,
} as const

/** Containers nest at most this deep, which also ends cycles. */
export const ANY_DEPTH_MAX = 64
/** Shapes of objects that a batch lists in front; further ones repeat their names in every object. */
export const SHAPES_MAX = 64
/** An object with more fields than this is a dictionary: listing its shape would gain nothing. */
export const SHAPE_FIELDS_MAX = 64

/** The order is part of the format. */
export const BINARY_CLASSES = [
  ArrayBuffer,
  DataView,
  Int8Array,
  Uint8ClampedArray,
  Int16Array,
  Uint16Array,
  Int32Array,
  Uint32Array,
  Float32Array,
  Float64Array,
  BigInt64Array,
  BigUint64Array,
] as const

/** Errors come back as instances of these, others as Error with their name. */
export const ERROR_CLASSES: ReadonlyMap<string, ErrorConstructor> = new Map(
  [Error, EvalError, RangeError, ReferenceError, SyntaxError, TypeError, URIError].map((each) => [
    each.name,
    each,
  ]),
)
