/**
 * Cases of the file sink, each played twice: to buckets whose parts are lists in memory, where every state of a part
 * can be seen, and to the sink with real files, where what counts is what the directory shows. And when parts roll.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemClock } from '../../lib/base/clock.ts'
import { Bucket, type Part } from '../../lib/connectors/files/bucket.ts'
import type { PendingFile } from '../../lib/connectors/files/file-committer.ts'
import type { FileFormat } from '../../lib/connectors/files/file-format.ts'
import { fileSink } from '../../lib/connectors/files/file-sink.ts'
import type { FileWriterState } from '../../lib/connectors/files/file-sink-writer.ts'
import { lines } from '../../lib/connectors/files/lines.ts'
import {
  onCheckpointPolicy,
  type RollingPolicy,
  sizeAndTimePolicy,
} from '../../lib/connectors/files/rolling-policy.ts'
import type { Sink } from '../../lib/function/sink.ts'
import { ManualClock } from '../../lib/testing/manual-clock.ts'
import { SinkDriver, type SinkSnapshot } from '../lib/connectors/sink-driver.ts'
import { CaseError, checkFields, type Json, type JsonObject, numberOf, objectOf } from './case.ts'
import { isSameMultiset } from './compare.ts'
import { functionsAdapter } from './pair-functions.ts'
import type { Adapter, Subject } from './run-case.ts'

export const rollingPolicyAdapter = functionsAdapter({
  'should-roll': (config) => {
    checkFields(config, 'config', ['fn'])
    return (input: JsonObject) => {
      checkFields(input, 'input', ['policy', 'file', 'now'])
      const policy = policyOf(objectOf(input, 'policy'))
      const file = objectOf(input, 'file')
      const nowMs = numberOf(input, 'now')
      const part = {
        sizeBytes: numberOf(file, 'size'),
        createdMs: numberOf(file, 'createdAt'),
        lastWriteMs: numberOf(file, 'lastWriteAt'),
      }
      return {
        onEvent: policy.shouldRollOnEvent(part, nowMs),
        onCheckpoint: policy.shouldRollOnCheckpoint(part, nowMs),
        onProcessingTime: policy.shouldRollOnProcessingTime(part, nowMs),
      }
    }
  },
})

const eachElementPolicy: RollingPolicy = {
  checkIntervalMs: null,
  shouldRollOnEvent: () => true,
  shouldRollOnProcessingTime: () => false,
  shouldRollOnCheckpoint: () => false,
}

function policyOf(config: JsonObject): RollingPolicy {
  switch (config.type) {
    case 'on-checkpoint':
      checkFields(config, 'policy', ['type'])
      return onCheckpointPolicy
    case 'each-element':
      checkFields(config, 'policy', ['type'])
      return eachElementPolicy
    case 'default':
      checkFields(config, 'policy', ['type', 'partSize', 'rolloverInterval', 'inactivityInterval'])
      return sizeAndTimePolicy({
        partBytes: numberOf(config, 'partSize'),
        rolloverInterval: numberOf(config, 'rolloverInterval'),
        inactivityInterval: numberOf(config, 'inactivityInterval'),
      })
    default:
      throw new CaseError(`unknown policy ${JSON.stringify(config)}`)
  }
}

export const fileSinkAdapter: Adapter = {
  variants: (config) => {
    checkFields(config, 'config', ['op', 'policy', 'bucketBy'])
    if (config.op !== 'file-sink') throw new CaseError(`unknown op ${JSON.stringify(config.op)}`)
    if (config.bucketBy !== 'f0') throw new CaseError(`unknown bucketBy ${JSON.stringify(config.bucketBy)}`)
    const policy = policyOf(objectOf(config, 'policy'))
    return [
      { name: 'in memory', open: () => subjectOf(new MemorySink(policy)) },
      { name: 'in files', open: async () => subjectOf(await DirectorySink.open(policy)) },
    ]
  },
  normalizeFacts: (facts) =>
    Object.fromEntries(Object.entries(facts).map(([state, parts]) => [state, sorted(parts as Json[])])),
}

function sorted(parts: readonly Json[]): Json[] {
  const texts = parts.map((part) => {
    const { bucket, records } = part as JsonObject
    return JSON.stringify({ bucket, records })
  })
  return texts.sort().map((text) => JSON.parse(text) as Json)
}

/** A sink, as far as scripts go. */
interface ScriptedSink {
  write(bucket: string, text: string): void
  setTime(nowMs: number): void | Promise<void>
  checkpoint(id: number, isEnd: boolean): void | Promise<void>
  complete(id: number): void | Promise<void>
  restore(id: number): void | Promise<void>
  facts(expected: JsonObject): JsonObject | Promise<JsonObject>
  close(): void | Promise<void>
}

