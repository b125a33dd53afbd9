/**
 * Runs the benchmarks and prints, for each, the distribution of its ratio to the bare baseline over fresh processes.
 * Absolute figures move with the machine and its neighbours; the ratio of two measurements of one process, taken
 * within seconds of each other, mostly does not.
 *
 * A benchmark is a file that prints one JSON line `{ "sluice": number, "bare": number, "unit": string, "ratio": number }`.
 */
import { didYouMean } from '../lib/base/nearest-name.ts'
import { startBench } from './child-process.ts'
import { readCount, readOptions, runCommand, usageError } from './command-line.ts'
import type { Measurement } from './measurement.ts'

interface Benchmark {
  readonly name: string
  readonly file: string
  readonly args?: readonly string[]
  readonly measures: string
  /** `atMost` and `atLeast` are bounds of the median ratio. */
  readonly target: { readonly atMost: number } | { readonly atLeast: number }
  /** Processes, unless --runs says otherwise. */
  readonly runs: number
}

const BENCHMARKS: readonly Benchmark[] = [
  {
    name: 'chain',
    file: 'chain.ts',
    measures: 'map, filter and keyed count in one slot, to a hand-written loop',
    target: { atMost: 1.5 },
    runs: 5,
  },
  {
    name: 'threads',
    file: 'exchange-threads.ts',
    measures: 'keyBy between two slot threads, to encoding, transferring and decoding alone',
    target: { atLeast: 0.5 },
    runs: 5,
  },
  {
    name: 'nats',
    file: 'exchange-nats.ts',
    measures: 'keyBy between two nodes over NATS, to publishing and receiving the same frames',
    target: { atLeast: 0.5 },
    runs: 5,
  },
  {
    name: 'tumbling',
    file: 'tumbling.ts',
    measures: 'a count per tumbling window, 100 000 keys, to a loop with a Map per window',
    target: { atLeast: 0.6 },
    runs: 5,
  },
  {
    name: 'sliding',
    file: 'sliding.ts',
    measures: 'sliding windows of 60 s by 1 s, to tumbling ones',
    target: { atMost: 3 },
    runs: 3,
  },
  {
    name: 'timers',
    file: 'timers.ts',
    args: ['cost'],
    measures: 'a million timers: the dearer of registering and firing one, to the limit',
    target: { atMost: 1 },
    runs: 5,
  },
  {
    name: 'timer-slices',
    file: 'timers.ts',
    args: ['slices'],
    measures: 'p99 of the event loop while a million timers fire, to the limit',
    target: { atMost: 1 },
    runs: 5,
  },
  {
    name: 'leveldb-count',
    file: 'leveldb-count.ts',
    measures: 'a count per key over 5 M keys on LevelDB, to classic-level with a cache of the same size',
    target: { atLeast: 0.6 },
    runs: 3,
  },
  {
    name: 'pauses-heap',
    file: 'checkpoint-pauses.ts',
    args: ['heap', 'pauses'],
    measures: 'p99 of pauses while a million keys change with a checkpoint every second, to the limit',
    target: { atMost: 1 },
    runs: 3,
  },
  {
    name: 'pauses-leveldb',
    file: 'checkpoint-pauses.ts',
    args: ['leveldb', 'pauses'],
    measures: 'the same on LevelDB',
    target: { atMost: 1 },
    runs: 3,
  },
  {
    name: 'checkpoints-heap',
    file: 'checkpoint-pauses.ts',
    args: ['heap', 'throughput'],
    measures: 'throughput while a million keys change with a checkpoint every second, to that without',
    target: { atLeast: 0.9 },
    runs: 3,
  },
  {
    name: 'checkpoints-leveldb',
    file: 'checkpoint-pauses.ts',
    args: ['leveldb', 'throughput'],
    measures: 'the same on LevelDB',
    target: { atLeast: 0.85 },
    runs: 3,
  },
  {
    name: 'back-pressure',
    file: 'back-pressure.ts',
    measures:
      'unaligned checkpoints behind a sink at 1 % (p99, ms), where aligned ones time out, to the limit',
    target: { atMost: 1 },
    runs: 2,
  },
  {
    name: 'slow-sink',
    file: 'slow-sink.ts',
    measures: 'growth of resident memory (MB) in 60 s behind a sink at 1 % of the source, to the limit',
    target: { atMost: 1 },
    runs: 2,
  },
  {
    name: 'large-state',
    file: 'large-state.ts',
    measures:
      'checkpoint of 1 GiB of state of which 1 % changed, p99 (ms) from trigger to completion, to the limit',
    target: { atMost: 1 },
    runs: 1,
  },
]

