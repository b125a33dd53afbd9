/** Synchronous scans of a LevelDB store: asks the thread that does them and sleeps until it answers. */
import { MessageChannel, type MessagePort, receiveMessageOnPort, Worker } from 'node:worker_threads'
import { SluiceError } from '../base/errors.ts'
import type { KeyRange, StoreRow, StoreScan } from './key-value-store.ts'

interface Answer {
  /** Which scan it is for; -1: opening and closing. */
  readonly scan: number
  readonly rows?: readonly StoreRow[] | null
  readonly error?: string
}

/** A disk that takes longer for one page is taken for broken. */
const ANSWER_TIMEOUT_MS = 60_000

export class LevelScanner {
  readonly #location: string
  readonly #worker: Worker
  readonly #port: MessagePort
  /** Counts the answers given. */
  readonly #answered = new Int32Array(new SharedArrayBuffer(4))
  /** Answers for other scans that came while one was waited for; one per scan at most. */
  readonly #pending = new Map<number, Answer>()
  #nextScan = 0

  /** `location`: a database that is open in this process, with multithreading. */
  constructor(location: string) {
    this.#location = location
    const { port1, port2 } = new MessageChannel()
    this.#port = port1
    // Not the loaders and flags of this thread: the file is plain JavaScript and starts in a moment.
    this.#worker = new Worker(new URL('./level-scan-thread.mjs', import.meta.url), {
      workerData: { location, port: port2, cell: this.#answered.buffer },
      transferList: [port2],
      execArgv: [],
      stdout: false,
    })
    this.#worker.unref()
    this.#port.unref()
  }

  /** The range as it is now. */
  open({ from, to }: KeyRange, pageRows: number): StoreScan {
    if (this.#nextScan === 0) this.#await(-1)
    const scan = this.#nextScan++
    this.#port.postMessage({ kind: 'open', scan, from, to, pageRows })
    this.#await(scan)
    this.#port.postMessage({ kind: 'next', scan })
    let isAtEnd = false
    return {
      next: () => {
        if (isAtEnd) return []
        const rows = this.#await(scan)
        isAtEnd = rows.length === 0
        // Read ahead while the caller is busy with this page.
        if (!isAtEnd) this.#port.postMessage({ kind: 'next', scan })
        return rows
      },
      close: () => {
        if (!isAtEnd) this.#await(scan)
        isAtEnd = true
        this.#port.postMessage({ kind: 'close', scan })
      },
    }
  }

  async close(): Promise<void> {
    if (this.#nextScan === 0) this.#await(-1)
    const ended = new Promise((resolve) => this.#worker.once('exit', resolve))
    this.#worker.ref()
    this.#port.postMessage({ kind: 'end' })
    await ended
    this.#port.close()
  }

  #await(scan: number): readonly StoreRow[] {
    for (;;) {
      const seen = Atomics.load(this.#answered, 0)
      const known = this.#pending.get(scan) ?? this.#receive()
      if (known === undefined) {
        if (Atomics.wait(this.#answered, 0, seen, ANSWER_TIMEOUT_MS) === 'timed-out') {
          throw this.#failed(`no answer within ${ANSWER_TIMEOUT_MS / 1000} s`)
        }
      } else if (known.scan === scan) {
        this.#pending.delete(scan)
        if (known.error !== undefined) throw this.#failed(known.error)
        return known.rows ?? []
      } else this.#pending.set(known.scan, known)
    }
  }

  #receive(): Answer | undefined {
    return receiveMessageOnPort(this.#port)?.message
  }

  #failed(reason: string): SluiceError {
    return new SluiceError('STORAGE_FAILED', `keyed state in ${this.#location} cannot be read: ${reason}`)
  }
}