function subjectOf(sink: ScriptedSink): Subject {
  return {
    async step(step) {
      checkFields(step, 'step', [
        'record',
        'processingTime',
        'checkpoint',
        'endInput',
        'notifyComplete',
        'restore',
      ])
      if (step.record !== undefined) {
        const [bucket, text] = objectOf(step, 'record').value as [string, string]
        sink.write(bucket, text)
      } else if (step.processingTime !== undefined) await sink.setTime(numberOf(step, 'processingTime'))
      else if (step.checkpoint !== undefined) {
        await sink.checkpoint(numberOf(step, 'checkpoint'), step.endInput === true)
      } else if (step.restore !== undefined) await sink.restore(numberOf(step, 'restore'))
      else await sink.complete(numberOf(step, 'notifyComplete'))
      return []
    },
    facts: (expected) => sink.facts(expected),
    close: () => sink.close(),
  }
}

class MemoryPart implements Part {
  readonly bucket: string
  readonly records: string[]

  constructor(bucket: string, records: readonly string[] = []) {
    this.bucket = bucket
    this.records = [...records]
  }

  get sizeBytes(): number {
    return this.records.reduce((sum, record) => sum + record.length + 1, 0)
  }

  append(record: string): void {
    this.records.push(record)
  }

  close(): void {}

  toJson(): Json {
    return { bucket: this.bucket, records: [...this.records] }
  }
}

interface MemorySnapshot {
  readonly current: readonly {
    readonly bucket: string
    readonly records: readonly string[]
    readonly createdMs: number
  }[]
  readonly pending: readonly { readonly id: number; readonly part: MemoryPart }[]
}

class MemorySink implements ScriptedSink {
  readonly #policy: RollingPolicy
  readonly #snapshots = new Map<number, MemorySnapshot>()
  readonly #finished: MemoryPart[] = []
  #buckets = new Map<string, Bucket<MemoryPart>>()
  #pending: MemorySnapshot['pending'] = []
  #nowMs = 0

  constructor(policy: RollingPolicy) {
    this.#policy = policy
  }

  write(bucket: string, text: string): void {
    this.#bucket(bucket).write(text, this.#nowMs)
  }

  setTime(nowMs: number): void {
    this.#nowMs = nowMs
    for (const bucket of this.#buckets.values()) bucket.onProcessingTime(nowMs)
  }

  checkpoint(id: number, isEnd: boolean): void {
    const ready = [...this.#buckets.values()].flatMap((bucket) => bucket.prepareCommit(this.#nowMs, isEnd))
    this.#pending = [...this.#pending, ...ready.map((part) => ({ id, part }))]
    const current = this.#current().map(({ part, createdMs }) => ({
      bucket: part.bucket,
      records: [...part.records],
      createdMs,
    }))
    this.#snapshots.set(id, { current, pending: this.#pending })
  }

  complete(id: number): void {
    this.#finished.push(...this.#pending.filter((each) => each.id <= id).map(({ part }) => part))
    this.#pending = this.#pending.filter((each) => each.id > id)
  }

  restore(id: number): void {
    const { current, pending } = this.#snapshots.get(id)!
    this.#buckets = new Map()
    for (const { bucket, records, createdMs } of current) {
      this.#bucket(bucket).restore(new MemoryPart(bucket, records), createdMs)
    }
    this.#finished.push(...pending.map(({ part }) => part).filter((part) => !this.#finished.includes(part)))
    this.#pending = []
  }

  facts(): JsonObject {
    const rolled = [...this.#buckets.values()].flatMap(({ pending }) => pending)
    return {
      inProgress: this.#current().map(({ part }) => part.toJson()),
      pending: [...rolled, ...this.#pending.map(({ part }) => part)].map((part) => part.toJson()),
      finished: this.#finished.map((part) => part.toJson()),
    }
  }

  close(): void {}

  #current() {
    return [...this.#buckets.values()].flatMap(({ current }) => (current === null ? [] : [current]))
  }

  #bucket(name: string): Bucket<MemoryPart> {
    const bucket = this.#buckets.get(name) ?? new Bucket(this.#policy, () => new MemoryPart(name))
    this.#buckets.set(name, bucket)
    return bucket
  }
}

