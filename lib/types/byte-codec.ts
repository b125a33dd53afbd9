/** Values that become a run of bytes on their own: byte strings, bigints and Avro values. */

export interface ByteCodec<T> {
  /** Valid until the next call of anything. Throws TYPE_MISMATCH, its path relative to the value. */
  encode(value: T): Uint8Array
  /** `bytes` is exactly one value and a window on the input: what is kept must be copied. */
  decode(bytes: Uint8Array): T
}

export const bytesCodec: ByteCodec<Uint8Array> = {
  encode: (value) => value,
  decode: (bytes) => new Uint8Array(bytes),
}
