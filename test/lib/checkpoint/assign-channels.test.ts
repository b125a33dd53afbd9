/** Where data in flight and event time go when a checkpoint is restored, for every kind of edge. */
import assert from 'node:assert/strict'
import fc from 'fast-check'
import t from 'tap'
import {
  assignChannels,
  broadcastDonor,
  eventTime,
  type InputShare,
  isFromReaders,
  neededForInput,
  type SavedInput,
} from '../../../lib/checkpoint/assign-channels.ts'
import {
  addInFlight,
  edgeName,
  inFlightOf,
  inFlightProblems,
} from '../../../lib/checkpoint/channel-snapshot.ts'
import type { JobEdge, JobGraph, JobVertex } from '../../../lib/graph/job-graph.ts'
import { type PartitionerKind, sourcesOf } from '../../../lib/network/partitioner.ts'
import { keyGroupOf, subtaskOfKeyGroup } from '../../../lib/state/key-group.ts'
import { t as types } from '../../../lib/types/t.ts'
import { runs } from '../types/schema-arbitrary.ts'

const MAX_PARALLELISM = 32
const EDGE = { fromOperator: 'up', toOperator: 'down', input: 0, sideTag: null, ordinal: 0 }
const NONE = Number.NEGATIVE_INFINITY

function shareOf(more: Partial<InputShare>): InputShare {
  return {
    partitioner: 'hash',
    partitionerBefore: more.partitioner ?? 'hash',
    froms: [0, 1],
    upstream: 2,
    upstreamBefore: 2,
    parallelism: 2,
    parallelismBefore: 2,
    maxParallelism: MAX_PARALLELISM,
    index: 0,
    isFromReaders: false,
    ...more,
  }
}

/** A frame that stands for one record: of a subtask, from another. */
const frameOf = (to: number, from: number): Uint8Array => new Uint8Array([0, 0, 0, to, from])

function savedOf(
  to: number,
  froms: readonly number[],
  partitioner: PartitionerKind,
  watermark = 50,
): SavedInput {
  const channels = froms.map((from) => ({ from, watermark: watermark + from, frames: [frameOf(to, from)] }))
  return { edge: EDGE, partitioner, schema: types.int64.schema, channels, watermark }
}

t.test('assign channels - unchanged, every channel goes on as it was', async (t) => {
  const share = shareOf({ index: 1 })
  t.same(neededForInput(share, ['a', 'b']), [1])
  const saved = [savedOf(1, [0, 1], 'hash')]
  t.same(
    assignChannels(share, saved).map(({ watermark, frames, hasWatermarks, isToBeSifted }) => [
      watermark,
      frames,
      hasWatermarks,
      isToBeSifted,
    ]),
    [
      [50, [frameOf(1, 0)], true, false],
      [51, [frameOf(1, 1)], true, false],
    ],
  )
  t.equal(eventTime(share, saved), 50)
  t.same([eventTime(share, []), assignChannels(share, [])[0]!.watermark], [NONE, NONE], 'it had finished')
})

t.test('assign channels - behind readers each channel has what they promised together', async (t) => {
  const share = shareOf({ isFromReaders: true })
  const channels = assignChannels(share, [savedOf(0, [0, 1], 'hash')])
  t.same(
    channels.map(({ watermark, watermarkAfter, hasWatermarks }) => [
      watermark,
      watermarkAfter,
      hasWatermarks,
    ]),
    [
      [50, 50, false],
      [50, 50, false],
    ],
  )
  const pointwise = shareOf({ isFromReaders: true, partitioner: 'forward', froms: [0] })
  t.equal(assignChannels(pointwise, [savedOf(0, [0], 'forward')])[0]!.watermark, NONE)
})

t.test('assign channels - rescaled: event time is the least of those that are read', async (t) => {
  const share = shareOf({ parallelism: 1 })
  t.same(neededForInput(share, ['a', 'b']), [0, 1])
  const saved = [savedOf(0, [0, 1], 'hash', 50), savedOf(1, [0, 1], 'hash', 40)]
  const [channel] = assignChannels(share, saved)
  t.match(channel, { watermark: 40, watermarkAfter: 40, hasWatermarks: false, isToBeSifted: true })
  t.equal(eventTime(share, saved), 40)
})

const KINDS: readonly PartitionerKind[] = [
  'hash',
  'custom',
  'rebalance',
  'shuffle',
  'rescale',
  'forward',
  'global',
  'broadcast',
]

