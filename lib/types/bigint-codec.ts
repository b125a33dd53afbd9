/**
 * Bigints as bytes: eight (two's complement, little endian) while they fit, else a sign byte and the magnitude,
 * most significant byte first, which is nine or more. Long ones go through hexadecimal text, the one
 * conversion that V8 does in linear time both ways.
 */
import { ByteReader } from '../base/byte-reader.ts'
import { SluiceError } from '../base/errors.ts'
import type { ByteCodec } from './byte-codec.ts'

/** A bigint takes at most this many bytes: 128 million bits, an eighth of what V8 can hold. */
export const BIGINT_BYTES_MAX = 2 ** 24

const word = new BigInt64Array(1)
const wordBytes = new Uint8Array(word.buffer)

export const bigintCodec: ByteCodec<bigint> = {
  encode(value) {
    word[0] = value
    if (word[0] === value) return wordBytes
    const magnitude = magnitudeBytes(value < 0n ? -value : value)
    const bytes = new Uint8Array(magnitude.length + 1)
    bytes[0] = value < 0n ? 1 : 0
    bytes.set(magnitude, 1)
    return bytes
  },

  decode(bytes) {
    if (bytes.length === 8) {
      wordBytes.set(bytes)
      return word[0]!
    }
    if (bytes.length < 8 || bytes[0]! > 1) new ByteReader(bytes).fail('expected a bigint')
    const magnitude = bigintOfMagnitude(bytes.subarray(1))
    return bytes[0] === 1 ? -magnitude : magnitude
  },
}

/** The bytes of a bigint >= 0, most significant first, as few as will do; none for 0. */
export function magnitudeBytes(value: bigint): Uint8Array {
  if (value === 0n) return new Uint8Array(0)
  const hex = value.toString(16)
  if (hex.length > BIGINT_BYTES_MAX * 2) {
    throw new SluiceError(
      'RECORD_TOO_LARGE',
      `expected bigints of at most ${BIGINT_BYTES_MAX} bytes, found one of ${Math.ceil(hex.length / 2)}`,
    )
  }
  return Buffer.from(hex.length % 2 === 0 ? hex : `0${hex}`, 'hex')
}

/** Mirror of {@link magnitudeBytes}. */
export function bigintOfMagnitude(bytes: Uint8Array): bigint {
  if (bytes.length === 0) return 0n
  if (bytes.length > BIGINT_BYTES_MAX) new ByteReader(bytes).fail('a bigint is too large')
  return BigInt(`0x${Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('hex')}`)
}
