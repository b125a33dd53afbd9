/**
 * Writes the records of one subtask into the parts of their buckets, and says what to commit and where to go on.
 *
 * W1. A part belongs to the subtask, attempt and number in its name. A snapshot is one element, so that it goes to one
 *     writer as a whole: that one alone looks after the parts of the subtask it was taken by.
 * W2. A bucket is marked as complete together with its last parts, and after them.
 * W3. What a snapshot does not know is removed when it is restored (left-over-parts.ts), or when the writer is closed.
 */
import { statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { SluiceError } from '../../base/errors.ts'
import type { SinkContext, SinkWriter, WriteContext } from '../../function/sink.ts'
import { t } from '../../types/t.ts'
import type { Type } from '../../types/type.ts'
import { Bucket } from './bucket.ts'
import type { PendingFile } from './file-committer.ts'
import { fileError } from './file-error.ts'
import type { RecordEncoder } from './file-format.ts'
import { isLeftOver, type KnownParts, removeLeftOverParts } from './left-over-parts.ts'
import { type PartBeginning, PartFile } from './part-file.ts'
import { bucketPath, hiddenPath, PartNames, type PartOrigin, writerId } from './part-path.ts'
import type { RollingPolicy } from './rolling-policy.ts'
import { directoriesUpTo, syncDirectories } from './sync-directories.ts'
import { WriteBudget } from './write-budget.ts'

/** What a bucket may be made from, besides the record. */
export interface BucketContext extends WriteContext {
  readonly nowMs: number
}

export interface FileSinkWriterOptions<I> {
  /** Absolute. */
  readonly path: string
  readonly encoder: RecordEncoder<I>
  readonly bucket: ((value: I, context: BucketContext) => string) | null
  readonly policy: RollingPolicy
  readonly prefix: string
  readonly suffix: string
  /** On their way to the disk; more holds up the task. */
  readonly bufferBytesMax: number
  /** At this many parts in progress, the one that was written to longest ago is finished before another is begun. */
  readonly openPartsMax: number
  /** Null: buckets are not marked. */
  readonly completion: BucketCompletion | null
}

/** When buckets are complete, and how that is seen. */
export interface BucketCompletion {
  /** Event time, ms, after which there is nothing more to come for a bucket. */
  readonly endOf: (bucket: string) => number
  /** Name of the file that marks it. */
  readonly marker: string
}

export interface FileWriterState {
  readonly writer: string
  readonly subtask: number
  readonly attempt: number
  /** The number of the next part. */
  readonly nextPart: number
  /** In progress. */
  readonly parts: readonly PartState[]
  /** Buckets that have been written to and are not complete; empty if none is ever marked. */
  readonly incomplete: readonly string[]
}

interface PartState {
  readonly bucket: string
  readonly finalPath: string
  readonly length: number
  readonly createdMs: number
}

export const FILE_WRITER_STATE: Type<FileWriterState> = t.object({
  writer: t.string,
  subtask: t.int32,
  attempt: t.int32,
  nextPart: t.int64,
  parts: t.list(t.object({ bucket: t.string, finalPath: t.string, length: t.int64, createdMs: t.timestamp })),
  incomplete: t.defaulted(t.list(t.string), []),
})

type PartBucket = Bucket<PartFile>

export class FileSinkWriter<I> implements SinkWriter<I, FileWriterState, PendingFile> {
  readonly #options: FileSinkWriterOptions<I>
  readonly #context: SinkContext
  readonly #writer: string
  readonly #names: PartNames
  readonly #budget: WriteBudget
  readonly #buckets = new Map<string, PartBucket>()
  readonly #bucketContext: { timestamp: number | undefined; watermark: number; nowMs: number }
  /** Numbers of the parts this writer has begun and not handed over. */
  readonly #own = new Map<PartFile, number>()
  /** With parts whose names may not be on the disk yet. */
  readonly #newDirectories = new Set<string>()
  /** Written to and not marked: as many as there are buckets whose end has not come. */
  readonly #incomplete = new Set<string>()
  #watermark = Number.NEGATIVE_INFINITY
  #nextPart = 0
  /** As of the last snapshot: parts from here on are in none. */
  #snapshotPart = 0
  #isEndOfInput = false
  #timer: { cancel(): void } | null = null
  #sweep: Promise<void> | null = null

  constructor(options: FileSinkWriterOptions<I>, context: SinkContext, restored: readonly FileWriterState[]) {
    this.#options = options
    this.#context = context
    this.#writer = writerId(context.jobId, context.uid)
    this.#names = new PartNames(options.prefix, options.suffix, this.#writer)
    this.#budget = new WriteBudget(options.bufferBytesMax)
    this.#bucketContext = { timestamp: undefined, watermark: 0, nowMs: 0 }
    for (const state of restored) {
      for (const part of state.parts) this.#restore(part, state)
      for (const bucket of state.incomplete) this.#incomplete.add(bucket)
    }
    this.#removeLeftOvers(restored)
    this.#schedule()
  }

  write(value: I, context: WriteContext): void {
    const nowMs = this.#context.clock.now()
    this.#bucketOf(value, context, nowMs).write(this.#options.encoder.encode(value), nowMs)
  }

  whenReady(): Promise<void> | undefined {
    return this.#budget.whenReady()
  }

  onWatermark(timestamp: number): void {
    this.#watermark = timestamp
  }

  async flush(isEndOfInput: boolean): Promise<void> {
    this.#isEndOfInput = isEndOfInput
    const buckets = [...this.#buckets.values()]
    const current = buckets.flatMap((bucket) =>
      bucket.current === null ? [] : [bucket.current.part.flush()],
    )
    const pending = buckets.flatMap((bucket) => bucket.pending.map((part) => part.closed()))
    await allOf([...current, ...pending])
    await this.#syncNames()
  }

  async prepareCommit(): Promise<PendingFile[]> {
    const nowMs = this.#context.clock.now()
    const ready: PartFile[] = []
    const complete = this.#takeComplete()
    for (const name of complete) this.#buckets.get(name)?.roll()
    for (const [name, bucket] of this.#buckets) {
      if (!bucket.isActive) this.#buckets.delete(name)
      ready.push(...bucket.prepareCommit(nowMs, this.#isEndOfInput))
    }
    await allOf(ready.map((part) => part.closed()))
    await this.#syncNames()
    for (const part of ready) this.#own.delete(part)
    return [
      ...ready.map(({ finalPath }) => ({ finalPath, isMarker: false })),
      ...complete.map((name) => ({ finalPath: this.#markerPath(name), isMarker: true })),
    ]
  }

  snapshot(): FileWriterState[] {
    this.#snapshotPart = this.#nextPart
    const parts: PartState[] = []
    for (const [name, bucket] of this.#buckets) {
      const createdMs = bucket.current?.createdMs ?? this.#context.clock.now()
      const open = bucket.current === null ? [] : [bucket.current.part]
      for (const { finalPath, sizeBytes } of [...open, ...bucket.pending]) {
        parts.push({ bucket: name, finalPath, length: sizeBytes, createdMs })
      }
    }
    const { subtaskIndex: subtask, attempt } = this.#context
    const incomplete = [...this.#incomplete]
    return [{ writer: this.#writer, subtask, attempt, nextPart: this.#nextPart, parts, incomplete }]
  }

  /** After a failure too: parts that are in no snapshot are removed. */
  async close(): Promise<void> {
    this.#timer?.cancel()
    const parts = [...this.#buckets.values()].flatMap(({ current, pending }) =>
      current === null ? pending : [current.part, ...pending],
    )
    for (const part of parts) await part.abandon((this.#own.get(part) ?? -1) >= this.#snapshotPart)
    await this.#sweep
  }

  #bucketOf(value: I, context: WriteContext, nowMs: number): PartBucket {
    const { bucket: nameOf } = this.#options
    let name = ''
    if (nameOf !== null) {
      const bucketContext = this.#bucketContext
      bucketContext.timestamp = context.timestamp
      bucketContext.watermark = context.watermark
      bucketContext.nowMs = nowMs
      name = nameOf(value, bucketContext)
    }
    return this.#buckets.get(name) ?? this.#bucketAt(bucketPath(name))
  }

  #bucketAt(name: string): PartBucket {
    const known = this.#buckets.get(name)
    if (known !== undefined) return known
    const bucket: PartBucket = new Bucket(this.#options.policy, () => {
      this.#makeRoom()
      return this.#begin(this.#newPath(name), { kind: 'new' })
    })
    this.#buckets.set(name, bucket)
    if (this.#options.completion !== null) this.#incomplete.add(name)
    return bucket
  }

  /** The buckets that event time has completed since it was asked last. */
  #takeComplete(): string[] {
    const { completion } = this.#options
    if (completion === null) return []
    const complete = [...this.#incomplete].filter((name) => completion.endOf(name) <= this.#watermark)
    for (const name of complete) this.#incomplete.delete(name)
    return complete
  }

  #markerPath(bucket: string): string {
    return join(this.#options.path, bucket, this.#options.completion!.marker)
  }

  /** Another part is about to be opened. Looking through all of them is cheap beside opening a file. */
  #makeRoom(): void {
    let openCount = 0
    let oldest: PartBucket | null = null
    for (const bucket of this.#buckets.values()) {
      if (bucket.current === null) continue
      openCount++
      if (oldest === null || bucket.current.lastWriteMs < oldest.current!.lastWriteMs) oldest = bucket
    }
    if (openCount >= this.#options.openPartsMax) oldest!.roll()
  }

  #newPath(bucket: string): string {
    const origin: PartOrigin = {
      subtask: this.#context.subtaskIndex,
      number: this.#nextPart,
      attempt: this.#context.attempt,
    }
    return join(this.#options.path, bucket, this.#names.nameOf(origin))
  }

  #begin(finalPath: string, beginning: PartBeginning): PartFile {
    const part = new PartFile(
      {
        finalPath,
        budget: this.#budget,
        header: this.#options.encoder.header,
        onError: (error) => this.#context.fail(error),
      },
      beginning,
    )
    if (beginning.kind === 'resumed') return part
    this.#own.set(part, this.#nextPart++)
    this.#newDirectories.add(dirname(finalPath))
    return part
  }

  /** Goes on with a part where its snapshot left it. */
  #restore({ bucket: name, finalPath, length, createdMs }: PartState, { writer }: FileWriterState): void {
    const hidden = hiddenPath(finalPath)
    const sizeBytes = sizeOf(hidden)
    if (sizeBytes === null && sizeOf(finalPath) !== null) {
      const event = 'a part of the restored snapshot has been finished since; what it has stays'
      this.#context.log.warn(event, { path: finalPath })
      return
    }
    if (sizeBytes === null || sizeBytes < length) throw partDamaged(hidden, length, sizeBytes)
    const bucket = this.#bucketAt(name)
    const isHere = dirname(finalPath) === join(this.#options.path, name)
    if (writer !== this.#writer) {
      bucket.restore(this.#begin(this.#newPath(name), { kind: 'copied', length, from: hidden }), createdMs)
    } else {
      const part = this.#begin(finalPath, { kind: 'resumed', length })
      if (isHere) bucket.restore(part, createdMs)
      else bucket.restoreFinished(part)
    }
  }

  #removeLeftOvers(restored: readonly FileWriterState[]): void {
    const { subtaskIndex: subtask, attempt, hasCheckpoints, log } = this.#context
    const { path } = this.#options
    const known: KnownParts[] = restored.filter(({ writer }) => writer === this.#writer)
    // Where nothing is ever restored, nothing of an earlier attempt is needed.
    if (!hasCheckpoints && attempt > 0) known.push({ subtask, attempt: -1, nextPart: 0 })
    if (known.length === 0) return
    this.#sweep = removeLeftOverParts(path, this.#names, (part) => isLeftOver(part, known, attempt)).then(
      (count) => {
        if (count > 0) log.info('removed part files of failed attempts', { count, path })
      },
      (error) => log.warn('part files of failed attempts could not be removed', { error, path }),
    )
  }

  async #syncNames(): Promise<void> {
    const directories = [...this.#newDirectories]
    this.#newDirectories.clear()
    await syncDirectories(directories.flatMap((directory) => directoriesUpTo(this.#options.path, directory)))
  }

  #schedule(): void {
    const { checkIntervalMs } = this.#options.policy
    if (checkIntervalMs === null) return
    this.#timer = this.#context.clock.schedule(checkIntervalMs, () => {
      const nowMs = this.#context.clock.now()
      for (const bucket of this.#buckets.values()) bucket.onProcessingTime(nowMs)
      this.#schedule()
    })
  }
}

/** All of them, also after one has failed: none is left behind with a rejection nobody sees. */
async function allOf(promises: readonly Promise<void>[]): Promise<void> {
  const failed = (await Promise.allSettled(promises)).find((result) => result.status === 'rejected')
  if (failed !== undefined) throw failed.reason
}

function sizeOf(path: string): number | null {
  try {
    return statSync(path, { throwIfNoEntry: false })?.size ?? null
  } catch (error) {
    throw fileError('read', path, error)
  }
}

function partDamaged(path: string, length: number, found: number | null): SluiceError {
  const what = found === null ? 'it is not there' : `it has ${found} bytes`
  return new SluiceError(
    'CONNECTOR_FAILED',
    `the restored snapshot has ${length} bytes of ${path}, but ${what}; was the directory changed by hand?`,
    { details: { path } },
  )
}