t.test(
  'assign channels - all that was in flight goes to one subtask, or of a broadcast to each',
  async () => {
    const size = fc.integer({ min: 1, max: 5 })
    fc.assert(
      fc.property(fc.constantFrom(...KINDS), size, size, size, size, (partitioner, up0, down0, up, down) => {
        const [before, after] = partitioner === 'forward' ? [up0, up] : [down0, down]
        const blobs = Array.from({ length: before }, (_, i) => `${i}`)
        const readers = new Map<string, number[]>()
        for (let index = 0; index < after; index++) {
          const froms = sourcesOf(partitioner, index, up, after)
          if (froms.length === 0) continue
          const share = shareOf({
            partitioner,
            froms,
            upstream: up,
            upstreamBefore: up0,
            parallelism: after,
            parallelismBefore: before,
            index,
          })
          const saved = neededForInput(share, blobs).map((old) =>
            savedOf(old, sourcesOf(partitioner, old, up0, before), partitioner),
          )
          for (const frame of assignChannels(share, saved).flatMap(({ frames }) => frames))
            readers.set(`${frame.slice(3)}`, [...(readers.get(`${frame.slice(3)}`) ?? []), index])
        }
        for (let old = 0; old < before; old++) {
          for (const from of sourcesOf(partitioner, old, up0, before)) {
            const by = readers.get(`${frameOf(old, from).slice(3)}`) ?? []
            if (partitioner === 'broadcast') {
              const isRead = before === after || old === 0
              assert.equal(by.length, before === after ? 1 : isRead ? after : 0)
            } else if (partitioner === 'hash') assertOwnersRead(by, before, after, old)
            else if (partitioner === 'custom')
              assert.equal(
                by.length,
                before === after ? 1 : after,
                'who owns it is found out record by record',
              )
            else assert.equal(by.length, 1, `${partitioner} ${old} from ${from}`)
          }
        }
      }),
      runs(500),
    )
  },
)

/** Whoever gets a key that the old subtask had reads what the old subtask had. */
function assertOwnersRead(by: readonly number[], before: number, after: number, old: number): void {
  for (let key = 0; key < 100; key++) {
    const group = keyGroupOf(key, MAX_PARALLELISM)
    if (subtaskOfKeyGroup(MAX_PARALLELISM, before, group) !== old) continue
    assert.ok(by.includes(subtaskOfKeyGroup(MAX_PARALLELISM, after, group)))
  }
  assert.equal(new Set(by).size, by.length)
}

t.test('assign channels - an edge that has become another: by record, all is read', async (t) => {
  t.same(neededForInput(shareOf({ partitionerBefore: 'rebalance' }), ['a', 'b']), [0, 1])
  t.equal(broadcastDonor([null, 'b', 'c']), 1)
  t.same(neededForInput(shareOf({ partitioner: 'broadcast', parallelism: 3 }), [null, 'b']), [1])
})

const vertex = (id: string, isSource: boolean, parallelism = 2) =>
  ({ id, isSource, parallelism }) as JobVertex
const edge = (from: string, to: string, partitioner: PartitionerKind, id = `${from}${to}`): JobEdge => ({
  id,
  from,
  to,
  fromOperator: from,
  toOperator: to,
  input: 0,
  partitioner,
  sideTag: null,
})

t.test('assign channels - whose event time is that of one reader', async (t) => {
  const edges = [
    edge('s', 'a', 'forward'),
    edge('a', 'b', 'hash'),
    edge('b', 'c', 'forward'),
    edge('o', 'd', 'hash'),
  ]
  const vertices = [
    vertex('s', true),
    vertex('o', true, 1),
    ...['a', 'b', 'c', 'd'].map((id) => vertex(id, false)),
  ]
  const graph = { vertices, edges } as unknown as JobGraph
  t.same(
    edges.map((each) => isFromReaders(graph, each)),
    [true, true, false, false],
  )
})

t.test('data in flight - is summed up by edge, and refused where there is no place for it', async (t) => {
  const saved = savedOf(0, [0, 1], 'hash')
  const nothing = { ...saved, channels: [{ from: 0, watermark: 0, frames: [] }] }
  t.same(inFlightOf([nothing]), [])
  const [inFlight] = addInFlight([...inFlightOf([saved]), ...inFlightOf([saved])])
  t.match(inFlight, { edge: EDGE, partitioner: 'hash', byteLength: 20 })
  const graphWith = (...edges: JobEdge[]) => ({ edges }) as unknown as JobGraph
  const twice = graphWith(edge('up', 'down', 'hash', 'e0'), edge('up', 'down', 'hash', 'e1'))
  t.equal(edgeName(twice, twice.edges[1]!).ordinal, 1)
  t.same(inFlightProblems([inFlight!], twice), [])
  t.match(inFlightProblems([inFlight!], graphWith()), [
    /^there are 20 bytes in flight from operator up to operator down, between which no data crosses subtasks any more/,
  ])
  t.match(inFlightProblems([inFlight!], graphWith(edge('up', 'down', 'broadcast'))), [
    /sent by hash and are by broadcast now$/,
  ])
})
