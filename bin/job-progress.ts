/**
 * What is to be said about a running job: rates and shares over the last seconds, from descriptions that come a few
 * times a second. Pure; `ProgressReporter` does the saying.
 */
import { formatDuration } from '../lib/base/units.ts'
import type { JobDescription } from '../lib/protocol/job-submission.ts'
import { formatCount, formatRate, formatShare, formatTimestamp, textTable } from './text-table.ts'
import { sharesOf, type VertexTotals, vertexTotals } from './vertex-totals.ts'

/** Slots report about once a second, so less would flicker. */
const WINDOW_MS = 3000
const NAME_CHARS_MAX = 28

interface Sample {
  readonly atMs: number
  readonly vertices: readonly VertexTotals[]
}

interface VertexPace extends VertexTotals {
  readonly recordsPerSecond: number
}

export class JobProgress {
  /** Those of the window, and one before it. */
  #samples: Sample[] = []
  #attempt = -1
  #description: JobDescription | null = null
  #atMs = 0
  #startedMs = 0

  get description(): JobDescription | null {
    return this.#description
  }

  /** `nowMs` is monotonic. */
  on(description: JobDescription, nowMs: number): void {
    if (this.#description === null) this.#startedMs = nowMs
    // A new attempt counts from zero again.
    if (description.attempt !== this.#attempt) this.#samples = []
    this.#attempt = description.attempt
    this.#description = description
    this.#atMs = nowMs
    this.#samples.push({ atMs: nowMs, vertices: description.vertices.map(vertexTotals) })
    while (this.#samples.length > 2 && this.#samples[1]!.atMs <= nowMs - WINDOW_MS) this.#samples.shift()
  }

  /** `word-count  running  12s`, with what there is to know besides. */
  headline(remark: string): string {
    const job = this.#description
    if (job === null) return ''
    const restarts = job.restarts === 0 ? '' : `restarts ${job.restarts}`
    const parts = [job.name, job.state, formatDuration(this.#atMs - this.#startedMs), restarts, remark]
    return parts.filter((part) => part !== '').join('  ')
  }

  /** A table with a line per vertex, narrow enough for most terminals. */
  vertexLines(): string[] {
    const rows = this.#paces().map((vertex) => [
      `${shorten(vertex.name)} x${vertex.parallelism}`,
      formatCount(vertex.recordsIn),
      formatRate(vertex.recordsPerSecond),
      formatShare(vertex.busy),
      formatShare(vertex.backPressured),
      formatShare(vertex.idle),
      formatTimestamp(vertex.watermark),
    ])
    return textTable(['VERTEX', 'IN', 'PER S', 'BUSY', 'BACK-PR.', 'IDLE', 'EVENT TIME'], rows).split('\n')
  }

  /** All vertices on one line: for logs. */
  oneLine(remark: string): string {
    const isMoving = this.#description?.state === 'running'
    const vertices = (isMoving ? this.#paces() : []).map(
      ({ name, recordsPerSecond, watermark, busy, backPressured, idle }) => {
        const time = watermark === null ? '' : `, event time ${formatTimestamp(watermark)}`
        return `${name} ${formatRate(recordsPerSecond)}/s, busy ${formatShare(busy)}, back-pressured ${formatShare(backPressured)}, idle ${formatShare(idle)}${time}`
      },
    )
    return [this.headline(remark), ...vertices].join('; ')
  }

  #paces(): VertexPace[] {
    const [first, last] = [this.#samples[0], this.#samples.at(-1)]
    if (first === undefined || last === undefined) return []
    const seconds = (last.atMs - first.atMs) / 1000
    return last.vertices.map((vertex, index) => {
      const before = first.vertices[index]!
      const spent = {
        busyMs: vertex.busyMs - before.busyMs,
        backPressuredMs: vertex.backPressuredMs - before.backPressuredMs,
        idleMs: vertex.idleMs - before.idleMs,
      }
      const hasMoved = spent.busyMs + spent.backPressuredMs + spent.idleMs > 0
      return {
        ...vertex,
        ...(hasMoved ? sharesOf(spent) : {}),
        recordsPerSecond: seconds === 0 ? 0 : Math.max(0, vertex.recordsIn - before.recordsIn) / seconds,
      }
    })
  }
}

/** The names of long chains would push everything else off the screen. */
function shorten(name: string): string {
  return name.length <= NAME_CHARS_MAX ? name : `${name.slice(0, NAME_CHARS_MAX - 3)}...`
}
