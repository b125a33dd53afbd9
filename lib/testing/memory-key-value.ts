/** Keys and values in memory: for tests and the simulator. */
import { checkEntry, type KeyValue, type KeyValueEntry } from '../ha/key-value.ts'

export class MemoryKeyValue implements KeyValue {
  readonly #entries = new Map<string, KeyValueEntry>()
  #revision = 0

  async get(key: string): Promise<KeyValueEntry | null> {
    checkEntry(key)
    return this.#entries.get(key) ?? null
  }

  async create(key: string, value: Uint8Array): Promise<number | null> {
    checkEntry(key, value)
    return this.#entries.has(key) ? null : this.#set(key, value)
  }

  async update(key: string, value: Uint8Array, revision: number): Promise<number | null> {
    checkEntry(key, value)
    return this.#entries.get(key)?.revision === revision ? this.#set(key, value) : null
  }

  async delete(key: string, revision: number): Promise<boolean> {
    checkEntry(key)
    return this.#entries.get(key)?.revision === revision && this.#entries.delete(key)
  }

  async list(folder: string): Promise<readonly KeyValueEntry[]> {
    checkEntry(folder)
    const entries = [...this.#entries.values()].filter(({ key }) => key.startsWith(`${folder}.`))
    return entries.sort((a, b) => (a.key < b.key ? -1 : 1))
  }

  #set(key: string, value: Uint8Array): number {
    const revision = ++this.#revision
    this.#entries.set(key, { key, value: value.slice(), revision })
    return revision
  }
}
