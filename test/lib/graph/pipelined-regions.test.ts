import assert from 'node:assert/strict'
import fc from 'fast-check'
import t from 'tap'
import type { StreamEnvironment } from '../../../lib/api/stream-environment.ts'
import type { JobGraph } from '../../../lib/graph/job-graph.ts'
import { type PipelinedRegions, pipelinedRegions } from '../../../lib/graph/pipelined-regions.ts'
import { targetsOf } from '../../../lib/network/partitioner.ts'
import { boundedOutOfOrderness } from '../../../lib/time/watermark-strategy.ts'
import { graphOf, numbers } from '../../support/build-graph.ts'

function describe(graph: JobGraph, { regions }: PipelinedRegions): string[] {
  const nameOf = (id: string) => graph.vertices.find((vertex) => vertex.id === id)!.name
  return regions.map((region) =>
    region.map(({ vertexId, index }) => `${nameOf(vertexId)}/${index}`).join(', '),
  )
}

function regionsOf(define: (env: StreamEnvironment) => void, scope?: 'region' | 'job'): string[] {
  const graph = graphOf(define)
  return describe(graph, pipelinedRegions(graph, scope))
}

const pipeline = (env: StreamEnvironment, name: string, parallelism: number) =>
  env
    .source(numbers(1), { name: `${name}-source`, parallelism })
    .map((n) => n, { name: `${name}-map`, parallelism, startNewChain: true })

t.test(
  'pipelined regions - pipelines that share nothing are regions, in the order of the graph',
  async (t) => {
    const two = (env: StreamEnvironment) => {
      pipeline(env, 'a', 1)
      pipeline(env, 'b', 2)
    }
    t.same(regionsOf(two), ['a-source/0, a-map/0', 'b-source/0, b-map/0', 'b-source/1, b-map/1'])
    t.same(regionsOf(two, 'job'), ['a-source/0, a-map/0, b-source/0, b-source/1, b-map/0, b-map/1'])
  },
)

t.test(
  'pipelined regions - the region with the first subtasks leads those of the same sources',
  async (t) => {
    const graph = graphOf((env) => {
      pipeline(env, 'a', 2)
      pipeline(env, 'b', 4)
        .map((n) => n, { name: 'halves', parallelism: 2 })
        .union(pipeline(env, 'c', 2))
    })
    const regions = pipelinedRegions(graph)
    const leaders = regions.regions.map((_, region) => regions.leaderOf(region))
    t.same(describe(graph, regions).length, leaders.length)
    t.same(leaders.slice(0, 2), [0, 0])
  },
)

t.test('pipelined regions - subtasks of a source that data is distributed from are one', async (t) => {
  const keyed = (env: StreamEnvironment) => {
    env
      .source(numbers(1), { name: 'source', parallelism: 2 })
      .keyBy((n) => n)
      .map((n) => n, { name: 'map', parallelism: 2 })
  }
  t.same(regionsOf(keyed), ['source/0, source/1, map/0, map/1'])
})

t.test('pipelined regions - one where they meet, however late', async (t) => {
  const meeting = (env: StreamEnvironment) => {
    pipeline(env, 'a', 1)
      .union(pipeline(env, 'b', 1))
      .map((n) => n, { name: 'both', startNewChain: true })
    pipeline(env, 'c', 1)
  }
  t.equal(regionsOf(meeting).length, 2)
})

t.test('pipelined regions - sources whose watermarks are aligned are one', async (t) => {
  const strategy = boundedOutOfOrderness<number>('1s', (n) => n)
  const aligned = (env: StreamEnvironment) => {
    for (const watermarks of [strategy.withAlignment('g', '1s'), strategy.withAlignment('h', '1s'), strategy])
      env.source(numbers(1), { watermarks, parallelism: 2 })
  }
  t.equal(regionsOf(aligned).length, 1 + 2)
})

const size = fc.integer({ min: 1, max: 4 })
const KINDS = ['forward', 'rescale', 'rebalance', 'hash', 'broadcast', 'global'] as const

