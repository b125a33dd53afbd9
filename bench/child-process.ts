/**
 * The processes a benchmark consists of. They are Node programs that say how they are doing in lines of JSON; they end
 * with this process at the latest, on whatever path it ends (end-with-parent.mjs).
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { fileURLToPath } from 'node:url'

export interface Child {
  readonly pid: number
  /** The first `count` lines (default 1) that are JSON objects with `key`. Rejects if the process ends before. */
  lines<T>(key: string, count?: number): Promise<T[]>
  /** Resolves when the process has ended by itself; rejects unless its exit code is 0. */
  readonly finished: Promise<void>
  /** Idempotent: asks, and kills after STOP_TIMEOUT_MS. */
  stop(): Promise<void>
}

const STOP_TIMEOUT_MS = 5000
/** Of what a child wrote to stderr, the last part: for the message when it fails. */
const STDERR_CHARS_MAX = 4096
const lifeline = new URL('./end-with-parent.mjs', import.meta.url).href

/** Runs a file of this directory, which may be TypeScript; `nodeOptions` are for Node itself. */
export function startBench(
  file: string,
  args: readonly string[] = [],
  nodeOptions: readonly string[] = [],
): Child {
  const path = fileURLToPath(new URL(file, import.meta.url))
  return start(file, [...nodeOptions, '--import', 'tsx', path, ...args])
}

/** Runs `sluice` with nothing configured but what `args` say. */
export function startSluice(args: readonly string[]): Child {
  const program = fileURLToPath(new URL('../bin/sluice.mjs', import.meta.url))
  return start(`sluice ${args[0]}`, [program, ...args])
}

function start(name: string, args: readonly string[]): Child {
  const child = spawn(process.execPath, ['--import', lifeline, ...args], {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: withoutConfiguration(process.env),
  })
  const { ended, errors } = observe(child)
  const said = new Lines(child.stdout)
  const kill = () => child.kill('SIGKILL')
  process.once('exit', kill)
  void ended.then(() => process.off('exit', kill))
  const failure = (code: number | null) => new Error(`${name} ended with code ${code}:\n${errors()}`)
  const finished = ended.then((code) => {
    if (code !== 0) throw failure(code)
  })
  finished.catch(() => {})
  return {
    pid: child.pid!,
    finished,
    lines: <T>(key: string, count = 1) =>
      new Promise<T[]>((resolve, reject) => {
        said.await(key, count, (values) => resolve(values as T[]))
        void ended.then((code) => reject(failure(code)))
      }),
    async stop() {
      child.kill('SIGTERM')
      const timer = setTimeout(kill, STOP_TIMEOUT_MS)
      await ended
      clearTimeout(timer)
    },
  }
}

function observe(child: ChildProcess): { ended: Promise<number | null>; errors: () => string } {
  let errors = ''
  child.stderr!.setEncoding('utf8').on('data', (text: string) => {
    errors = (errors + text).slice(-STDERR_CHARS_MAX)
  })
  child.stdin!.on('error', () => {})
  return { ended: new Promise((resolve) => child.once('close', resolve)), errors: () => errors }
}

/** What a child has said on stdout, in JSON: a few lines. */
class Lines {
  readonly #values: object[] = []
  readonly #checks: (() => void)[] = []

  constructor(stdout: Readable) {
    createInterface({ input: stdout }).on('line', (line) => {
      if (!line.startsWith('{')) return
      this.#values.push(JSON.parse(line) as object)
      for (const check of this.#checks) check()
    })
  }

  await(key: string, count: number, found: (values: object[]) => void): void {
    const check = () => {
      const values = this.#values.filter((value) => Object.hasOwn(value, key))
      if (values.length >= count) found(values.slice(0, count))
    }
    this.#checks.push(check)
    check()
  }
}

/** What is measured must not depend on how the one who measures has configured Sluice. */
function withoutConfiguration(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const isKept = (name: string) => !/^(SLUICE_|NATS_)/.test(name) || name === 'SLUICE_NATS_SERVER_BIN'
  return Object.fromEntries(Object.entries(env).filter(([name]) => isKept(name)))
}
