/**
 * Some lines at the bottom of a terminal that are written over and over, while others write above them: a job that
 * prints, the log. Everything else that goes to the terminal passes through here, or the cursor would be elsewhere
 * than we think.
 */

/** What is needed of a TTY stream. */
export interface TerminalStream {
  readonly columns?: number
  write(chunk: string | Uint8Array, ...more: unknown[]): boolean
}

const CLEAR_TO_END = '\u001b[0J'
const up = (lines: number) => (lines === 0 ? '' : `\u001b[${lines}A`)
const WIDTH = 80

export class LiveBlock {
  readonly #stream: TerminalStream
  readonly #write: TerminalStream['write']
  readonly #restore: (() => void)[] = []
  #shownLines = 0
  /** Somebody else has begun a line and not ended it. */
  #isMidLine = false

  /** `streams`: all that lead to the same terminal; the block is written to the first. */
  constructor(streams: readonly TerminalStream[]) {
    this.#stream = streams[0]!
    this.#write = this.#stream.write.bind(this.#stream)
    for (const stream of streams) this.#intercept(stream)
  }

  /** Replaces what is shown. Lines that are too long are cut: one that wraps would be two. */
  show(lines: readonly string[]): void {
    const width = (this.#stream.columns || WIDTH) - 1
    const begin = this.#isMidLine && this.#shownLines === 0 ? '\n' : ''
    const text = lines.map((line) => `${line.slice(0, width)}\n`).join('')
    this.#write(`${begin}${up(this.#shownLines)}\r${CLEAR_TO_END}${text}`)
    this.#shownLines = lines.length
    this.#isMidLine = false
  }

  clear(): void {
    if (this.#shownLines > 0) this.#write(`${up(this.#shownLines)}\r${CLEAR_TO_END}`)
    this.#shownLines = 0
  }

  close(): void {
    this.clear()
    for (const restore of this.#restore) restore()
  }

  #intercept(stream: TerminalStream): void {
    const write = stream.write
    stream.write = (chunk, ...more) => {
      this.clear()
      this.#isMidLine = !endsLine(chunk)
      return write.call(stream, chunk, ...more)
    }
    this.#restore.push(() => {
      stream.write = write
    })
  }
}

function endsLine(chunk: string | Uint8Array): boolean {
  return typeof chunk === 'string' ? chunk.endsWith('\n') : chunk.at(-1) === 0x0a
}
