/**
 * Records into files, exactly once:
 *
 *     stream.sinkTo(fileSink({ path: 'out', format: csv(order), bucket: (order) => order.country }))
 *
 * A part file is hidden while it grows, closed when the rolling policy says so, and gets its name with the checkpoint
 * that covers its last record; without checkpoints, at the end of the job. Flink's FileSink.
 */
import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { SluiceError } from '../../base/errors.ts'
import { type ByteSize, type Duration, parseByteSize, parseDuration } from '../../base/units.ts'
import type { Sink } from '../../function/sink.ts'
import { fileCommitter, PENDING_FILE, type PendingFile } from './file-committer.ts'
import type { FileFormat } from './file-format.ts'
import {
  type BucketCompletion,
  type BucketContext,
  FILE_WRITER_STATE,
  FileSinkWriter,
  type FileWriterState,
} from './file-sink-writer.ts'
import {
  onCheckpointPolicy,
  type RollingOptions,
  type RollingPolicy,
  sizeAndTimePolicy,
} from './rolling-policy.ts'

export interface FileSinkOptions<I> {
  /** A directory, made if it is missing. Every node must have it under the same path, on shared storage. */
  readonly path: string | URL
  readonly format: FileFormat<I>
  /**
   * The directory below `path` a record goes to, `/` between levels; default: `path` itself. Characters that make
   * trouble in file names are replaced, and nothing leads out of `path`.
   */
  readonly bucket?: (value: I, context: BucketContext) => string
  /** Default: at 128 MB, after a minute, or after a minute without a record. */
  readonly rolling?: RollingOptions | 'on-checkpoint' | RollingPolicy
  /**
   * Marks buckets that are complete with an empty file, made with the checkpoint that makes their last parts visible,
   * or at the end of the job. A bucket is complete when event time has come to `endOf(bucket)` (ms since the epoch) and
   * `delay` has passed from there (default 0, in event time too). Each subtask marks what it has written itself: let
   * one subtask write all of a bucket, with a `keyBy` before the sink. A record that comes later still is written.
   * Flink's partition commit with a success file.
   */
  readonly success?: {
    readonly endOf: (bucket: string) => number
    readonly delay?: Duration
    /** Name of the file; default `_SUCCESS`. */
    readonly file?: string
  }
  /** Of part names; default `part`. */
  readonly prefix?: string
  /** Of part names, as `.jsonl`; default none. */
  readonly suffix?: string
  /** Bytes on their way to the disk, per subtask; more holds up the job. Default 16 MB. */
  readonly bufferBytesMax?: ByteSize
  /** Parts in progress, per subtask; at more, the one written to longest ago is finished. Default 256. */
  readonly openPartsMax?: number
  /** Default `file-sink`. */
  readonly name?: string
}

const BUFFER_BYTES_MAX = '16mb'
const OPEN_PARTS_MAX = 256
const SUCCESS_FILE = '_SUCCESS'
const AFFIX = /^[A-Za-z0-9._-]*$/

/** Throws CONFIG_INVALID for options that are not usable. */
export function fileSink<I>(options: FileSinkOptions<I>): Sink<I, FileWriterState, PendingFile> {
  const { format, prefix = 'part', suffix = '', openPartsMax = OPEN_PARTS_MAX } = options
  const path = resolve(options.path instanceof URL ? fileURLToPath(options.path) : options.path)
  const bufferBytesMax = parseByteSize(options.bufferBytesMax ?? BUFFER_BYTES_MAX)
  const policy = policyOf(options.rolling)
  if (!AFFIX.test(prefix) || /^[._]|^$/.test(prefix) || !AFFIX.test(suffix)) {
    const found = JSON.stringify([prefix, suffix])
    throw new SluiceError(
      'CONFIG_INVALID',
      `fileSink: expected a prefix and a suffix of letters, digits, . _ -, found ${found}`,
    )
  }
  if (!(bufferBytesMax > 0) || !(openPartsMax >= 1)) {
    throw new SluiceError(
      'CONFIG_INVALID',
      'fileSink: expected bufferBytesMax and openPartsMax to be at least 1',
    )
  }
  const bucket = options.bucket ?? null
  const completion = completionOf(options.success)
  return {
    name: options.name ?? 'file-sink',
    writerStateType: FILE_WRITER_STATE,
    committableType: PENDING_FILE,
    createWriter: (context, restored) => {
      const encoder = format.newEncoder()
      const own = { path, encoder, bucket, policy, prefix, suffix, bufferBytesMax, openPartsMax, completion }
      return new FileSinkWriter<I>(own, context, restored)
    },
    createCommitter: () => fileCommitter(),
  }
}

function completionOf(success: FileSinkOptions<never>['success']): BucketCompletion | null {
  if (success === undefined) return null
  const { endOf, delay = 0, file: marker = SUCCESS_FILE } = success
  const delayMs = parseDuration(delay)
  if (!(delayMs >= 0) || !AFFIX.test(marker) || /^\.|^$/.test(marker)) {
    throw new SluiceError(
      'CONFIG_INVALID',
      `fileSink: expected a success file with a name of letters, digits, . _ - and a delay of at least 0, found ${JSON.stringify([marker, delay])}`,
    )
  }
  return { endOf: (bucket) => endOf(bucket) + delayMs, marker }
}

function policyOf(rolling: FileSinkOptions<never>['rolling']): RollingPolicy {
  if (rolling === 'on-checkpoint') return onCheckpointPolicy
  return rolling !== undefined && 'shouldRollOnEvent' in rolling ? rolling : sizeAndTimePolicy(rolling)
}
