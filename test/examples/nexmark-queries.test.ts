/** The queries against digests of an independent implementation: test/nexmark/golden.tsv. */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { runLocal } from '../../actors/run-local.ts'
import { NEXMARK_JOBS, nexmarkQueries } from '../../bench/nexmark-arguments.ts'
import { canonicalRows, digestOf, readRows } from '../../bench/nexmark-results.ts'

const [, ...golden] = readFileSync(new URL('../nexmark/golden.tsv', import.meta.url), 'utf8')
  .trim()
  .split('\n')
  .map((line) => {
    const [query, events, seed, rate, rows, sha256] = line.split('\t') as [string, ...string[]]
    return { query, events, seed, rate, rows: Number(rows), sha256 }
  })

/** At 1000 events per second a group of 1000 is 1 s of disorder: within the 4 s that watermarks wait. */
const VARIANTS = [
  { parallelism: 1, ooo: 1 },
  { parallelism: 2, ooo: 1 },
  { parallelism: 2, ooo: 1000 },
]

/** So short a run ends before the usual interval: windows are to fire while records come, too. */
const WATERMARK_INTERVAL_MS = 1

t.setTimeout(300_000)

for (const query of nexmarkQueries()) {
  t.test(`nexmark ${query} - results are the known ones, in order or not, at any parallelism`, async (t) => {
    const expected = golden.filter((line) => line.query === query)
    t.not(expected.length, 0, 'there are digests to compare with')
    const runs = expected.flatMap((line) =>
      VARIANTS.map(async ({ parallelism, ooo }) => {
        const args = [`--events=${line.events}`, `--seed=${line.seed}`, `--rate=${line.rate}`, `--ooo=${ooo}`]
        const rows = await run(query, parallelism, args)
        const found = { rows: rows.length, sha256: digestOf(rows) }
        t.match(
          found,
          { rows: line.rows, sha256: line.sha256 },
          `${args.join(' ')} at parallelism ${parallelism}`,
        )
      }),
    )
    await Promise.all(runs)
  })
}

/** Every directory of a minute is complete at the end. */
function checkMarkers(directory: string): void {
  const minutes = readdirSync(directory).flatMap((day) =>
    readdirSync(join(directory, day)).map((minute) => join(day, minute)),
  )
  const unmarked = minutes.filter((minute) => !existsSync(join(directory, minute, '_SUCCESS')))
  if (minutes.length === 0 || unmarked.length > 0) throw new Error(`not complete: ${unmarked.join(', ')}`)
}

async function run(query: string, parallelism: number, args: readonly string[]): Promise<string[]> {
  const directory = mkdtempSync(join(tmpdir(), 'nexmark-test-'))
  try {
    await runLocal(new URL(`${query}.ts`, NEXMARK_JOBS), {
      parallelism,
      threads: 'never',
      task: { watermarkIntervalMs: WATERMARK_INTERVAL_MS },
      args: [...args, '--sink=files', `--path=${directory}`],
    })
    if (query === 'q10') checkMarkers(directory)
    return canonicalRows(query, readRows(directory))
  } finally {
    rmSync(directory, { recursive: true })
  }
}
