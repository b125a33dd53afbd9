/**
 * Records out of files:
 *
 *     env.source(files({ path: 'orders/*.csv', format: csv(order) }))
 *
 * Files are read in the order of their names, several at a time if there are several subtasks; large ones in parts,
 * where the format allows. Files compressed with gzip (`.gz`) are read as a whole.
 *
 * Exactly once: a snapshot says at which byte each file goes on. So files must not change once they are there: write
 * them elsewhere, or under a name that begins with a dot, and move them. (The files of `fileSink` come that way.)
 */
import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { SluiceError } from '../../base/errors.ts'
import { type ByteSize, type Duration, parseByteSize, parseDuration } from '../../base/units.ts'
import type { Source } from '../../function/source.ts'
import { FILE_ENUMERATOR_STATE, FileEnumerator, type FileEnumeratorState } from './file-enumerator.ts'
import type { FileFormat } from './file-format.ts'
import { FileReader } from './file-reader.ts'
import { FILE_SPLIT, type FileSplit } from './file-split.ts'

export interface FilesOptions<T> {
  /**
   * A file, a directory (with all below it), or a pattern with `*`, `?` and, for any number of directories, `**`. Names
   * that begin with `.` or `_` are passed over. Every node must find the files under the same path.
   */
  readonly path: string | URL
  readonly format: FileFormat<T>
  /**
   * Looks for new files this often, and never ends. Each file is read once, as long as it is there: one that was away
   * when we looked and comes back is new.
   */
  readonly watch?: Duration
  /** What to do with text that is no record: fail the job (default), or skip and count it (malformed_records_total). */
  readonly onError?: 'fail' | 'skip'
  /** Larger files are read in parts of this size, if the format is splittable. Default 64 MB. */
  readonly splitBytes?: ByteSize
  /** A longer record fails the job. Default 16 MB. */
  readonly recordBytesMax?: ByteSize
  /**
   * More files at a time fail the job: their names are kept in memory and, when watching, in checkpoints.
   * Default 100,000.
   */
  readonly filesMax?: number
  /** Default `files`. */
  readonly name?: string
}

const SPLIT_BYTES = '64mb'
const RECORD_BYTES_MAX = '16mb'
const FILES_MAX = 100_000
const BLOCK_BYTES = 256 * 1024

/**
 * Throws CONFIG_INVALID for sizes and durations that are none. A path that does not exist fails the job at its start.
 */
export function files<T>(options: FilesOptions<T>): Source<T, FileSplit, FileEnumeratorState> {
  const { format, onError = 'fail', filesMax = FILES_MAX } = options
  const path = resolve(options.path instanceof URL ? fileURLToPath(options.path) : options.path)
  const watchMs = options.watch === undefined ? null : atLeastOne('watch', parseDuration(options.watch))
  const splitBytes = atLeastOne('splitBytes', parseByteSize(options.splitBytes ?? SPLIT_BYTES))
  const recordBytesMax = atLeastOne(
    'recordBytesMax',
    parseByteSize(options.recordBytesMax ?? RECORD_BYTES_MAX),
  )
  return {
    name: options.name ?? 'files',
    isBounded: watchMs === null,
    type: format.type,
    splitType: FILE_SPLIT,
    enumeratorStateType: FILE_ENUMERATOR_STATE,
    createEnumerator: (context, restored) =>
      new FileEnumerator(
        { path, splitBytes: format.isSplittable ? splitBytes : Number.POSITIVE_INFINITY, watchMs, filesMax },
        context,
        restored,
      ),
    createReader: (context) =>
      new FileReader({ format, onError, blockBytes: BLOCK_BYTES, recordBytesMax }, context),
  }
}

function atLeastOne(option: string, value: number): number {
  if (value >= 1) return value
  throw new SluiceError('CONFIG_INVALID', `files: expected ${option} to be at least 1, found ${value}`)
}
