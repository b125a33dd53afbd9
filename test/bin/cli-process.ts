/** The command line as its users meet it: a process, its streams, its exit code. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync } from 'node:fs'
import { join, resolve } from 'node:path'
import type { Test } from 'tap'
import { natsServerBinary, temporaryDirectory } from '../support/nats-server.ts'

export const PROGRAM = resolve(import.meta.dirname, '../../bin/sluice.mjs')
export const job = (name: string): string => resolve(import.meta.dirname, 'jobs', name)

/** What is waited for comes within this, or something is wrong. */
const PATIENCE_MS = 90_000

export interface Finished {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
}

/** A directory of its own to work in, and an environment without anything of the host's configuration. */
export class Workspace {
  readonly directory: string
  readonly env: Record<string, string>
  readonly #test: Test

  private constructor(test: Test, directory: string, env: Record<string, string>) {
    this.#test = test
    this.directory = directory
    this.env = env
  }

  static async open(test: Test, env: Record<string, string> = {}): Promise<Workspace> {
    const directory = temporaryDirectory(test)
    const cache = join(directory, 'cache')
    mkdirSync(cache)
    return new Workspace(test, directory, {
      PATH: process.env.PATH ?? '',
      HOME: directory,
      XDG_CACHE_HOME: cache,
      SLUICE_NATS_SERVER_BIN: await natsServerBinary(),
      ...env,
    })
  }

  /** Runs to its end. */
  run(args: readonly string[], env: Record<string, string> = {}): Promise<Finished> {
    return this.start(args, env).exited
  }

  /** Killed after the test if it still runs then. */
  start(args: readonly string[], env: Record<string, string> = {}): CliProcess {
    const child = spawn(process.execPath, [PROGRAM, ...args], {
      cwd: this.directory,
      env: { ...this.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    const cli = new CliProcess(child, args)
    this.#test.teardown(async () => {
      child.kill('SIGKILL')
      await cli.exited
    })
    return cli
  }
}

export class CliProcess {
  readonly exited: Promise<Finished>
  readonly #child: ChildProcess
  readonly #args: readonly string[]
  readonly #waiting = new Set<() => void>()
  stdout = ''
  stderr = ''

  constructor(child: ChildProcess, args: readonly string[]) {
    this.#child = child
    this.#args = args
    child.stdout?.setEncoding('utf8').on('data', (text: string) => this.#heard(() => (this.stdout += text)))
    child.stderr?.setEncoding('utf8').on('data', (text: string) => this.#heard(() => (this.stderr += text)))
    this.exited = once(child, 'close').then(([code, signal]) => {
      const finished = { code, signal, stdout: this.stdout, stderr: this.stderr }
      this.#heard(() => {})
      return finished
    })
  }

  get pid(): number {
    return this.#child.pid!
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal)
  }

  /** Resolves when stdout or stderr match; rejects when that does not happen any more. */
  until(pattern: RegExp): Promise<RegExpExecArray> {
    return new Promise((resolveUntil, reject) => {
      const fail = (why: string) => {
        const words = `${why}: sluice ${this.#args.join(' ')}\n--- stdout\n${this.stdout}\n--- stderr\n${this.stderr}`
        finish(() => reject(new Error(`${pattern} did not appear, ${words}`)))
      }
      const timer = setTimeout(() => fail('time is up'), PATIENCE_MS)
      const finish = (settle: () => void) => {
        clearTimeout(timer)
        this.#waiting.delete(check)
        settle()
      }
      const check = () => {
        const match = pattern.exec(this.stdout) ?? pattern.exec(this.stderr)
        if (match !== null) finish(() => resolveUntil(match))
        else if (this.#child.exitCode !== null || this.#child.signalCode !== null)
          fail('the process has ended')
      }
      this.#waiting.add(check)
      check()
    })
  }

  #heard(take: () => void): void {
    take()
    for (const check of [...this.#waiting]) check()
  }
}

/** Whether a process exists. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

/** Asks again and again until the answer is true. */
export async function eventually(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = Date.now() + PATIENCE_MS
  while (!(await holds())) {
    if (Date.now() > deadline) throw new Error(`${what}: not within ${PATIENCE_MS} ms`)
    await new Promise((next) => setTimeout(next, 50))
  }
}
