/**
 * Where a cluster keeps the few small facts that must survive its coordinator: who leads, which jobs there are,
 * where each one's last checkpoint is. Every write can be made conditional on what was read before, and every
 * value has a revision that no later value of the same key has again.
 *
 * K1  Of several writers who saw the same revision exactly one is let through.
 * K2  A revision is greater than all earlier ones of the key, also across its deletion.
 * K3  An error leaves open whether the write took effect (its acknowledgement may have been lost): `get` tells.
 */
import { SluiceError } from '../base/errors.ts'

export interface KeyValueEntry {
  readonly value: Uint8Array
  readonly revision: number
}

/** A key's new value; undefined after its deletion. */
export type KeyValueListener = (key: string, entry: KeyValueEntry | undefined) => void

export interface KeyValueSubscription {
  unsubscribe(): void
}

/** All calls throw STORAGE_FAILED (worth a retry) or STORAGE_UNUSABLE (somebody must change something first). */
export interface KeyValueStore {
  get(key: string): Promise<KeyValueEntry | undefined>

  /** The revision; undefined when the key exists. */
  create(key: string, value: Uint8Array): Promise<number | undefined>

  /** Compare and set. The new revision; undefined when the key has another revision by now, or is gone. */
  update(key: string, value: Uint8Array, revision: number): Promise<number | undefined>

  /** Whether there was something to delete, with that revision if one is given. */
  delete(key: string, revision?: number): Promise<boolean>

  /** In order. `prefix` is a piece of text; empty: all. */
  keys(prefix: string): Promise<string[]>

  /**
   * Tells the values that are there, then each change, in order per key. After a lost connection it may repeat
   * itself and may leave out values that were replaced soon after; the last one of each key always comes.
   */
  watch(prefix: string, onChange: KeyValueListener): KeyValueSubscription

  close(): Promise<void>
}

/** Small facts; what is larger belongs into a blob. */
export const VALUE_BYTES_MAX = 256 * 1024

const KEY_LENGTH_MAX = 200
const KEY = /^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$/

/** Keys look like `jobs.q7c.checkpoint`: tokens of a subject. */
export function checkKey(key: string): void {
  if (key.length <= KEY_LENGTH_MAX && KEY.test(key)) return
  throw new SluiceError(
    'STORAGE_UNUSABLE',
    `expected a key such as "jobs.a-1.state" (letters, digits, "_" and "-" in parts joined by dots, at most ` +
      `${KEY_LENGTH_MAX} characters), found ${JSON.stringify(key.slice(0, KEY_LENGTH_MAX))}`,
  )
}

/** A prefix is the beginning of a key: it may end anywhere, also with a dot. */
export function checkKeyPrefix(prefix: string): void {
  checkKey(prefix === '' || prefix.endsWith('.') ? `${prefix}x` : prefix)
}

export function checkValue(key: string, value: Uint8Array): void {
  if (value.length <= VALUE_BYTES_MAX) return
  throw new SluiceError(
    'PAYLOAD_TOO_LARGE',
    `expected at most ${VALUE_BYTES_MAX} bytes under the key "${key}", found ${value.length}`,
  )
}

export function keyValueStoreClosed(): SluiceError {
  return new SluiceError('STORAGE_UNUSABLE', 'the key-value store is closed')
}
