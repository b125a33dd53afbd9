/**
 * The scenarios of the conformance suite `file-sink`, twice: with buckets whose parts are lists in memory, where every
 * state of a part is visible, and with the sink and real files, where what counts is what the directory shows.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { systemClock } from '../../../../lib/base/clock.ts'
import { Bucket, type Part } from '../../../../lib/connectors/files/bucket.ts'
import type { FileFormat } from '../../../../lib/connectors/files/file-format.ts'
import { fileSink } from '../../../../lib/connectors/files/file-sink.ts'
import { lines } from '../../../../lib/connectors/files/lines.ts'
import {
  onCheckpointPolicy,
  type RollingPolicy,
  sizeAndTimePolicy,
} from '../../../../lib/connectors/files/rolling-policy.ts'
import { ManualClock } from '../../../../lib/testing/manual-clock.ts'
import { temporaryDirectory } from '../../../support/nats-server.ts'
import { SinkDriver, type SinkSnapshot } from '../sink-driver.ts'

interface PolicyConfig {
  readonly type: 'default' | 'on-checkpoint' | 'each-element'
  readonly partSize: number
  readonly rolloverInterval: number
  readonly inactivityInterval: number
}

interface Step {
  readonly record?: { readonly value: readonly [string, string] }
  readonly processingTime?: number
  readonly checkpoint?: number
  readonly endInput?: true
  readonly notifyComplete?: number
  readonly restore?: number
}

interface PartFact {
  readonly bucket: string
  readonly records: readonly string[]
}

interface Facts {
  readonly inProgress: readonly PartFact[]
  readonly pending: readonly PartFact[]
  readonly finished: readonly PartFact[]
}

interface Case {
  readonly name: string
  readonly config: { readonly policy: PolicyConfig }
  readonly script: readonly Step[]
  readonly after: Readonly<Record<string, Facts>>
}

interface PairCase {
  readonly pairs: readonly {
    readonly in: {
      readonly policy: PolicyConfig
      readonly file: { readonly size: number; readonly createdAt: number; readonly lastWriteAt: number }
      readonly now: number
    }
    readonly out: {
      readonly onEvent: boolean
      readonly onCheckpoint: boolean
      readonly onProcessingTime: boolean
    }
  }[]
}

const cases = new URL('../../../conformance/cases/', import.meta.url)
const load = <C>(suite: string) =>
  (JSON.parse(readFileSync(new URL(`${suite}.json`, cases), 'utf8')) as { cases: readonly C[] }).cases

const eachElement: RollingPolicy = {
  checkIntervalMs: null,
  shouldRollOnEvent: () => true,
  shouldRollOnProcessingTime: () => false,
  shouldRollOnCheckpoint: () => false,
}

function policyOf({ type, partSize, rolloverInterval, inactivityInterval }: PolicyConfig): RollingPolicy {
  if (type === 'on-checkpoint') return onCheckpointPolicy
  return type === 'each-element'
    ? eachElement
    : sizeAndTimePolicy({ partBytes: partSize, rolloverInterval, inactivityInterval })
}

/** What a scenario does something to. */
interface Subject {
  write(bucket: string, text: string): void
  setTime(nowMs: number): Promise<void>
  checkpoint(id: number, isEnd: boolean): Promise<void>
  complete(id: number): Promise<void>
  restore(id: number): Promise<void>
  check(t: Test, expected: Facts, step: string): Promise<void>
}

for (const { pairs } of load<PairCase>('rolling-policy')) {
  t.test('rolling policy - decides as Flink does', async (t) => {
    for (const { in: given, out } of pairs) {
      const policy = policyOf(given.policy)
      const { size: sizeBytes, createdAt: createdMs, lastWriteAt: lastWriteMs } = given.file
      const part = { sizeBytes, createdMs, lastWriteMs }
      const found = {
        onEvent: policy.shouldRollOnEvent(part, given.now),
        onCheckpoint: policy.shouldRollOnCheckpoint(part, given.now),
        onProcessingTime: policy.shouldRollOnProcessingTime(part, given.now),
      }
      t.same(found, out, JSON.stringify(given))
    }
  })
}

for (const scenario of load<Case>('file-sink')) {
  t.test(`bucket - ${scenario.name}`, async (t) => {
    await play(t, scenario, new MemorySubject(policyOf(scenario.config.policy)))
  })
  t.test(`file sink - ${scenario.name}`, async (t) => {
    const subject = await FileSubject.open(temporaryDirectory(t), policyOf(scenario.config.policy))
    await play(t, scenario, subject)
    await subject.close(t)
  })
}

