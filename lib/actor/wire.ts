/**
 * Messages and replies as bytes. MessagePack between actors; JSON for people: a payload that starts with `{`, or
 * is empty, is JSON and is answered in JSON, so that `nats req sluice.c1.ctl.dispatcher.list ''` just works. The
 * two cannot be confused: a message is always a map, and no MessagePack map starts with that byte.
 *
 * The kind of a message is in its subject, not in its bytes. A reply is `{value}` or `{error}`. JSON has no
 * bigint, bytes, map or set: they become a number or digits, base64, an object, a list.
 */
import { Packr } from 'msgpackr'
import { asError, type ErrorRecord, SluiceError } from '../base/errors.ts'

export type WireFormat = 'msgpack' | 'json'

export type ReplyRecord = { readonly value: unknown } | { readonly error: ErrorRecord }

/** No shared structures: each message stands alone. The decoder bounds every length by the bytes that are there. */
const packr = new Packr({
  useRecords: false,
  moreTypes: true,
  structuredClone: false,
  // The typings lack 'auto': a number where it is exact, else a bigint.
  int64AsType: 'auto' as 'number',
})
const decoder = new TextDecoder('utf-8', { fatal: true })
const encoder = new TextEncoder()
const OPENING_BRACE = 0x7b

export function wireFormatOf(payload: Uint8Array): WireFormat {
  return payload.length === 0 || payload[0] === OPENING_BRACE ? 'json' : 'msgpack'
}

/** The fields of a message, without its kind. */
export function encodeFields(message: object): Uint8Array {
  const { kind: _, ...fields } = message as { kind?: unknown }
  return pack(fields)
}

/** Throws DECODE_FAILED for anything but an object. */
export function decodeFields(payload: Uint8Array): object {
  return payload.length === 0 ? {} : decodeObject(payload)
}

export function encodeReply(reply: ReplyRecord, format: WireFormat): Uint8Array {
  if (format === 'msgpack') return pack(reply)
  const shown = 'value' in reply ? { value: reply.value ?? null } : reply
  return encoder.encode(JSON.stringify(shown, jsonValue))
}

/** Throws DECODE_FAILED for bytes that are no reply. */
export function decodeReply(payload: Uint8Array): ReplyRecord {
  const reply = decodeObject(payload)
  if ('value' in reply) return { value: reply.value }
  if ('error' in reply && isErrorRecord(reply.error)) return { error: reply.error }
  throw new SluiceError('DECODE_FAILED', 'expected a reply with a value or an error, found neither')
}

function isErrorRecord(value: unknown): value is ErrorRecord {
  return typeof value === 'object' && value !== null && 'code' in value && 'message' in value
}

/** A copy: the packer's own buffer is a window of a larger one that it goes on filling. */
function pack(value: object): Uint8Array {
  return new Uint8Array(packr.pack(value))
}

function decodeObject(payload: Uint8Array): object {
  const format = wireFormatOf(payload)
  let value: unknown
  try {
    value = format === 'json' ? JSON.parse(decoder.decode(payload)) : packr.unpack(payload)
  } catch (error) {
    throw new SluiceError(
      'DECODE_FAILED',
      `${payload.length} bytes are not ${format}: ${asError(error).message}`,
    )
  }
  if (typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype)
    return value
  throw new SluiceError(
    'DECODE_FAILED',
    `expected an object, found ${Array.isArray(value) ? 'a list' : typeof value}`,
  )
}

function jsonValue(_key: string, value: unknown): unknown {
  if (typeof value === 'bigint') return Number.isSafeInteger(Number(value)) ? Number(value) : String(value)
  if (value instanceof Map) return Object.fromEntries(value)
  if (value instanceof Set) return [...value]
  if (value instanceof Uint8Array) return Buffer.from(value).toString('base64')
  return value
}
