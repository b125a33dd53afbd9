/**
 * A snapshot on its way into storage while it is still being written: chunks are gathered into blobs of two
 * megabytes, which are stored as soon as they are full, several at once. However large a state is, no more of it is in
 * memory than the lane lets through: when that is full, `state` says `busy`, and the task goes on writing later.
 *
 * U1. The first blob that cannot be stored fails the snapshot; nothing more of it is stored.
 * U2. What has been stored of a snapshot that fails or is given up is deleted again, as far as storage can be reached.
 *     Once `done` has resolved the blobs are the business of whoever is told of them.
 */
import { ByteWriter } from '../base/byte-writer.ts'
import { asError, SluiceError } from '../base/errors.ts'
import type { StateChunk } from '../state/state-chunk.ts'
import type { SnapshotKind } from '../state/state-table.ts'
import type { BlobReference } from './checkpoint-files.ts'
import { writeChunk, writeRest } from './snapshot-blob.ts'
import type { Link, StoredSnapshot } from './snapshot-chain.ts'
import { StateTally } from './state-record.ts'
import type { SnapshotTarget, SubtaskSnapshot } from './subtask-snapshot.ts'

/** A blob is closed at this size: a checksum of it takes a millisecond, and one more chunk still fits into 2 MiB. */
const BLOB_BYTES = 1.75 * 2 ** 20
/** Blobs that are being stored at once, per lane: 16 MB, so that storage that takes its time is kept busy. */
const PUTS_MAX = 8
/** Blobs that wait for that; with more, snapshots wait to be written. */
const WAITING_MAX = 2

/** What all uploads of a slot share: how much goes on at once, and the memory for it. */
export class UploadLane {
  /** At most PUTS_MAX. A blob of fresh memory each would have V8 collect garbage for them alone, every second. */
  readonly #writers: ByteWriter[] = []
  readonly #waiting: (() => void)[] = []
  readonly #onReady = new Set<() => void>()
  #running = 0

  get isBusy(): boolean {
    return this.#waiting.length >= WAITING_MAX
  }

  /** Calls back, once, when the lane is not busy any more. */
  whenReady(callback: () => void): void {
    this.#onReady.add(callback)
  }

  /** An empty one. */
  takeWriter(): ByteWriter {
    return this.#writers.pop() ?? new ByteWriter(1024)
  }

  /** Nobody reads any more what was written. */
  giveBack(writer: ByteWriter): void {
    if (this.#writers.length === PUTS_MAX) return
    writer.reset()
    this.#writers.push(writer)
  }

  async run(work: () => Promise<void>): Promise<void> {
    if (this.#running === PUTS_MAX) await new Promise<void>((resolve) => this.#waiting.push(resolve))
    else this.#running++
    try {
      await work()
    } finally {
      const next = this.#waiting.shift()
      if (next === undefined) this.#running--
      else next()
      if (!this.isBusy) this.#tell()
    }
  }

  #tell(): void {
    const callbacks = [...this.#onReady]
    this.#onReady.clear()
    for (const callback of callbacks) callback()
  }
}

export interface UploadOptions {
  readonly link: Link
  readonly lane: UploadLane
  /** The name of the blob with this number. */
  nameOf(number: number): string
  put(name: string, content: Uint8Array, signal: AbortSignal): Promise<void>
  delete(name: string): Promise<void>
  /** `state` has changed. */
  onChange(): void
}

export class SnapshotUpload implements SnapshotTarget {
  readonly #options: UploadOptions
  readonly #controller = new AbortController()
  readonly #blobs: BlobReference[] = []
  readonly #puts: Promise<void>[] = []
  /** Of the blob that is being written. */
  #out: ByteWriter | null = null
  /** By operator. */
  readonly #states = new Map<string, StateTally>()
  #hasFolded = false
  #isClosed = false
  #isDone = false
  #discarded: Promise<void> = Promise.resolve()
  /** What has come of it; rejects when it fails or is given up. */
  readonly done: Promise<StoredSnapshot>
  #resolve!: (stored: StoredSnapshot) => void
  #reject!: (error: Error) => void

  constructor(options: UploadOptions) {
    this.#options = options
    this.done = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
    this.done.catch(() => {})
  }

  get link(): Link {
    return this.#options.link
  }

  get kind(): SnapshotKind {
    return this.#options.link.kind
  }

  get isFolding(): boolean {
    return this.#options.link.isFolding
  }

  get state(): 'ready' | 'busy' | 'closed' {
    if (this.#isClosed) return 'closed'
    const { lane, onChange } = this.#options
    if (!lane.isBusy) return 'ready'
    lane.whenReady(onChange)
    return 'busy'
  }

  add(operatorId: string, chunk: StateChunk): void {
    if (this.#isClosed) return
    writeChunk(this.#writer(), operatorId, chunk)
    if (this.#writer().length >= BLOB_BYTES) this.#flush()
    if (chunk.isDeletion) return
    let tally = this.#states.get(operatorId)
    if (tally === undefined) {
      tally = new StateTally()
      this.#states.set(operatorId, tally)
    }
    tally.add(chunk)
  }

  folded(): void {
    this.#hasFolded = true
  }

  /** All keyed state has been added; `snapshot` is the rest. */
  finish(snapshot: SubtaskSnapshot): void {
    if (this.#isClosed) return
    writeRest(this.#writer(), snapshot)
    this.#flush()
    this.#isClosed = true
    Promise.all(this.#puts).then(
      () => {
        this.#isDone = true
        const keyed = Object.fromEntries([...this.#states].map(([id, { states }]) => [id, states]))
        this.#resolve({ blobs: this.#blobs, keyed, hasFolded: this.#hasFolded })
      },
      () => {},
    )
  }

  /** Nobody wants it any more; of no effect when it is done. Resolves when what was stored is deleted. */
  giveUp(): Promise<void> {
    this.#fail(new SluiceError('CHECKPOINT_FAILED', 'the snapshot was given up'))
    return this.#discarded
  }

  #writer(): ByteWriter {
    this.#out ??= this.#options.lane.takeWriter()
    return this.#out
  }

  #flush(): void {
    const { lane, nameOf, put, onChange } = this.#options
    const out = this.#out
    if (out === null) return
    const { signal } = this.#controller
    const blob = { name: nameOf(this.#blobs.length), byteLength: out.length }
    this.#blobs.push(blob)
    this.#out = null
    const stored = lane.run(async () => {
      signal.throwIfAborted()
      await put(blob.name, out.view(), signal)
      // What failed may still be read by somebody.
      lane.giveBack(out)
    })
    stored.catch((error) => {
      this.#fail(asError(error))
      onChange()
    })
    this.#puts.push(stored)
  }

  #fail(error: Error): void {
    if (this.#isDone || this.#controller.signal.aborted) return
    this.#isClosed = true
    this.#out = null
    this.#controller.abort(error)
    this.#reject(error)
    this.#discarded = this.#discard()
  }

  /** Also those whose put has failed: it may have taken effect all the same. */
  async #discard(): Promise<void> {
    await Promise.allSettled(this.#puts)
    await Promise.allSettled(this.#blobs.map(({ name }) => this.#options.delete(name)))
  }
}
