/**
 * Ctrl-C and its relatives. The first asks for an orderly stop, the second ends the process at once; threads and a
 * nats-server of ours end with it. A verb that never listens is ended by the first, as any program is.
 */
import { EXIT } from '../lib/base/errors.ts'

const EXIT_CODES = {
  SIGINT: EXIT.interrupted,
  SIGTERM: EXIT.terminated,
  /** The terminal is gone. */
  SIGHUP: EXIT.terminated,
} as const

type Signal = keyof typeof EXIT_CODES

export class Interrupts {
  readonly #controller = new AbortController()
  #isListening = false
  #received: Signal | null = null

  /** What the process is to exit with because of a signal; null: there was none. */
  get exitCode(): number | null {
    return this.#received === null ? null : EXIT_CODES[this.#received]
  }

  /** From now on the first signal aborts what is returned. `onFirst` tells the user what happens now. */
  listen(onFirst: () => void = () => {}): AbortSignal {
    this.#controller.signal.addEventListener('abort', onFirst, { once: true })
    if (!this.#isListening) {
      this.#isListening = true
      for (const signal of Object.keys(EXIT_CODES) as Signal[]) process.on(signal, () => this.#on(signal))
    }
    return this.#controller.signal
  }

  #on(signal: Signal): void {
    if (this.#received !== null) process.exit(EXIT_CODES[this.#received])
    this.#received = signal
    this.#controller.abort()
  }
}

/** Resolves when `signal` aborts. */
export function whenAborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
}
