/** A {@link KeyValueStore} in LevelDB, in a directory that is removed with it. */
import { mkdir, rm } from 'node:fs/promises'
import { ClassicLevel } from 'classic-level'
import { asError, SluiceError } from '../base/errors.ts'
import type {
  KeyRange,
  KeyValueStore,
  RowsCallback,
  StoreScan,
  StoreSnapshot,
  StoreWrite,
} from './key-value-store.ts'
import { LevelScanner } from './level-scanner.ts'

export interface LevelStoreOptions {
  /** For blocks read from disk, in bytes. */
  readonly blockCacheBytes: number
  /** What is written is kept in memory up to this size, twice while it is being put on disk, in bytes. */
  readonly writeBufferBytes: number
}

/** Small files make compactions short; thousands of them would exhaust the file handles of a process. */
const FILE_BYTES = 16 * 2 ** 20

type Database = ClassicLevel<Uint8Array, Uint8Array>

export class LevelStore implements KeyValueStore {
  readonly #location: string
  readonly #database: Database
  readonly #scanner: LevelScanner
  #writing: Promise<void> = Promise.resolve()
  #clearing: Promise<void> = Promise.resolve()
  #closed: Promise<void> | null = null

  private constructor(location: string, database: Database) {
    this.#location = location
    this.#database = database
    this.#scanner = new LevelScanner(location)
  }

  /** A new store in `location`, an absolute path that does not exist. Throws STORAGE_UNUSABLE. */
  static async open(location: string, options: LevelStoreOptions): Promise<LevelStore> {
    try {
      await mkdir(location, { recursive: true })
      const database: Database = new ClassicLevel(location, { keyEncoding: 'view', valueEncoding: 'view' })
      await database.open({
        multithreading: true,
        errorIfExists: true,
        cacheSize: options.blockCacheBytes,
        writeBufferSize: options.writeBufferBytes,
        maxFileSize: FILE_BYTES,
      })
      return new LevelStore(location, database)
    } catch (error) {
      throw new SluiceError(
        'STORAGE_UNUSABLE',
        `no state can be kept in ${location}: ${reasonOf(error)}; set state.directory to a directory on a local disk with room`,
        { cause: error },
      )
    }
  }

  get(key: Uint8Array): Uint8Array | undefined {
    try {
      return this.#database.getSync(key)
    } catch (error) {
      throw this.#failed('read', error)
    }
  }

  getMany(keys: readonly Uint8Array[], done: RowsCallback): void {
    this.#database.getMany(keys as Uint8Array[]).then(
      (rows) => done(null, rows),
      (error) => done(this.#failed('read', error), []),
    )
  }

  write(batch: readonly StoreWrite[], done: (error: Error | null) => void): void {
    this.#writing = this.#database.batch(batch as StoreWrite[]).then(
      () => done(null),
      (error) => done(this.#failed('written', error)),
    )
  }

  clear({ from, to }: KeyRange): void {
    // What cannot be removed takes room and does no other harm.
    const cleared = this.#database.clear({ gte: from, lt: to }).catch(() => {})
    this.#clearing = this.#clearing.then(() => cleared)
  }

  scan(range: KeyRange, pageRows: number): StoreScan {
    return this.#scanner.open(range, pageRows)
  }

  snapshot(): StoreSnapshot {
    const snapshot = this.#database.snapshot()
    return {
      get: (key) => {
        try {
          return this.#database.getSync(key, { snapshot })
        } catch (error) {
          throw this.#failed('read', error)
        }
      },
      close: () => void snapshot.close(),
    }
  }

  close(): Promise<void> {
    this.#closed ??= this.#close()
    return this.#closed
  }

  async #close(): Promise<void> {
    await Promise.all([this.#writing, this.#clearing])
    await this.#scanner.close()
    await this.#database.close()
    await rm(this.#location, { recursive: true, force: true })
  }

  #failed(verb: string, error: unknown): SluiceError {
    const { message } = asError(error)
    const advice = /No space|ENOSPC|quota/i.test(message) ? ': the disk is full' : ''
    return new SluiceError(
      'STORAGE_FAILED',
      `keyed state in ${this.#location} cannot be ${verb}: ${reasonOf(error)}${advice}`,
      { cause: error },
    )
  }
}

/** What LevelDB said is in the cause. */
function reasonOf(thrown: unknown): string {
  const { message, cause } = asError(thrown)
  return cause === undefined ? message : `${message}: ${asError(cause).message}`
}