const RUN_TIMEOUT_MS = 300_000

async function measure({ file, name, args = [] }: Benchmark): Promise<Measurement> {
  const child = startBench(file, args)
  const timer = setTimeout(() => {
    process.stderr.write(`benchmark ${name} is stopped after ${RUN_TIMEOUT_MS / 1000} s\n`)
    void child.stop()
  }, RUN_TIMEOUT_MS)
  try {
    const [measurement] = await child.lines<Measurement>('ratio')
    await child.finished
    return measurement!
  } finally {
    clearTimeout(timer)
    await child.stop()
  }
}

function medianOf(sorted: readonly number[]): number {
  const middle = (sorted.length - 1) / 2
  return (sorted[Math.floor(middle)]! + sorted[Math.ceil(middle)]!) / 2
}

function report(
  benchmark: Benchmark,
  runs: readonly Measurement[],
): { line: string; json: object; isMet: boolean } {
  const ratios = runs.map(({ ratio }) => ratio).sort((a, b) => a - b)
  const [min, median, max] = [ratios[0]!, medianOf(ratios), ratios.at(-1)!]
  const { target } = benchmark
  const isMet = 'atMost' in target ? median <= target.atMost : median >= target.atLeast
  const bound = 'atMost' in target ? `at most ${target.atMost}` : `at least ${target.atLeast}`
  const middle = [...runs].sort((a, b) => a.ratio - b.ratio)[Math.floor(runs.length / 2)]!
  const figures = `sluice ${middle.sluice.toFixed(1)}, bare ${middle.bare.toFixed(1)} ${middle.unit}`
  const ratio = `ratio ${min.toFixed(2)} / ${median.toFixed(2)} / ${max.toFixed(2)}`
  return {
    line: `${benchmark.name.padEnd(13)} ${ratio}  (${bound}: ${isMet ? 'met' : 'MISSED'})  ${figures}`,
    json: { name: benchmark.name, measures: benchmark.measures, target, min, median, max, isMet, runs },
    isMet,
  }
}

const names: readonly string[] = BENCHMARKS.map((benchmark) => benchmark.name)
const USAGE = `Usage: npm run bench -- [options] [benchmark...]

Ratios against a bare baseline measured in the same run: lowest, median and highest over fresh processes. Without a
name, all benchmarks. Ends with 1 if a median misses its target.

${BENCHMARKS.map(({ name, measures }) => `  ${name.padEnd(20)}${measures}`).join('\n')}

  --runs N            processes per benchmark, instead of its own number
  --json              a line of JSON per benchmark
  --help
`
const OPTIONS = { runs: { type: 'string' }, json: { type: 'boolean', default: false } } as const

await runCommand(USAGE, async (args) => {
  const { values, positionals } = readOptions(args, OPTIONS, true)
  for (const name of positionals)
    if (!names.includes(name)) throw usageError(`there is no benchmark "${name}".${didYouMean(name, names)}`)
  const runCount = values.runs === undefined ? null : readCount('runs', values.runs, 1, 1000)
  let isAllMet = true
  for (const benchmark of BENCHMARKS) {
    if (positionals.length > 0 && !positionals.includes(benchmark.name)) continue
    if (!values.json) process.stdout.write(`\n${benchmark.name}: ${benchmark.measures}\n`)
    const runs: Measurement[] = []
    for (let i = 0; i < (runCount ?? benchmark.runs); i++) {
      runs.push(await measure(benchmark))
      if (!values.json) process.stderr.write(`  run ${i + 1}: ratio ${runs.at(-1)!.ratio.toFixed(2)}\n`)
    }
    const { line, json, isMet } = report(benchmark, runs)
    process.stdout.write(values.json ? `${JSON.stringify(json)}\n` : `${line}\n`)
    isAllMet &&= isMet
  }
  process.exitCode = isAllMet ? 0 : 1
})
