/** A source whose readers ask for one piece after another, so that the enumerator is needed to the end. */
import type {
  PollResult,
  ReaderOutput,
  Source,
  SourceReader,
  SplitOutput,
} from '../../lib/function/source.ts'
import { t } from '../../lib/types/t.ts'

interface Piece {
  readonly id: string
  readonly next: number
  readonly end: number
}

const PIECE = t.object({ id: t.string, next: t.int64, end: t.int64 })
const BURST_MS = 20

export interface PiecesOptions {
  readonly count: number
  readonly pieceCount: number
  /** Of one reader. */
  readonly recordsPerBurst: number
}

/** The numbers from 0 to `count`. */
export function pieces(options: PiecesOptions): Source<number, Piece, readonly Piece[]> {
  const { count, pieceCount } = options
  return {
    name: 'pieces',
    isBounded: true,
    type: t.int64,
    splitType: PIECE,
    enumeratorStateType: t.list(PIECE),
    createEnumerator(context, restored) {
      const size = Math.ceil(count / pieceCount)
      const all = Array.from({ length: pieceCount }, (_, i) => ({
        id: `${i}`,
        next: i * size,
        end: Math.min(count, (i + 1) * size),
      }))
      const left: Piece[] = [...(restored ?? all)]
      return {
        start() {},
        onSplitRequest(subtaskIndex) {
          const piece = left.shift()
          if (piece === undefined) context.noMoreSplits(subtaskIndex)
          else context.assign(piece, subtaskIndex)
        },
        addSplitsBack: (splits) => void left.unshift(...splits),
        snapshot: () => [...left],
        close() {},
      }
    },
    createReader: (context) => new PieceReader(context, options.recordsPerBurst),
  }
}

type ReaderContext = Parameters<Source<number, Piece>['createReader']>[0]

class PieceReader implements SourceReader<number, Piece> {
  readonly #context: ReaderContext
  readonly #recordsPerBurst: number
  readonly #pieces: { id: string; next: number; end: number; output: SplitOutput<number> }[] = []
  #hasAll = false
  #nextBurstMs = 0
  #timer: { cancel(): void } | null = null

  constructor(context: ReaderContext, recordsPerBurst: number) {
    this.#context = context
    this.#recordsPerBurst = recordsPerBurst
  }

  addSplits(splits: readonly Piece[], output: ReaderOutput<number>): void {
    for (const { id, next, end } of splits) {
      this.#pieces.push({ id, next, end, output: output.ofSplit(id) })
    }
  }

  noMoreSplits(): void {
    this.#hasAll = true
  }

  poll(output: ReaderOutput<number>, recordsMax: number): PollResult {
    const piece = this.#pieces[0]
    if (piece === undefined) return this.#hasAll ? 'end' : 'idle'
    const waitMs = this.#nextBurstMs - this.#context.clock.monotonic()
    if (waitMs > 0) {
      this.#timer ??= this.#context.clock.schedule(waitMs, () => {
        this.#timer = null
        this.#context.wake()
      })
      return 'idle'
    }
    this.#nextBurstMs = this.#context.clock.monotonic() + BURST_MS
    const end = Math.min(piece.end, piece.next + Math.min(recordsMax, this.#recordsPerBurst))
    while (piece.next < end) piece.output.collect(piece.next++)
    if (piece.next === piece.end) {
      output.releaseSplit(piece.id)
      this.#pieces.shift()
      if (this.#pieces.length === 0) this.#context.requestSplit()
    }
    return 'more'
  }

  snapshot(): Piece[] {
    return this.#pieces.map(({ id, next, end }) => ({ id, next, end }))
  }

  close(): void {
    this.#timer?.cancel()
  }
}