/** Any graph, also such as the API does not build. */
const graph = fc
  .tuple(
    fc.array(fc.record({ parallelism: size, isSource: fc.boolean(), isAligned: fc.nat(4) }), {
      minLength: 1,
      maxLength: 7,
    }),
    fc.array(fc.record({ from: fc.nat(6), to: fc.nat(6), kind: fc.constantFrom(...KINDS) }), {
      maxLength: 6,
    }),
  )
  .map(([vertices, edges]): JobGraph => {
    const all = vertices.map(({ parallelism, isSource, isAligned }, v) => ({
      id: `v${v}`,
      name: `v${v}`,
      operators: [
        {
          ...{ id: `o${v}`, hasUid: true, name: '', kind: 'source' as const, operation: '' },
          ...(isSource && isAligned === 0 ? { alignmentGroup: 'g' } : {}),
        },
      ],
      ...{ parallelism, maxParallelism: 128, slotSharingGroup: 'default', isSource },
    }))
    return {
      jobName: 'any',
      vertices: all,
      edges: edges.flatMap(({ from, to, kind }, e) => {
        const [up, down] = [all[from % all.length]!, all[to % all.length]!]
        const partitioner = kind === 'forward' && up.parallelism !== down.parallelism ? 'rescale' : kind
        if (up === down) return []
        const ends = { fromOperator: '', toOperator: '', input: 0, sideTag: null }
        return [{ id: `e${e}`, from: up.id, to: down.id, partitioner, ...ends }]
      }),
      fingerprint: '',
    }
  })

/** Who must be restarted with whom, one step at a time, until nothing is added. */
function closure({ vertices, edges }: JobGraph): Map<string, Set<string>> {
  const subtasks = vertices.flatMap(({ id, parallelism }) =>
    Array.from({ length: parallelism }, (_, index) => `${id}/${index}`),
  )
  const parallelismOf = (vertexId: string) => vertices.find(({ id }) => id === vertexId)!.parallelism
  const pairs = edges.flatMap(({ from, to, partitioner }) =>
    Array.from({ length: parallelismOf(from) }, (_, index) =>
      targetsOf(partitioner, index, parallelismOf(from), parallelismOf(to)).map((target) => [
        `${from}/${index}`,
        `${to}/${target}`,
      ]),
    ).flat(),
  )
  const together = [
    vertices.filter(({ operators }) => operators.some(({ alignmentGroup }) => alignmentGroup !== undefined)),
  ]
  for (const group of together) {
    const all = subtasks.filter((name) => group.some(({ id }) => name.startsWith(`${id}/`)))
    for (const a of all) for (const b of all) pairs.push([a, b])
  }
  const reached = new Map(subtasks.map((name) => [name, new Set([name])]))
  for (let hasGrown = true; hasGrown; ) {
    hasGrown = false
    for (const set of reached.values()) {
      for (const [a, b] of pairs) {
        if (set.has(a!) === set.has(b!)) continue
        set.add(a!).add(b!)
        hasGrown = true
      }
    }
  }
  return reached
}

t.test('pipelined regions - they are the closure over channels and alignment', async (t) => {
  const property = fc.property(graph, (graph) => {
    const regions = pipelinedRegions(graph)
    const expected = closure(graph)
    const names = regions.regions.map((region) => region.map(({ vertexId, index }) => `${vertexId}/${index}`))
    assert.equal(names.flat().length, expected.size, 'each subtask is in one region')
    names.forEach((region, number) => {
      for (const name of region) {
        const [vertexId, index] = name.split('/') as [string, string]
        assert.equal(regions.regionOf(vertexId, Number(index)), number)
        assert.deepEqual(new Set(region), expected.get(name))
      }
    })
    const order = [...expected.keys()]
    const firsts = names.map((region) => order.indexOf(region[0]!))
    assert.deepEqual(
      firsts,
      firsts.toSorted((a, b) => a - b),
      'in the order of the graph',
    )
    assert.equal(regions.regionOf('v0', 9), undefined)
    names.forEach((region, number) => {
      const leader = regions.leaderOf(number)
      assert.ok(leader <= number, 'the one that leads comes first')
      assert.equal(regions.leaderOf(leader), leader, 'and is not led')
      for (const name of region) assert.ok(names[leader]!.includes(`${name.split('/')[0]}/0`), 'R2')
    })
  })
  t.doesNotThrow(() => fc.assert(property, { numRuns: 500, seed: 1 }))
})
