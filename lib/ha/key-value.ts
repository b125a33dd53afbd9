/**
 * The few small things that must outlive a coordinator, and that two of them must never write over one another: the
 * leader's lease, and what has become of each job. Two stores keep the same promises (memory, JetStream), and
 * test/contracts/key-value-contract.ts holds both to them.
 *
 * V1  A read gives the latest write that has been answered, whoever wrote it.
 * V2  Of several writers that name the same revision, or create the same key, exactly one succeeds.
 * V3  Revisions of a key only grow, also over its deletion: a revision seen once never means another value.
 * V4  A write that rejects may have happened, or may still. Whoever must know reads again, and writes nothing that
 *     somebody else could have written likewise.
 */
import { SluiceError } from '../base/errors.ts'

export interface KeyValueEntry {
  readonly key: string
  readonly value: Uint8Array
  readonly revision: number
}

export interface KeyValue {
  /** Null: there is none. All of these reject with STORAGE_FAILED (worth a retry) or STORAGE_UNUSABLE. */
  get(key: string): Promise<KeyValueEntry | null>
  /** The new revision; null: the key exists. */
  create(key: string, value: Uint8Array): Promise<number | null>
  /** The new revision; null: `revision` is not the latest any more. */
  update(key: string, value: Uint8Array, revision: number): Promise<number | null>
  /** False: `revision` is not the latest any more. */
  delete(key: string, revision: number): Promise<boolean>
  /** All entries whose key begins with `<folder>.`, by key. */
  list(folder: string): Promise<readonly KeyValueEntry[]>
}

/** A value is one message; more belongs into a blob store. */
export const VALUE_BYTES_MAX = 512 * 1024

/** Tokens with dots between them, as subjects are. */
const KEY = /^[A-Za-z0-9_-]{1,64}(\.[A-Za-z0-9_-]{1,64}){0,3}$/

export function checkEntry(key: string, value: Uint8Array = new Uint8Array()): void {
  if (!KEY.test(key)) {
    throw new SluiceError(
      'STORAGE_UNUSABLE',
      `expected a key of one to four tokens (letters, digits, "_", "-") with dots between, found ${JSON.stringify(key)}`,
    )
  }
  if (value.length <= VALUE_BYTES_MAX) return
  throw new SluiceError(
    'STORAGE_UNUSABLE',
    `expected at most ${VALUE_BYTES_MAX} bytes under the key ${key}, found ${value.length}`,
  )
}
