/**
 * What runs under fire: two Nexmark queries, one into files and one into JetStream, both exactly once, so that what
 * comes out can be compared to the last byte; and the pulse, whose output shows when anything stands still.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { jetstreamManager } from '@nats-io/jetstream'
import { connect, type NatsConnection } from '@nats-io/transport-node'
import { canonicalRows, digestOf } from '../../bench/nexmark-results.ts'
import { readStream } from '../../bench/results-stream.ts'

const FILES_QUERY = 'q5'
const MESSAGES_QUERY = 'q11'
/** The name of a query's job. */
const jobName = (query: string): string => `nexmark-${query}`
const PULSE_STREAM = 'CHAOS_PULSE'
const RESULTS_STREAM = 'CHAOS_RESULTS'
const PULSE_SUBJECT = 'chaos.pulse'
/** Enough to put something out, at a rate that leaves a small machine time for the faults. */
const PULSE_PER_SECOND = 40_000
const EVENTS_PER_SECOND = 2000

export interface ChaosJob {
  readonly file: string
  readonly args: readonly string[]
}

/** Of the pulse, when each message came, by `performance.now()`; ascending. */
export interface Pulse {
  readonly timesMs: readonly number[]
  stop(): Promise<void>
}

const query = (name: string): string =>
  fileURLToPath(new URL(`../../examples/nexmark/${name}.ts`, import.meta.url))

export class ChaosJobs {
  readonly #connection: NatsConnection
  readonly #directory: string
  readonly #seconds: number
  readonly #seed: number

  private constructor(connection: NatsConnection, directory: string, seconds: number, seed: number) {
    this.#connection = connection
    this.#directory = directory
    this.#seconds = seconds
    this.#seed = seed
  }

  /** Makes the streams. Files go below `directory`. */
  static async open(url: string, directory: string, seconds: number, seed: number): Promise<ChaosJobs> {
    const connection = await connect({ servers: url, maxReconnectAttempts: -1, reconnectTimeWait: 100 })
    const manager = await jetstreamManager(connection)
    await manager.streams.add({ name: RESULTS_STREAM, subjects: ['chaos.results.>'] })
    await manager.streams.add({ name: PULSE_STREAM, subjects: [PULSE_SUBJECT], max_msgs: 1000 })
    return new ChaosJobs(connection, directory, seconds, seed)
  }

  /** The two queries, their results under `name`; at the pace at which they last as long as the faults, or without. */
  queries(name: string, isPaced: boolean): readonly ChaosJob[] {
    const events = ['--events', `${EVENTS_PER_SECOND * this.#seconds}`, '--seed', `${this.#seed}`]
    const pace = isPaced ? ['--pace', `${EVENTS_PER_SECOND}`] : []
    const files = ['--sink', 'files', '--path', this.#path(name)]
    const messages = ['--sink', 'jetstream', '--subject', subjectOf(name)]
    return [
      { file: query(FILES_QUERY), args: [...events, ...pace, ...files] },
      { file: query(MESSAGES_QUERY), args: [...events, ...pace, ...messages] },
    ]
  }

  get pulse(): ChaosJob {
    const elements = PULSE_PER_SECOND * this.#seconds
    const file = fileURLToPath(new URL('pulse.ts', import.meta.url))
    return { file, args: [PULSE_SUBJECT, `${elements}`, `${PULSE_PER_SECOND}`] }
  }

  watchPulse(): Pulse {
    const timesMs: number[] = []
    const subscription = this.#connection.subscribe(PULSE_SUBJECT, {
      callback: () => void timesMs.push(performance.now()),
    })
    return { timesMs, stop: () => subscription.drain() }
  }

  /** By job: how many rows there are under `name`, and the digest of them all. */
  async results(name: string): Promise<Record<string, { rows: number; sha256: string }>> {
    const rows = { [FILES_QUERY]: this.#fileRows(name), [MESSAGES_QUERY]: await this.#messageRows(name) }
    return Object.fromEntries(
      Object.entries(rows).map(([of, lines]) => {
        const canonical = canonicalRows(of, lines)
        return [jobName(of), { rows: canonical.length, sha256: digestOf(canonical) }]
      }),
    )
  }

  close(): Promise<void> {
    return this.#connection.close()
  }

  #path(name: string): string {
    return join(this.#directory, 'results', name)
  }

  /** Of finished parts: hidden ones are what attempts that failed have left behind. */
  #fileRows(name: string): string[] {
    const directory = this.#path(name)
    if (!existsSync(directory)) return []
    return readdirSync(directory)
      .filter((file) => !file.startsWith('.'))
      .flatMap((file) => readFileSync(join(directory, file), 'utf8').split('\n').slice(0, -1))
  }

  async #messageRows(name: string): Promise<string[]> {
    const rows = await readStream(this.#connection, RESULTS_STREAM)
    return rows.filter(({ subject }) => subject === subjectOf(name)).map(({ text }) => text)
  }
}

const subjectOf = (name: string): string => `chaos.results.${name}`