/** Turns of the event loop after which what a failed attempt has left over should have been removed. */
const TURNS_MAX = 10_000

type Row = readonly [string, string]
const rows: FileFormat<Row> = {
  ...(lines() as unknown as FileFormat<Row>),
  newEncoder: () => ({ header: null, encode: ([, text]) => text }),
}

class DirectorySink implements ScriptedSink {
  readonly #directory = mkdtempSync(join(tmpdir(), 'sluice-conformance-'))
  readonly #sink: Sink<Row, FileWriterState, PendingFile>
  readonly #clock = new ManualClock()
  readonly #snapshots = new Map<number, SinkSnapshot>()
  readonly #drivers: SinkDriver<Row, FileWriterState, PendingFile>[] = []

  private constructor(policy: RollingPolicy) {
    this.#sink = fileSink<Row>({
      path: this.#directory,
      format: rows,
      bucket: ([bucket]) => bucket,
      rolling: policy,
    })
  }

  static async open(policy: RollingPolicy): Promise<DirectorySink> {
    const sink = new DirectorySink(policy)
    await sink.#begin()
    return sink
  }

  get #driver() {
    return this.#drivers.at(-1)!
  }

  write(bucket: string, text: string): void {
    this.#driver.write([bucket, text])
  }

  setTime(nowMs: number): Promise<void> {
    return this.#clock.advance(nowMs - this.#clock.now())
  }

  async checkpoint(id: number, isEnd: boolean): Promise<void> {
    this.#snapshots.set(id, await this.#driver.checkpoint(id, isEnd))
  }

  complete(id: number): Promise<void> {
    return this.#driver.complete(id)
  }

  /** The writer that failed stays as it is: its process is gone. */
  async restore(id: number): Promise<void> {
    await this.#driver.flush()
    await this.#begin(this.#snapshots.get(id)!)
  }

  /** On the disk, pending parts look like those in progress: they are told apart by what is expected. */
  async facts(expected: JsonObject): Promise<JsonObject> {
    await this.#driver.flush()
    const { inProgress, pending } = expected as { inProgress: Json[]; pending: Json[] }
    const isSettled = () => isSameMultiset([...inProgress, ...pending], this.#parts(true))
    for (let turn = 0; turn < TURNS_MAX && !isSettled(); turn++) {
      await new Promise<void>((resolve) => systemClock.defer(resolve))
    }
    const rest = this.#parts(true)
    const found = pending.flatMap((part) => {
      const index = rest.findIndex((other) => isSameMultiset([part], [other]))
      return index < 0 ? [] : rest.splice(index, 1)
    })
    return { inProgress: rest, pending: found, finished: this.#parts(false) }
  }

  async close(): Promise<void> {
    const errors = this.#drivers.flatMap((driver) => driver.errors)
    for (const driver of this.#drivers) await driver.close()
    rmSync(this.#directory, { recursive: true, force: true })
    if (errors.length > 0) throw errors[0]
    if (this.#clock.timerCount > 0) throw new CaseError(`${this.#clock.timerCount} timers are left`)
  }

  async #begin(restored?: SinkSnapshot): Promise<void> {
    const options = { clock: this.#clock, attempt: this.#drivers.length }
    this.#drivers.push(
      await SinkDriver.open(this.#sink, restored === undefined ? options : { ...options, restored }),
    )
  }

  #parts(isHidden: boolean): Json[] {
    return readdirSync(this.#directory).flatMap((bucket) => {
      const names = readdirSync(join(this.#directory, bucket))
      return names
        .filter((name) => name.startsWith('.') === isHidden)
        .flatMap((name) => {
          const text = readIfThere(join(this.#directory, bucket, name))
          return text === null ? [] : [{ bucket, records: text.split('\n').slice(0, -1) }]
        })
    })
  }
}

/** A file that was left over can go away at any moment. */
function readIfThere(path: string): string | null {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null
    throw error
  }
}
