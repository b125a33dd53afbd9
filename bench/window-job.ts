/** The stream of the window benchmarks, and what a count per key and window costs in Sluice: one slot, one thread. */
import {
  boundedOutOfOrderness,
  generator,
  job,
  runLocal,
  type Sink,
  t,
  tumbling,
  type WindowAssigner,
} from '../lib/index.ts'

export interface Click {
  readonly user: string
  readonly at: number
}

export interface Clicks {
  readonly keyCount: number
  /** Per millisecond of event time. */
  readonly rate: number
  readonly count: number
}

const Click = t.object({ user: t.string, at: t.timestamp })
/** How far watermarks trail the newest record. */
export const DELAY_MS = 1000
const POOL_SIZE = 1 << 20

/** Record i, whose key looks random and comes from a pool, so that making it costs little. */
export function clicksOf({ keyCount, rate }: Clicks): (i: number) => Click {
  const users = Array.from({ length: keyCount }, (_, i) => `user-${String(i).padStart(6, '0')}`)
  const pool = new Uint32Array(POOL_SIZE)
  for (let i = 0, x = 12_345; i < POOL_SIZE; i++) {
    x = (Math.imul(x, 1_664_525) + 1_013_904_223) >>> 0
    pool[i] = x % keyCount
  }
  return (i) => ({ user: users[pool[(i + (i >>> 20) * 7919) & (POOL_SIZE - 1)]!]!, at: Math.floor(i / rate) })
}

/** ns per record. */
export async function inSluice(
  clicks: Clicks,
  assigner: WindowAssigner<Click> = tumbling('60s'),
): Promise<number> {
  let startedMs = 0
  let endedMs = 0
  let total = 0
  const sink: Sink<number> = {
    name: 'total',
    createWriter: () => ({
      write(count) {
        total += count
      },
      flush() {
        endedMs = performance.now()
      },
      close() {},
    }),
  }
  const clickOf = clicksOf(clicks)
  const count = job('window', (env) => {
    env
      .source(
        generator({
          count: clicks.count,
          type: Click,
          generate(i) {
            if (i === 0) startedMs = performance.now()
            return clickOf(i)
          },
        }),
        { watermarks: boundedOutOfOrderness(`${DELAY_MS}ms`, ({ at }: Click) => at) },
      )
      .keyBy(({ user }) => user)
      .window(assigner)
      .aggregate({
        accumulatorType: t.int64,
        createAccumulator: () => 0,
        add: (_click, n) => n + 1,
        getResult: (n) => n,
        merge: (a, b) => a + b,
      })
      .sinkTo(sink)
  })
  await runLocal(count)
  if (total < clicks.count) throw new Error(`${total} of ${clicks.count} were counted`)
  return ((endedMs - startedMs) * 1e6) / clicks.count
}
