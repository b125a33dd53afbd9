/** Checkpoints that cannot be read, and storage that takes nothing any more: what a job makes of them, and says. */
import t from 'tap'
import type { StreamEnvironment } from '../../lib/api/stream-environment.ts'
import { generator } from '../../lib/connectors/generator.ts'
import type { JobDescription } from '../../lib/protocol/job-submission.ts'
import { listSink, VirtualCluster, virtualCheckpoint } from './virtual-jobs.ts'

const COUNT = 2000
const KEYS = 10
const checkpoint = { ...virtualCheckpoint, intervalMs: 400, retained: 3, deltasMax: 100 }
const restart = { kind: 'fixed-delay', attempts: 1, delayMs: 50 } as const

/** How often each of ten keys has come, at each of its records; throws once, at `failsAt`. */
function counting(rows: string[], failsAt: number) {
  let hasFailed = false
  return (env: StreamEnvironment) => {
    env
      .source(generator({ count: COUNT, ratePerSecond: 1000, generate: (n) => n }), { uid: 'numbers' })
      .map(
        (n) => {
          if (n !== failsAt || hasFailed) return n
          hasFailed = true
          throw new Error(`record ${n}`)
        },
        { uid: 'fails' },
      )
      .keyBy((n) => n)
      .reduce((a, b) => a + b, { uid: 'sparse' })
      .keyBy((n) => n % KEYS)
      .reduce((a, _b) => a + KEYS, { uid: 'count' })
      .sinkTo(listSink(rows), { uid: 'out' })
  }
}

/** Runs the job, does something to what is stored after the third checkpoint, and lets it fail after that. */
async function runWith(
  damage: (cluster: VirtualCluster, byCheckpoint: readonly (readonly string[])[]) => void,
): Promise<{ description: JobDescription; rows: string[]; log: string[] }> {
  const rows: string[] = []
  const cluster = await VirtualCluster.start(2)
  try {
    const jobId = await cluster.submit(counting(rows, 1500), { checkpoint, restart, parallelism: 2 })
    await cluster.clock.advance(1300)
    const { checkpoints } = await cluster.checkpoints()
    damage(cluster, [...checkpoints.values()])
    const description = await cluster.waitForEnd(jobId)
    return { description, rows, log: cluster.log.map(({ event }) => event) }
  } finally {
    await cluster.close()
  }
}

/** All sums that there are to be, however often. */
const expected = Array.from({ length: COUNT }, (_, n) => `${n}`).sort()

t.test('damaged checkpoint - an older one takes its place, and everybody can see it', async (t) => {
  for (const how of ['missing', 'cut short']) {
    let path = ''
    const { description, rows, log } = await runWith(({ memory }, byCheckpoint) => {
      t.equal(byCheckpoint.length, 3)
      const [, second, third] = byCheckpoint
      path = third!.find((each) => !second!.includes(each))!
      const blob = memory.get(path)!
      if (how === 'missing') memory.delete(path)
      else memory.set(path, { ...blob, content: blob.content.slice(0, blob.content.length - 1) })
    })
    t.equal(description.state, 'finished', `${description.error?.message}`)
    t.equal(description.restarts, 2, 'what is damaged is none of the restart strategy’s, which allows one')
    t.same([...new Set(rows)].sort(), expected)
    t.equal(description.notices.length, 1)
    t.match(description.notices[0]!.text, /went back to an older checkpoint/)
    t.ok(description.notices[0]!.text.includes(path), description.notices[0]!.text)
    t.ok(log.includes('a checkpoint is damaged, an older one takes its place'))
  }
})

t.test('damaged checkpoint - what several have in common takes them all', async (t) => {
  let common = ''
  const { description } = await runWith(({ memory }, byCheckpoint) => {
    common = byCheckpoint[0]!.find((path) => byCheckpoint.every((paths) => paths.includes(path)))!
    memory.delete(common)
  })
  t.equal(description.state, 'failed')
  t.equal(description.error?.code, 'CHECKPOINT_UNREADABLE')
  t.ok(description.error?.message.includes(common), `${description.error?.message}`)
  t.match(description.notices.at(-1)?.text, /no checkpoint is left to go on from/)
})

t.test('damaged checkpoint - one after the other, until one can be read', async (t) => {
  const { description, rows } = await runWith(({ memory }, [first, second, third]) => {
    for (const paths of [second!, third!]) memory.delete(paths.find((each) => !first!.includes(each))!)
  })
  t.equal(description.state, 'finished', `${description.error?.message}`)
  t.same([...new Set(rows)].sort(), expected)
})

t.test('full storage - checkpoints fail and are counted, and the job goes on', async (t) => {
  for (const tolerableFailures of [2, 1000]) {
    const rows: string[] = []
    const cluster = await VirtualCluster.start(2)
    const jobId = await cluster.submit(counting(rows, -1), {
      checkpoint: { ...checkpoint, tolerableFailures, intervalMs: 200 },
      parallelism: 2,
    })
    await cluster.clock.advance(500)
    const { memory } = cluster
    const set = memory.set.bind(memory)
    memory.set = () => {
      throw new Error('the disk is full')
    }
    await cluster.clock.advance(500)
    if (tolerableFailures === 1000) memory.set = set
    const { state, error } = await cluster.waitForEnd(jobId)
    if (tolerableFailures === 2) {
      t.equal(state, 'failed')
      t.match(error, { code: 'CHECKPOINT_FAILED', message: /more than 2 checkpoints in a row have failed/ })
    } else {
      t.equal(state, 'finished')
      t.same([...rows].sort(), expected, 'nothing has been done twice')
    }
    t.ok(
      cluster.log.some(({ fields }) => /the disk is full/.test(String(fields.error))),
      'the reason is in the log',
    )
    memory.set = set
    await cluster.clock.advance(1000)
    const { missing, strays } = await cluster.checkpoints()
    t.same({ missing, strays }, { missing: [], strays: [] })
    await cluster.close()
  }
})
