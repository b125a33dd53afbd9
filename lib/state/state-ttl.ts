/**
 * Time-to-live of keyed state, as in Flink's StateTtlConfig: what has not been used for a while is gone. Time is the
 * processing time of the operator.
 *
 * The time of the last access is stored beside the value, in a value of an ordinary type (`stampedType`): tables,
 * snapshots and rescaling do not know about it. A list has one such time per element, map state one per entry.
 *
 * E1. A value is expired from its last access + ttl on; a clock set back makes it live longer, never shorter.
 * E2. What is expired leaves when it is accessed, when a snapshot is read back, or when the cursor comes by: each
 *     ACCESSES_PER_STEP-th access looks at up to ENTRIES_PER_STEP entries of the table, whosever they are. So a table
 *     of n entries is gone through about every n accesses, and no access does more than one step.
 * E3. State without ttl has none of this: other classes, other types. One cannot be read as the other.
 */
import type { Clock } from '../base/clock.ts'
import { SluiceError } from '../base/errors.ts'
import { type Duration, parseDuration } from '../base/units.ts'
import type { Schema } from '../types/schema.ts'
import { t } from '../types/t.ts'
import type { Type } from '../types/type.ts'
import { DELETED, Entry } from './entry.ts'
import type { KeyContext } from './key-context.ts'
import type { SnapshotTable } from './state-table.ts'

/** How long state lives and what may be seen of it afterwards. */
export interface TtlOptions {
  /** From the last access until it expires; at least 1 ms. */
  readonly after: Duration
  /**
   * What counts as an access: writing (the default, Flink's OnCreateAndWrite), or reading as well (OnReadAndWrite),
   * which makes every read a change that the next checkpoint has to save.
   */
  readonly refresh?: 'create-and-write' | 'read-and-write'
  /**
   * Whether expired state may be returned while it is still there. Default: `never-expired`. With `until-cleaned-up`
   * values and lists are returned, and added to, once more before they leave.
   */
  readonly visibility?: 'never-expired' | 'until-cleaned-up'
}

/** {@link TtlOptions}, read. Any of it may differ from what it was when a snapshot was taken. */
export interface Ttl {
  readonly afterMs: number
  readonly refreshesOnRead: boolean
  readonly returnsExpired: boolean
}

/** Throws GRAPH_INVALID, and CONFIG_INVALID for what is no duration. */
export function parseTtl(stateName: string, given: Duration | TtlOptions): Ttl {
  const { after, refresh, visibility } = typeof given === 'object' ? given : { after: given }
  const afterMs = parseDuration(after)
  if (afterMs < 1) throw invalid(stateName, 'ttl', 'at least 1 ms', after)
  const isSecond = (option: string, [first, second]: readonly [string, string], found = first): boolean => {
    if (found === first || found === second) return found === second
    throw invalid(stateName, option, `'${first}' or '${second}'`, found)
  }
  return {
    afterMs,
    refreshesOnRead: isSecond('refresh', ['create-and-write', 'read-and-write'], refresh),
    returnsExpired: isSecond('visibility', ['never-expired', 'until-cleaned-up'], visibility),
  }
}

function invalid(stateName: string, option: string, expected: string, found: unknown): SluiceError {
  const message = `time-to-live of state "${stateName}": ${option} must be ${expected}, found ${JSON.stringify(found)}`
  return new SluiceError('GRAPH_INVALID', message)
}

/** The field of the last access, ms since the epoch. Not a name anybody would give to a field of their own. */
export const STAMP = 'ttl/lastAccess'

/** What is stored for a value. */
export interface Stamped<V> {
  value: V
  [STAMP]: number
}

/** What is stored for a list: as many times as elements. */
export interface StampedList<T> {
  readonly value: T[]
  readonly [STAMP]: number[]
}

type AnyStamped = Stamped<unknown> | StampedList<unknown>

