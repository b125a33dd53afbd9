import fc from 'fast-check'
import t from 'tap'
import type { Key } from '../../../lib/base/hash.ts'
import { SeededRandom } from '../../../lib/base/prng.ts'
import { ChannelStats, type OutputChannel } from '../../../lib/network/channel.ts'
import type { Partitioner } from '../../../lib/network/partitioner.ts'
import { newRecordWriter } from '../../../lib/network/record-writer.ts'
import type { StreamEvent } from '../../../lib/network/stream-event.ts'
import { keyGroupOf, subtaskOfKeyGroup } from '../../../lib/state/key-group.ts'
import { keyArbitrary } from '../types/key-arbitrary.ts'

class ListChannel implements OutputChannel {
  readonly written: { readonly value: unknown; readonly keyGroup: number }[] = []
  readonly events: StreamEvent[] = []
  isAvailable = true
  readonly isDrained = true
  readonly isLocal = true
  readonly oldestUnsentMs = Number.POSITIVE_INFINITY
  readonly stats = new ChannelStats()
  onAvailable: () => void = () => {}

  write(value: unknown, keyGroup: number): void {
    this.written.push({ value, keyGroup })
  }
  event(event: StreamEvent): void {
    this.events.push(event)
  }
  readonly beside = []
  flush(): void {}
  flushAlone(): void {}
  tick(): void {}
  close(): void {}
}

function writerOf(partitioner: Partitioner, channelCount: number, subtaskIndex = 0) {
  const channels = Array.from({ length: channelCount }, () => new ListChannel())
  const random = new SeededRandom(1)
  const writer = newRecordWriter({ partitioner, channels, maxParallelism: 128, subtaskIndex, random })
  return { writer, channels, counts: () => channels.map(({ written }) => written.length) }
}

const byItself: Partitioner = { kind: 'hash', keyOf: (value: never) => value as Key }

t.test(
  'record writer - hash: the owner of the key group gets the record, and the group with it',
  async (t) => {
    const property = fc.property(keyArbitrary, fc.integer({ min: 2, max: 9 }), (key, count) => {
      const { writer, channels } = writerOf(byItself, count)
      writer.collect(key)
      const keyGroup = keyGroupOf(key, 128)
      const { written } = channels[subtaskOfKeyGroup(128, count, keyGroup)]!
      return written.length === 1 && Object.is(written[0]!.value, key) && written[0]!.keyGroup === keyGroup
    })
    t.doesNotThrow(() => fc.assert(property, { numRuns: 500, seed: 1 }))
  },
)

t.test('record writer - hash to a single subtask does without the key group', async (t) => {
  const { writer, channels } = writerOf(byItself, 1)
  writer.collect('k')
  t.same(channels[0]!.written, [{ value: 'k', keyGroup: -1 }])
})

t.test('record writer - round robin is even, and each subtask begins elsewhere', async (t) => {
  for (const kind of ['rebalance', 'rescale'] as const) {
    const { writer, counts, channels } = writerOf({ kind }, 3, 4)
    for (let i = 0; i < 10; i++) writer.collect(i)
    t.same(counts(), [3, 4, 3])
    t.equal(channels[1]!.written[0]!.value, 0)
  }
})

t.test('record writer - shuffle is even in the long run', async (t) => {
  const { writer, counts } = writerOf({ kind: 'shuffle' }, 4)
  for (let i = 0; i < 4000; i++) writer.collect(i)
  t.ok(
    counts().every((count) => count > 900 && count < 1100),
    counts().join(' '),
  )
})

t.test('record writer - broadcast goes to all, forward and global to the first', async (t) => {
  const everywhere = writerOf({ kind: 'broadcast' }, 3)
  everywhere.writer.collect('x')
  t.same(everywhere.counts(), [1, 1, 1])
  for (const kind of ['forward', 'global'] as const) {
    const { writer, counts } = writerOf({ kind }, 3, 2)
    writer.collect('x')
    t.same(counts(), [1, 0, 0])
  }
})

t.test('record writer - custom: to the subtask it says, and nowhere else', async (t) => {
  const modulo: Partitioner = {
    kind: 'custom',
    subtaskOf: (value: never, count) => (value as number) % count,
  }
  const { writer, counts } = writerOf(modulo, 3)
  for (let i = 0; i < 7; i++) writer.collect(i)
  t.same(counts(), [3, 2, 2])
  for (const wrong of [-1, 3, 0.5, Number.NaN, undefined, Promise.resolve(1)]) {
    const { writer: failing, counts: none } = writerOf(
      { kind: 'custom', subtaskOf: () => wrong as number },
      3,
    )
    t.throws(() => failing.collect('x'), {
      code: 'USER_FUNCTION_FAILED',
      message: /custom partitioner must return an integer from 0 to 2/,
    })
    t.same(none(), [0, 0, 0])
  }
})

t.test('record writer - events go to every channel, and one that is full stops all', async (t) => {
  const kinds: Partitioner[] = [
    byItself,
    { kind: 'rebalance' },
    { kind: 'shuffle' },
    { kind: 'broadcast' },
    { kind: 'global' },
    { kind: 'custom', subtaskOf: () => 0 },
  ]
  for (const partitioner of kinds) {
    const { writer, channels } = writerOf(partitioner, 3)
    writer.event({ kind: 'watermark', timestamp: 1 })
    t.same(
      channels.map(({ events }) => events.length),
      [1, 1, 1],
      partitioner.kind,
    )
    t.ok(writer.isAvailable)
    channels[2]!.isAvailable = false
    t.notOk(writer.isAvailable, partitioner.kind)
  }
})
