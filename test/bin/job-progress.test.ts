/** What is said of a running job: rates, shares, tables; and the block of lines on a terminal. */
import t from 'tap'
import { JobProgress } from '../../bin/job-progress.ts'
import { LiveBlock, type TerminalStream } from '../../bin/live-block.ts'
import { formatCount, formatRate, formatShare, formatTimestamp, textTable } from '../../bin/text-table.ts'
import type { JobDescription } from '../../lib/protocol/job-submission.ts'

interface Reading {
  readonly records: number
  readonly busyMs?: number
  readonly idleMs?: number
  readonly watermark?: number | null
}

/** A job with one vertex; a reading for each of its subtasks. */
function description(
  state: JobDescription['state'],
  readings: readonly Reading[],
  more: Partial<JobDescription> = {},
): JobDescription {
  const subtasks = readings.map(({ records, busyMs = 0, idleMs = 0, watermark = null }, index) => ({
    index,
    state: 'running' as const,
    slot: { node: 'n1', slot: index },
    metrics: {
      recordsIn: records,
      recordsOut: records,
      bytesIn: 0,
      bytesOut: 0,
      busyMs,
      backPressuredMs: 0,
      idleMs,
      watermark,
      operators: {},
    },
  }))
  return {
    jobId: 'j',
    notices: [],
    name: 'count',
    state,
    submittedMs: 0,
    endedMs: null,
    restarts: 0,
    slotsHeld: 1,
    slotsNeeded: 1,
    attempt: 0,
    regions: [{ state, attempt: 0, subtaskCount: readings.length }],
    checkpoints: null,
    graph: { jobName: 'count', vertices: [], edges: [], fingerprint: '' },
    vertices: [{ id: 'v', name: 'map', parallelism: readings.length, subtasks }],
    ...more,
  }
}

t.test('progress - rates and shares are those of the last seconds, not of the whole run', async (t) => {
  const progress = new JobProgress()
  progress.on(description('running', [{ records: 0 }, { records: 0 }]), 0)
  for (let second = 1; second <= 10; second++) {
    const fast = { records: second * 1000, busyMs: second * 1000 }
    progress.on(description('running', [fast, fast]), second * 1000)
  }
  t.match(
    progress.oneLine(''),
    /^count {2}running {2}10s; map 2\.00k\/s, busy 100%, back-pressured 0%, idle 0%$/,
  )
  for (let second = 11; second <= 15; second++) {
    const idle = { records: 10_000, busyMs: 10_000, idleMs: (second - 10) * 1000 }
    progress.on(description('running', [idle, idle]), second * 1000)
  }
  t.match(progress.oneLine(''), /map 0\/s, busy 0%/)
})

t.test('progress - a new attempt counts from zero', async (t) => {
  const progress = new JobProgress()
  progress.on(description('running', [{ records: 5000 }]), 0)
  progress.on(description('running', [{ records: 100 }], { attempt: 1, restarts: 1 }), 1000)
  t.match(progress.oneLine(''), /restarts 1; map 0\/s/)
})

t.test('progress - event time is that of the subtask furthest behind; none if one has none', async (t) => {
  const progress = new JobProgress()
  const at = (...watermarks: (number | null)[]) => {
    progress.on(
      description(
        'running',
        watermarks.map((watermark) => ({ records: 1, watermark })),
      ),
      0,
    )
    return progress.vertexLines()[1]?.split(/ {2,}/).at(-1)
  }
  t.equal(at(2000, 1000), '1970-01-01T00:00:01.000Z')
  t.equal(at(2000, null), '-')
  t.equal(at(Number.POSITIVE_INFINITY), 'end')
})

t.test('progress - while a job does not run there is nothing to measure', async (t) => {
  const progress = new JobProgress()
  progress.on(description('waiting', [], { vertices: [] }), 0)
  t.equal(progress.oneLine('for 4 slots'), 'count  waiting  0ms  for 4 slots')
})

t.test('progress - long names are cut, so that the rest stays on the screen', async (t) => {
  const progress = new JobProgress()
  const name = 'source -> map -> filter -> flatMap -> sink of everything'
  const { vertices } = description('running', [{ records: 12_345_678, watermark: 1.7e12 }])
  progress.on(description('running', [], { vertices: vertices.map((vertex) => ({ ...vertex, name })) }), 0)
  for (const line of progress.vertexLines()) t.ok(line.length <= 100, line)
  t.match(progress.vertexLines()[1], /^source -> map -> filter -\.\.\. x1 +12,345,678 /)
})

t.test('text - numbers, times and tables', async (t) => {
  t.same([0, 7.25, 950, 12_345, 4_560_000, 2e9].map(formatRate), [
    '0',
    '7.3',
    '950',
    '12.3k',
    '4.56M',
    '2.00G',
  ])
  t.equal(formatCount(1_234_567), '1,234,567')
  t.equal(formatShare(0.456), '46%')
  t.same([null, 0, 9e20].map(formatTimestamp), ['-', '1970-01-01T00:00:00.000Z', '900000000000000000000'])
  t.equal(
    textTable(
      ['NAME', 'IN'],
      [
        ['a', '5'],
        ['bcdef', '1,000'],
      ],
    ),
    'NAME      IN\na          5\nbcdef  1,000',
  )
  t.equal(textTable(['NAME', 'IN'], []), 'NAME  IN')
})

const ESCAPE = '\u001b'
const CODES = new RegExp(`${ESCAPE}\\[\\d*[A-Z]|\\r|\\n|[^${ESCAPE}\\r\\n]+`, 'g')
const UP = new RegExp(`^${ESCAPE}\\[(\\d+)A$`)

/** A terminal that understands what the block writes: lines, going up, clearing to the end. */
class Screen implements TerminalStream {
  readonly columns: number
  lines: string[] = ['']

  constructor(columns: number) {
    this.columns = columns
  }

  write(chunk: string | Uint8Array): boolean {
    const text = typeof chunk === 'string' ? chunk : new TextDecoder().decode(chunk)
    for (const [part] of text.matchAll(CODES)) this.#take(part)
    return true
  }

  #take(part: string): void {
    const up = UP.exec(part)
    if (up !== null) this.lines.length -= Number(up[1])
    else if (part === '\n') this.lines.push('')
    else if (part === '\r' || part.endsWith('J')) this.lines[this.lines.length - 1] = ''
    else this.lines[this.lines.length - 1] += part
  }

  get text(): string {
    return this.lines.join('\n')
  }
}

t.test('live block - is rewritten in place, and what others write stays above it', async (t) => {
  const screen = new Screen(80)
  const block = new LiveBlock([screen])
  block.show(['one', 'two'])
  block.show(['three', 'four'])
  t.equal(screen.text, 'three\nfour\n')
  screen.write('a record\n')
  t.equal(screen.text, 'a record\n')
  block.show(['five'])
  screen.write('half a ')
  screen.write('line')
  block.show(['six'])
  t.equal(screen.text, 'a record\nhalf a line\nsix\n')
  block.close()
  screen.write('the end\n')
  t.equal(screen.text, 'a record\nhalf a line\nthe end\n')
})

t.test('live block - lines are cut before they would wrap', async (t) => {
  const screen = new Screen(10)
  const block = new LiveBlock([screen])
  block.show(['0123456789abc'])
  t.equal(screen.text, '012345678\n')
  block.close()
  t.equal(screen.text, '')
})