async function play(t: Test, { script, after }: Case, subject: Subject): Promise<void> {
  for (const [i, step] of script.entries()) {
    if (step.record !== undefined) subject.write(...step.record.value)
    if (step.processingTime !== undefined) await subject.setTime(step.processingTime)
    if (step.checkpoint !== undefined) await subject.checkpoint(step.checkpoint, step.endInput === true)
    if (step.notifyComplete !== undefined) await subject.complete(step.notifyComplete)
    if (step.restore !== undefined) await subject.restore(step.restore)
    await subject.check(t, after[i]!, `after step ${i}, ${JSON.stringify(step)}`)
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
}

interface MemorySnapshot {
  readonly current: readonly {
    readonly bucket: string
    readonly records: readonly string[]
    readonly createdMs: number
  }[]
  readonly pending: readonly { readonly id: number; readonly part: MemoryPart }[]
}

class MemorySubject implements Subject {
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

  async setTime(nowMs: number): Promise<void> {
    this.#nowMs = nowMs
    for (const bucket of this.#buckets.values()) bucket.onProcessingTime(nowMs)
  }

  async checkpoint(id: number, isEnd: boolean): Promise<void> {
    const ready = [...this.#buckets.values()].flatMap((bucket) => bucket.prepareCommit(this.#nowMs, isEnd))
    this.#pending = [...this.#pending, ...ready.map((part) => ({ id, part }))]
    const current = [...this.#buckets.values()].flatMap(({ current }) =>
      current === null
        ? []
        : [{ bucket: current.part.bucket, records: [...current.part.records], createdMs: current.createdMs }],
    )
    this.#snapshots.set(id, { current, pending: this.#pending })
  }

  async complete(id: number): Promise<void> {
    this.#finished.push(...this.#pending.filter((each) => each.id <= id).map(({ part }) => part))
    this.#pending = this.#pending.filter((each) => each.id > id)
  }

  async restore(id: number): Promise<void> {
    const { current, pending } = this.#snapshots.get(id)!
    this.#buckets = new Map()
    for (const { bucket, records, createdMs } of current) {
      this.#bucket(bucket).restore(new MemoryPart(bucket, records), createdMs)
    }
    this.#finished.push(...pending.map(({ part }) => part).filter((part) => !this.#finished.includes(part)))
    this.#pending = []
  }

  async check(t: Test, expected: Facts, step: string): Promise<void> {
    const buckets = [...this.#buckets.values()]
    const found = {
      inProgress: buckets.flatMap(({ current }) => (current === null ? [] : [current.part])),
      pending: [...buckets.flatMap(({ pending }) => pending), ...this.#pending.map(({ part }) => part)],
      finished: this.#finished,
    }
    for (const state of ['inProgress', 'pending', 'finished'] as const) {
      t.same(sorted(found[state]), sorted(expected[state]), `${state} ${step}`)
    }
  }

  #bucket(name: string): Bucket<MemoryPart> {
    const bucket = this.#buckets.get(name) ?? new Bucket(this.#policy, () => new MemoryPart(name))
    this.#buckets.set(name, bucket)
    return bucket
  }
}

const TURNS_MAX = 10_000

type Row = readonly [string, string]
const rows: FileFormat<Row> = {
  ...(lines() as unknown as FileFormat<Row>),
  newEncoder: () => ({ header: null, encode: ([, text]) => text }),
}

class FileSubject implements Subject {
  readonly #directory: string
  readonly #sink: ReturnType<typeof fileSink<Row>>
  readonly #clock = new ManualClock()
  readonly #snapshots = new Map<number, SinkSnapshot>()
  #driver!: Awaited<ReturnType<FileSubject['open']>>
  #attempt = 0

  private constructor(directory: string, policy: RollingPolicy) {
    this.#directory = directory
    this.#sink = fileSink<Row>({
      path: directory,
      format: rows,
      bucket: ([bucket]) => bucket,
      rolling: policy,
    })
  }

  static async open(directory: string, policy: RollingPolicy): Promise<FileSubject> {
    const subject = new FileSubject(directory, policy)
    subject.#driver = await subject.open(undefined)
    return subject
  }

  open(restored: SinkSnapshot | undefined) {
    const attempt = this.#attempt++
    return SinkDriver.open(this.#sink, {
      clock: this.#clock,
      attempt,
      ...(restored === undefined ? {} : { restored }),
    })
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

  /** The writer that failed is never closed: its process is gone. */
  async restore(id: number): Promise<void> {
    await this.#driver.flush()
    this.#driver = await this.open(this.#snapshots.get(id))
  }

  /** On the disk, pending parts look like those in progress. */
  async check(t: Test, { inProgress, pending, finished }: Facts, step: string): Promise<void> {
    await this.#driver.flush()
    t.same(this.#parts(false), sorted(finished), `finished ${step}`)
    const hidden = sorted([...inProgress, ...pending])
    // What a failed attempt left over is removed in the background.
    for (
      let turn = 0;
      turn < TURNS_MAX && JSON.stringify(hidden) !== JSON.stringify(this.#parts(true));
      turn++
    ) {
      await new Promise<void>((resolve) => systemClock.defer(resolve))
    }
    t.same(this.#parts(true), hidden, `hidden ${step}`)
  }

  async close(t: Test): Promise<void> {
    await this.#driver.close()
    t.same(this.#driver.errors, [])
    t.equal(this.#clock.timerCount > 1, false, 'timers are cancelled')
  }

  #parts(isHidden: boolean): PartFact[] {
    const parts: PartFact[] = []
    for (const bucket of readdirSync(this.#directory)) {
      for (const name of readdirSync(join(this.#directory, bucket))) {
        if (name.startsWith('.') !== isHidden) continue
        parts.push({
          bucket,
          records: readFileSync(join(this.#directory, bucket, name), 'utf8')
            .split('\n')
            .slice(0, -1),
        })
      }
    }
    return sorted(parts)
  }
}

function sorted(parts: readonly PartFact[]): PartFact[] {
  const facts = parts.map(({ bucket, records }) => ({ bucket, records: [...records] }))
  return facts.sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1))
}
