/** What enumerators do with splits that come back from a reader: hand them out again, once, and keep them till then. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { ByteReader } from '../../../lib/base/byte-reader.ts'
import { ByteWriter } from '../../../lib/base/byte-writer.ts'
import { silentLogger } from '../../../lib/base/logger.ts'
import { files } from '../../../lib/connectors/files/files.ts'
import { lines } from '../../../lib/connectors/files/lines.ts'
import { generator } from '../../../lib/connectors/generator.ts'
import { jetstream } from '../../../lib/connectors/jetstream/jetstream.ts'
import { JetStreamEnumerator } from '../../../lib/connectors/jetstream/jetstream-enumerator.ts'
import type { Source, Split, SplitEnumerator } from '../../../lib/function/source.ts'
import { ManualClock } from '../../../lib/testing/manual-clock.ts'
import { t as types } from '../../../lib/types/t.ts'
import { pieces } from '../../simulation/pieces-source.ts'
import { temporaryDirectory } from '../../support/nats-server.ts'

const READERS = 2

/** An enumerator, and what it has said to each reader. */
class Hosted<S extends Split, E> {
  readonly assigned: S[][] = Array.from({ length: READERS }, () => [])
  readonly told: boolean[] = Array.from({ length: READERS }, () => false)
  readonly clock = new ManualClock()
  readonly enumerator: SplitEnumerator<E, S>
  readonly #source: Source<unknown, S, E>

  constructor(source: Source<unknown, S, E>, restored?: E) {
    this.#source = source
    const fail = (error: unknown) => {
      throw error
    }
    this.enumerator = source.createEnumerator(
      {
        ...{ parallelism: READERS, clock: this.clock, log: silentLogger, connections: {}, fail },
        assign: (split, reader) => void this.assigned[reader]!.push(split),
        noMoreSplits: (reader) => {
          this.told[reader] = true
        },
      },
      restored,
    )
  }

  /** As a reader does that asks for one after the other. */
  askForAll(reader: number): void {
    for (let count = -1; !this.told[reader] && count < this.assigned[reader]!.length; ) {
      count = this.assigned[reader]!.length
      this.enumerator.onSplitRequest(reader)
    }
  }

  /** A reader that was reset. */
  giveBack(reader: number): S[] {
    const splits = this.assigned[reader]!.splice(0)
    this.told[reader] = false
    this.enumerator.addSplitsBack(splits, reader)
    return splits
  }

  /** Its successor, from what it would save. */
  restored(): Hosted<S, E> {
    const out = new ByteWriter()
    this.#source.enumeratorStateType.row.write(out, this.enumerator.snapshot())
    const state = this.#source.enumeratorStateType.row.read(new ByteReader(out.toUint8Array()))
    return new Hosted(this.#source, state)
  }
}

const ids = (splits: readonly Split[]): string[] => splits.map(({ id }) => id).sort()

type Named = readonly [name: string, source: (directory: string) => Source<unknown>]

const SOURCES: readonly Named[] = [
  ['generator', () => generator({ count: 100, generate: (n) => n }) as Source<unknown>],
  ['files', (path) => files({ path, format: lines() }) as Source<unknown>],
  ['pieces', () => pieces({ count: 100, pieceCount: 7, recordsPerBurst: 1 }) as Source<unknown>],
  ['jetstream', jetStreamOfKnown],
]

/** What it would otherwise ask a server for. */
function jetStreamOfKnown(): Source<unknown> {
  const subjects = ['a', 'b', 'c']
  const source = jetstream({ stream: 's', subjects, decode: String, type: types.string })
  const pending = subjects.map((subject) => ({
    ...{ id: `s/${subject}`, stream: 's', subject, next: 1, end: 9 },
  }))
  const options = { nats: undefined, stream: 's', subjects, from: 'first', boundedAt: null } as const
  return {
    ...source,
    createEnumerator: (context, restored) =>
      new JetStreamEnumerator(options, context, restored ?? { pending, known: ids(pending) }),
  } as typeof source as Source<unknown>
}

for (const [name, source] of SOURCES) {
  t.test(`splits back - ${name}`, async (t) => {
    const directory = temporaryDirectory(t)
    for (const file of ['1', '2', '3', '4', '5']) writeFileSync(join(directory, file), `${file}\n`)
    const hosted = new Hosted(source(directory))
    await hosted.enumerator.start()
    hosted.askForAll(1)
    hosted.askForAll(0)
    const all = ids(hosted.assigned.flat())
    t.ok(all.length > 1)
    const back = hosted.giveBack(1)
    t.ok(back.length > 0)
    t.equal(hosted.assigned.flat().length, all.length - back.length, 'not to who has been told')
    const successor = hosted.restored()
    await successor.enumerator.start()
    for (const reader of [1, 0]) successor.askForAll(reader)
    t.same(ids(successor.assigned.flat()), ids(back), 'part of snapshots')
    hosted.askForAll(1)
    t.same(ids(hosted.assigned[1]!), ids(back))
    t.ok(hosted.told[1])
    t.same(ids(hosted.assigned.flat()), all)
    await hosted.enumerator.close()
    await successor.enumerator.close()
  })
}

t.test('splits back - files that are watched: to readers that wait, each once', async (t) => {
  const directory = temporaryDirectory(t)
  for (const file of ['1', '2', '3']) writeFileSync(join(directory, file), `${file}\n`)
  const hosted = new Hosted(files({ path: directory, format: lines(), watch: '1s' }))
  await hosted.enumerator.start()
  hosted.askForAll(1)
  t.equal(hosted.assigned[1]!.length, 3)
  hosted.enumerator.onSplitRequest(0)
  const back = hosted.giveBack(1)
  t.equal(hosted.assigned.flat().length, 2, 'one to each that waits')
  hosted.askForAll(1)
  t.same(ids(hosted.assigned.flat()), ids(back))
  await hosted.enumerator.close()
})
