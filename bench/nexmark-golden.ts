/** The known digests: of an independent implementation of the queries, which has all events before it at once. */
import { readFileSync } from 'node:fs'
import type { NexmarkPlan } from './nexmark-arguments.ts'

const FILES = ['golden.tsv', 'golden-100000.tsv'].map(
  (name) => new URL(`../test/nexmark/${name}`, import.meta.url),
)

/** What watermarks trail the newest event by. Events further behind are late, and then results are others. */
const DISORDER_MS_MAX = 4000

export type DigestVerdict = 'ok' | 'differs' | 'unknown'

/** Parallelism and, within limits, the order of events make no difference to what comes out. */
export class GoldenDigests {
  readonly #digests = new Map<string, string>()

  constructor() {
    for (const line of FILES.flatMap((file) => readFileSync(file, 'utf8').trim().split('\n').slice(1))) {
      const [query, events, seed, rate, , sha256] = line.split('\t')
      this.#digests.set(`${query} ${events} ${seed} ${rate}`, sha256!)
    }
  }

  judge(query: string, events: NexmarkPlan['events'], sha256: string): DigestVerdict {
    const known = this.known(query, events)
    return known === undefined ? 'unknown' : known === sha256 ? 'ok' : 'differs'
  }

  /** What the digest must be. */
  known(query: string, { events, seed, rate, ooo }: NexmarkPlan['events']): string | undefined {
    if ((ooo * 1000) / rate > DISORDER_MS_MAX) return undefined
    return this.#digests.get(`${query} ${events} ${seed} ${rate}`)
  }
}
