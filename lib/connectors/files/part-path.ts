/**
 * Where parts are, and what their names say. A part is written under a hidden name and renamed when it is committed:
 *
 *     <path>/<bucket>/.part-<subtask>-<number>-<writer>-<attempt>.inprogress
 *     <path>/<bucket>/part-<subtask>-<number>-<writer>-<attempt>
 *
 * `writer` is the same for all subtasks and attempts of one sink in one job, and different for any other. Numbers
 * count from 0 in each attempt of a subtask. So a name is never used twice, and who finds a hidden file knows whose it
 * is and when it was begun.
 */
import { basename, dirname, join } from 'node:path'

/** Whose part it is, and which. */
export interface PartOrigin {
  readonly subtask: number
  readonly number: number
  readonly attempt: number
}

const HIDDEN_SUFFIX = '.inprogress'

export class PartNames {
  readonly #prefix: string
  readonly #suffix: string
  readonly #writer: string

  constructor(prefix: string, suffix: string, writer: string) {
    this.#prefix = prefix
    this.#suffix = suffix
    this.#writer = writer
  }

  /** The final name. */
  nameOf({ subtask, number, attempt }: PartOrigin): string {
    return `${this.#prefix}-${subtask}-${number}-${this.#writer}-${attempt}${this.#suffix}`
  }

  /** What a hidden name says; null if it is none of this sink's. */
  parseHidden(name: string): PartOrigin | null {
    if (!name.startsWith(`.${this.#prefix}-`) || !name.endsWith(`${this.#suffix}${HIDDEN_SUFFIX}`))
      return null
    const core = name.slice(this.#prefix.length + 2, name.length - this.#suffix.length - HIDDEN_SUFFIX.length)
    const match = /^(\d+)-(\d+)-(.+)-(\d+)$/.exec(core)
    if (match === null || match[3] !== this.#writer) return null
    return { subtask: Number(match[1]), number: Number(match[2]), attempt: Number(match[4]) }
  }
}

/** Stands for a sink of a job in names. Both parts are tokens of at most 64 letters, digits, `_` and `-`. */
export function writerId(jobId: string, uid: string): string {
  return `${jobId}-${uid}`
}

/** Where a part is until it is committed. */
export function hiddenPath(finalPath: string): string {
  return join(dirname(finalPath), `.${basename(finalPath)}${HIDDEN_SUFFIX}`)
}

/** Characters that a directory's name may keep; all others, and a dot or underscore in front, become `-`. */
const SAFE_BUCKET = /^[\p{L}\p{N}=@+-][\p{L}\p{N}=@+.,_ -]*(\/[\p{L}\p{N}=@+-][\p{L}\p{N}=@+.,_ -]*)*$/u
const BUCKET_LENGTH_MAX = 512

/**
 * A bucket as a relative path that stays below the sink's: no `..`, no root, nothing that a reader would take for
 * hidden. The empty bucket is the sink's path itself.
 */
export function bucketPath(bucket: string): string {
  if (bucket === '' || (bucket.length <= BUCKET_LENGTH_MAX && SAFE_BUCKET.test(bucket))) return bucket
  const names = bucket
    .slice(0, BUCKET_LENGTH_MAX)
    .split(/[/\\]/)
    .filter((name) => name !== '')
  return names
    .map((name) =>
      name.replace(/[^\p{L}\p{N}=@+.,_ -]/gu, '-').replace(/^[._ ]+/, (dots) => '-'.repeat(dots.length)),
    )
    .join('/')
}
