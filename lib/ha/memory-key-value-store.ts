/**
 * Key and value in memory, for tests, the simulator and clusters of one process. Several stores over the same
 * {@link MemoryKeyValues} are several processes over the same server: what one writes the others read and watch.
 */
import {
  checkKey,
  checkKeyPrefix,
  checkValue,
  type KeyValueEntry,
  type KeyValueListener,
  type KeyValueStore,
  type KeyValueSubscription,
  keyValueStoreClosed,
} from './key-value-store.ts'

interface Watcher {
  readonly prefix: string
  readonly onChange: KeyValueListener
  isOpen: boolean
}

/** What the server would keep. */
export class MemoryKeyValues {
  readonly #entries = new Map<string, KeyValueEntry>()
  readonly #watchers = new Set<Watcher>()
  #revision = 0

  get(key: string): KeyValueEntry | undefined {
    const entry = this.#entries.get(key)
    return entry && { value: entry.value.slice(), revision: entry.revision }
  }

  /** Writes if the key has this revision now; undefined stands for no entry. */
  set(key: string, value: Uint8Array | undefined, revision: number | undefined): number | undefined {
    if (this.#entries.get(key)?.revision !== revision) return undefined
    const next = ++this.#revision
    if (value === undefined) this.#entries.delete(key)
    else this.#entries.set(key, { value: new Uint8Array(value), revision: next })
    for (const watcher of this.#watchers) {
      if (key.startsWith(watcher.prefix)) this.#tell(watcher, key, this.get(key))
    }
    return next
  }

  keys(prefix: string): string[] {
    return [...this.#entries.keys()].filter((key) => key.startsWith(prefix)).sort()
  }

  watch(prefix: string, onChange: KeyValueListener): KeyValueSubscription {
    const watcher = { prefix, onChange, isOpen: true }
    this.#watchers.add(watcher)
    for (const key of this.keys(prefix)) this.#tell(watcher, key, this.get(key))
    return {
      unsubscribe: () => {
        watcher.isOpen = false
        this.#watchers.delete(watcher)
      },
    }
  }

  /** Never from within the call that made the change, as no server would. */
  #tell(watcher: Watcher, key: string, entry: KeyValueEntry | undefined): void {
    queueMicrotask(() => {
      if (watcher.isOpen) watcher.onChange(key, entry)
    })
  }
}

export class MemoryKeyValueStore implements KeyValueStore {
  readonly #shared: MemoryKeyValues
  readonly #subscriptions = new Set<KeyValueSubscription>()
  #isClosed = false

  constructor(shared = new MemoryKeyValues()) {
    this.#shared = shared
  }

  async get(key: string): Promise<KeyValueEntry | undefined> {
    this.#check(key)
    return this.#shared.get(key)
  }

  async create(key: string, value: Uint8Array): Promise<number | undefined> {
    this.#check(key, value)
    return this.#shared.set(key, value, undefined)
  }

  async update(key: string, value: Uint8Array, revision: number): Promise<number | undefined> {
    this.#check(key, value)
    return this.#shared.set(key, value, revision)
  }

  async delete(key: string, revision?: number): Promise<boolean> {
    this.#check(key)
    const found = this.#shared.get(key)
    if (found === undefined) return false
    return this.#shared.set(key, undefined, revision ?? found.revision) !== undefined
  }

  async keys(prefix: string): Promise<string[]> {
    if (this.#isClosed) throw keyValueStoreClosed()
    checkKeyPrefix(prefix)
    return this.#shared.keys(prefix)
  }

  watch(prefix: string, onChange: KeyValueListener): KeyValueSubscription {
    if (this.#isClosed) throw keyValueStoreClosed()
    checkKeyPrefix(prefix)
    const inner = this.#shared.watch(prefix, onChange)
    const subscription = {
      unsubscribe: () => {
        inner.unsubscribe()
        this.#subscriptions.delete(subscription)
      },
    }
    this.#subscriptions.add(subscription)
    return subscription
  }

  async close(): Promise<void> {
    this.#isClosed = true
    for (const subscription of this.#subscriptions) subscription.unsubscribe()
  }

  #check(key: string, value?: Uint8Array): void {
    if (this.#isClosed) throw keyValueStoreClosed()
    checkKey(key)
    if (value !== undefined) checkValue(key, value)
  }
}
