/**
 * Tells how a job is doing while somebody waits for it: on a terminal a block that is rewritten, elsewhere a line every
 * few seconds, with --json an event per change of state. Nothing with -q, nor in CI, whose logs are read afterwards.
 */

import type { JobDescription } from '../lib/protocol/job-submission.ts'
import type { NodeView } from '../lib/scheduler/slot-ledger.ts'
import { JobProgress } from './job-progress.ts'
import { LiveBlock } from './live-block.ts'
import type { CommandContext } from './verb.ts'

const LINE_INTERVAL_MS = 5000
const NODES_INTERVAL_MS = 1000
/** Without a word of the job master for this long, that is worth a word. */
const SILENCE_MS = 3000
const CHECK_MS = 500

export class ProgressReporter {
  readonly #context: CommandContext
  readonly #nodes: (() => Promise<readonly NodeView[]>) | null
  readonly #progress = new JobProgress()
  readonly #block: LiveBlock | null
  readonly #isSpoken: boolean
  #state = ''
  #restarts = 0
  #heardMs: number
  #lineMs: number
  #nodesMs = Number.NEGATIVE_INFINITY
  #slots = ''
  #timer: NodeJS.Timeout

  /** `nodes`: asked while the job waits for slots, to say for what. */
  constructor(context: CommandContext, nodes: (() => Promise<readonly NodeView[]>) | null = null) {
    const { out, clock } = context
    const isCi = !['', 'false', '0'].includes(process.env.CI ?? '')
    this.#context = context
    this.#nodes = nodes
    this.#isSpoken = !out.isQuiet && !out.isJson && !isCi
    const isTerminal = process.stderr.isTTY && process.env.TERM !== 'dumb'
    this.#block = this.#isSpoken && isTerminal ? new LiveBlock(terminals()) : null
    this.#heardMs = clock.monotonic()
    this.#lineMs = clock.monotonic()
    this.#timer = setInterval(() => this.#onTimer(), CHECK_MS)
  }

  /** The last description there was. */
  get description(): JobDescription | null {
    return this.#progress.description
  }

  update(description: JobDescription): void {
    const nowMs = this.#context.clock.monotonic()
    this.#heardMs = nowMs
    this.#progress.on(description, nowMs)
    if (description.state === 'waiting') this.#askForSlots(nowMs)
    if (description.restarts > this.#restarts) this.#onRestart(description)
    if (description.state !== this.#state) this.#onState(description)
    this.#say(nowMs)
  }

  close(): void {
    clearInterval(this.#timer)
    this.#block?.close()
  }

  /** The states between failure and restart may be too short to be seen; that there was one is not lost. */
  #onRestart({ name, restarts, error }: JobDescription): void {
    this.#restarts = restarts
    if (!this.#isSpoken || error === undefined) return
    this.#context.out.note(`${name} failed and is restarted (${restarts}): ${error.message}`)
  }

  #onState({ jobId, name, state, attempt }: JobDescription): void {
    this.#state = state
    this.#context.out.event({ event: 'state', jobId, name, state, attempt })
    // Short waits are not worth a line; a change makes one due sooner.
    if (state === 'waiting')
      this.#lineMs = Math.min(this.#lineMs, this.#heardMs - LINE_INTERVAL_MS + NODES_INTERVAL_MS)
  }

  #onTimer(): void {
    const nowMs = this.#context.clock.monotonic()
    if (nowMs - this.#heardMs >= SILENCE_MS) this.#say(nowMs)
  }

  #say(nowMs: number): void {
    if (!this.#isSpoken) return
    const remark = this.#remark(nowMs)
    if (this.#block !== null) {
      const headline = this.#progress.headline(remark)
      this.#block.show(headline === '' ? [remark] : [headline, ...this.#progress.vertexLines()])
    } else if (nowMs - this.#lineMs >= LINE_INTERVAL_MS) {
      this.#lineMs = nowMs
      this.#context.out.note(this.#progress.oneLine(remark) || remark)
    }
  }

  #remark(nowMs: number): string {
    const silentMs = nowMs - this.#heardMs
    if (silentMs >= SILENCE_MS) return `(no news from the coordinator for ${Math.round(silentMs / 1000)}s)`
    const job = this.#progress.description
    if (job?.state !== 'waiting') return ''
    return `for ${job.slotsNeeded} slots${this.#slots}`
  }

  #askForSlots(nowMs: number): void {
    if (this.#nodes === null || nowMs - this.#nodesMs < NODES_INTERVAL_MS) return
    this.#nodesMs = nowMs
    this.#nodes().then(
      (nodes) => {
        const slots = nodes.flatMap((node) => node.slots)
        const free = slots.filter(({ jobId }) => jobId === null).length
        this.#slots = `: ${free} of ${slots.length} on ${nodes.length} nodes are free`
      },
      () => {},
    )
  }
}

/** Streams of this process that lead to a terminal; the one progress goes to first. */
function terminals(): NodeJS.WriteStream[] {
  return process.stdout.isTTY ? [process.stderr, process.stdout] : [process.stderr]
}
