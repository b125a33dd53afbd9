import fc from 'fast-check'
import t from 'tap'
import { sleep } from '../../../lib/base/clock.ts'
import { SeededRandom } from '../../../lib/base/prng.ts'
import { type ClaimBoard, writeFirst } from '../../../lib/storage/s3-claim.ts'
import { ManualClock } from '../../../lib/testing/manual-clock.ts'
import { runVirtually } from '../../support/virtual-time.ts'

const never = new AbortController().signal

/** A server whose answers and whose taking effect come at random times; a write is visible at one moment. */
function slowServer(clock: ManualClock, random: SeededRandom, delayMsMax: number) {
  const claims = new Set<string>()
  const written: string[] = []
  const delayed = async <T>(effect: () => T): Promise<T> => {
    await sleep(clock, random.nextFloat() * delayMsMax)
    const result = effect()
    await sleep(clock, random.nextFloat() * delayMsMax)
    return result
  }
  const board = (writer: string): ClaimBoard => ({
    put: (claim) => delayed(() => void claims.add(claim)),
    delete: (claim) => delayed(() => void claims.delete(claim)),
    list: () => delayed(() => [...claims]),
    exists: () => delayed(() => written.length > 0),
    write: () => delayed(() => void written.push(writer)),
  })
  return { claims, written, board }
}

t.test('s3 claim - whatever the delays, one of the writers writes and nobody writes after it', async (t) => {
  const property = fc.asyncProperty(
    fc.integer(),
    fc.integer({ min: 2, max: 6 }),
    async (seed, writerCount) => {
      const clock = new ManualClock()
      const random = new SeededRandom(seed)
      const server = slowServer(clock, random, 50)
      const writers = Array.from({ length: writerCount }, (_, i) => `w${i}`)
      const all = Promise.all(
        writers.map((writer) => writeFirst(server.board(writer), { clock, random }, never)),
      )
      const answers = await runVirtually(clock, all)
      const winners = writers.filter((_, i) => answers[i])
      return winners.length === 1 && server.written.join() === winners.join() && server.claims.size === 0
    },
  )
  await fc.assert(property, { numRuns: 40 })
  t.pass('for all seeds')
})

t.test('s3 claim - a claim whose owner died holds others up for a minute, not for ever', async (t) => {
  const clock = new ManualClock()
  const server = slowServer(clock, new SeededRandom(1), 5)
  server.claims.add('dead')
  const environment = { clock, random: new SeededRandom(2) }
  t.equal(await runVirtually(clock, writeFirst(server.board('w'), environment, never)), true)
  t.ok(clock.monotonic() > 60_000 && clock.monotonic() < 70_000, `${clock.monotonic()} ms`)
  t.equal(server.claims.size, 0)
})

t.test('s3 claim - a write that takes too long is given up before others may think it dead', async (t) => {
  const clock = new ManualClock()
  const server = slowServer(clock, new SeededRandom(1), 5)
  const hanging: ClaimBoard = {
    ...server.board('w'),
    write: (signal) =>
      new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason))),
  }
  const environment = { clock, random: new SeededRandom(2) }
  await t.rejects(runVirtually(clock, writeFirst(hanging, environment, never)), /longer than 30000 ms/)
  t.equal(server.claims.size, 0, 'its claim is gone')
})

t.test('s3 claim - gives up when others claim without end, and when the caller says so', async (t) => {
  const clock = new ManualClock()
  const server = slowServer(clock, new SeededRandom(1), 5)
  let others = 0
  const crowded: ClaimBoard = { ...server.board('w'), list: async () => [`other-${others++}`] }
  const environment = { clock, random: new SeededRandom(2) }
  await t.rejects(
    runVirtually(clock, writeFirst(crowded, environment, never)),
    /others have claimed it for 180000 ms/,
  )
  const reason = new Error('enough')
  await t.rejects(writeFirst(crowded, environment, AbortSignal.abort(reason)), reason)
})
