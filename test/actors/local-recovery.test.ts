/** A job that restarts where it has been reads its state from there, and does not need to. */
import t from 'tap'
import type { StreamEnvironment } from '../../lib/api/stream-environment.ts'
import { generator } from '../../lib/connectors/generator.ts'
import { Table, transactionalSink } from './transactional-sink.ts'
import { VirtualCluster, virtualCheckpoint } from './virtual-jobs.ts'

const COUNT = 2000
const KEYS = 20
const restart = { kind: 'fixed-delay', attempts: 3, delayMs: 50 } as const

/** Sums by key; throws once at each of these records. */
function sums(table: Table, ...failsAt: number[]) {
  const left = new Set(failsAt)
  return (env: StreamEnvironment) => {
    env
      .source(generator({ count: COUNT, ratePerSecond: 1000, generate: (n) => n }), { uid: 'numbers' })
      .map(
        (n) => {
          if (left.delete(n)) throw new Error(`record ${n}`)
          return n
        },
        { uid: 'fails' },
      )
      .keyBy((n) => n % KEYS)
      .reduce((a, b) => a + b, { uid: 'sum' })
      .map((sum) => `${sum}`, { uid: 'text' })
      .sinkTo(transactionalSink(table), { uid: 'out' })
  }
}

const undisturbed = new Table()

t.before(async () => {
  const cluster = await VirtualCluster.start(2)
  const job = await cluster.submit(sums(undisturbed), { checkpoint: virtualCheckpoint, parallelism: 2 })
  await cluster.waitForEnd(job)
  await cluster.close()
})

interface Run {
  readonly localBytesMax?: number | null
  readonly failsAt: readonly number[]
  /** After 1.4 s. */
  readonly disturb?: (cluster: VirtualCluster) => void
}

/** Returns how often state was read from the storage that all share, by the time of the end. */
async function run({ localBytesMax = 1_000_000, failsAt, disturb }: Run) {
  const cluster = await VirtualCluster.start(2)
  const table = new Table()
  const checkpoint = { ...virtualCheckpoint, localBytesMax }
  const job = await cluster.submit(sums(table, ...failsAt), { checkpoint, restart, parallelism: 2 })
  await cluster.clock.advance(500)
  let reads = 0
  const get = cluster.memory.get.bind(cluster.memory)
  cluster.memory.get = (path) => {
    if (path.includes('/shared/')) reads++
    return get(path)
  }
  await cluster.clock.advance(900)
  disturb?.(cluster)
  const { state, restarts, error } = await cluster.waitForEnd(job)
  const copies = cluster.copies.map((blobs) => blobs.size)
  await cluster.clock.advance(130_000)
  const left = cluster.copies.map((blobs) => blobs.size)
  await cluster.close()
  return { state, restarts, error, rows: table.rows, reads, copies, left, log: cluster.log }
}

t.test('local recovery - nothing is read from the storage that all share', async (t) => {
  const found = await run({ failsAt: [1500, 1700] })
  t.match(found, { state: 'finished', restarts: 2, reads: 0 }, `${found.error?.message}`)
  t.same(found.rows, undisturbed.rows)
  t.equal(found.copies.length, 2, 'one store per slot, whatever the attempt')
  t.same(found.left, [0, 0], 'nothing is left of a job that does not come back')
  const without = await run({ failsAt: [1500, 1700], localBytesMax: null })
  t.match(without, { state: 'finished', restarts: 2 })
  t.ok(without.reads >= 4, `${without.reads} reads otherwise`)
  t.same(without.copies, [])
})

t.test(
  'local recovery - of what is stored as much is copied as one checkpoint needs, and the next',
  async (t) => {
    const sizes: number[] = []
    const needed: number[] = []
    await run({
      failsAt: [],
      disturb: (cluster) => {
        sizes.push(...cluster.copies.map((blobs) => blobs.size))
        needed.push([...cluster.memory.keys()].filter((path) => path.includes('/shared/')).length)
      },
    })
    t.equal(sizes.length, 2)
    t.ok(
      sizes.every((size) => size > 0),
      `${sizes}`,
    )
    const total = sizes.reduce((sum, size) => sum + size, 0)
    t.ok(total <= needed[0]!, `${total} copies, ${needed[0]} blobs of the two checkpoints that are kept`)
  },
)

t.test('local recovery - what is lost elsewhere is read here', async (t) => {
  const found = await run({
    failsAt: [1500],
    disturb: ({ memory }) => {
      for (const path of [...memory.keys()]) if (path.includes('/shared/')) memory.delete(path)
    },
  })
  t.match(found, { state: 'finished', restarts: 1, reads: 0 }, `${found.error?.message}`)
  t.same(found.rows, undisturbed.rows)
})

t.test(
  'local recovery - a copy that is damaged, cut short, missing or too large is not needed',
  async (t) => {
    for (const how of ['flipped', 'cut', 'missing', 'too large']) {
      const found = await run({
        failsAt: [1500],
        ...(how === 'too large' ? { localBytesMax: 1 } : {}),
        disturb: ({ copies }) => {
          for (const blobs of copies) {
            for (const [path, { content, modifiedMs }] of [...blobs]) {
              const other = how === 'cut' ? content.slice(1) : content.slice()
              if (how === 'flipped') other[3]! ^= 1
              if (how === 'missing') blobs.delete(path)
              else blobs.set(path, { content: other, modifiedMs })
            }
          }
        },
      })
      t.match(found, { state: 'finished', restarts: 1 }, `${how}: ${found.error?.message}`)
      t.ok(found.reads > 0)
      t.same(found.rows, undisturbed.rows)
      const said = found.log.filter(({ event }) => /^(a local copy cannot be read|local copies)/.test(event))
      t.ok(said.length > 0, `${how} is in the log`)
    }
  },
)