/** The type of what is stored for values, or lists with a time per element, of `type`. */
export function stampedType(type: Type<unknown>, isList: boolean): Type<unknown> {
  return t.object({ value: type, [STAMP]: isList ? t.list(t.timestamp) : t.timestamp })
}

/** Whether values of this schema carry the time of their last access. */
export function isStampedSchema(schema: Schema): boolean {
  return schema.kind === 'object' && schema.fields.some(({ name }) => name === STAMP)
}

/** What is left of a stored value if everything last accessed at `expiredMs` or before is gone; it may be the value. */
export function unexpired<S extends AnyStamped>(stored: S, expiredMs: number): S | undefined {
  const stamp = stored[STAMP]
  if (typeof stamp === 'number') return stamp > expiredMs ? stored : undefined
  let i = 0
  while (i < stamp.length && stamp[i]! > expiredMs) i++
  if (i === stamp.length) return stored
  const isKept = (_: unknown, index: number) => stamp[index]! > expiredMs
  const value = (stored as StampedList<unknown>).value.filter(isKept)
  return value.length === 0 ? undefined : ({ value, [STAMP]: stamp.filter(isKept) } as unknown as S)
}

const ACCESSES_PER_STEP = 16
const ENTRIES_PER_STEP = 16

/** What all states, restores and the cursor of one table with a time-to-live share. */
export class Expiry {
  readonly ttl: Ttl
  readonly #clock: Pick<Clock, 'now'>
  readonly #context: KeyContext
  readonly #table: SnapshotTable<unknown>
  #accessCount = 0
  /** Where the next step goes on; null at the beginning of the table. */
  #cursor: Iterator<Entry<unknown>> | null = null

  constructor(ttl: Ttl, clock: Pick<Clock, 'now'>, context: KeyContext, table: SnapshotTable<unknown>) {
    this.ttl = ttl
    this.#clock = clock
    this.#context = context
    this.#table = table
  }

  /** The time to stamp with. */
  nowMs(): number {
    return this.#clock.now()
  }

  /** The latest last access that is too long ago. */
  expiredMs(): number {
    return this.#clock.now() - this.ttl.afterMs
  }

  /** To be called once per access, before or after the rest of it. */
  accessed(): void {
    this.#accessCount = (this.#accessCount + 1) % ACCESSES_PER_STEP
    if (this.#accessCount === 0) this.#step()
  }

  /** Takes what is expired out of an entry that comes from a snapshot; false if nothing is left of it. */
  retain(entry: Entry<unknown>): boolean {
    const { value, [STAMP]: stamp } = entry.value as AnyStamped
    if (Array.isArray(stamp) && stamp.length !== (value as unknown[]).length) {
      throw new SluiceError(
        'DECODE_FAILED',
        `a list of ${(value as unknown[]).length} elements was saved with ${stamp.length} times of last access`,
      )
    }
    entry.value = unexpired(entry.value as AnyStamped, this.expiredMs())
    return entry.value !== undefined
  }

  #step(): void {
    const expiredMs = this.expiredMs()
    this.#cursor ??= this.#table.entries()[Symbol.iterator]()
    for (let i = 0; i < ENTRIES_PER_STEP; i++) {
      const next = this.#cursor.next()
      if (next.done === true) {
        this.#cursor = null
        return
      }
      this.#clean(next.value, expiredMs)
    }
  }

  /** The table changes entries of the current key only, so theirs becomes current for a moment. */
  #clean(entry: Entry<unknown>, expiredMs: number): void {
    if (entry.value === DELETED) return
    const left = unexpired(entry.value as AnyStamped, expiredMs)
    if (left === entry.value) return
    const { key, sub, keyGroup } = entry
    const { mapKey, knownKeyGroup } = this.#context
    if (left === undefined) this.#table.restoreDeleted(entry)
    else this.#table.restore(new Entry<unknown>(key, sub, keyGroup, 0, left))
    this.#context.setMapKey(mapKey, knownKeyGroup)
  }
}
