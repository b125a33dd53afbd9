/**
 * The results of a Nexmark query in canonical form, which is the same whatever the order in which they came: one JSON
 * object per row, sorted by code unit; of updating queries the final table; decimals as strings.
 */
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

type Row = Record<string, unknown>

/** The columns in which queries keep decimals, as integers of thousandths. */
const DECIMAL_COLUMNS: Readonly<Record<string, string>> = { q1: 'price', q14: 'price' }

/** Queries whose rows replace earlier ones, and the columns that tell which. */
const UPSERT_KEYS: Readonly<Record<string, readonly string[]>> = {
  q4: ['id'],
  q9: ['id'],
  q15: ['day'],
  q16: ['channel', 'day'],
  q17: ['auction', 'day'],
  q18: ['bidder', 'auction'],
  q19: ['auction', 'rank_number'],
}

/** `part-<subtask>-<number>-<writer>-<attempt>`; numbers begin anew with each attempt. */
const PART_NAME = /^part-(\d+)-(\d+)-.+-(\d+)\.(jsonl|csv)$/

/** Q12's windows, ms. */
const PROCESSING_WINDOW_MS = 10_000

/**
 * Rows as the subtasks wrote them, as JSON. Those of one key come from one subtask, whose parts are read in the order
 * in which they were written. Throws if a part was never finished.
 */
export function readRows(directory: string): string[] {
  const files = readdirSync(directory, { recursive: true, withFileTypes: true }).filter((file) =>
    file.isFile(),
  )
  const parts = files.flatMap(({ name, parentPath }) => {
    if (name.endsWith('.inprogress'))
      throw new Error(`${name} was left unfinished by a job that has finished`)
    const match = PART_NAME.exec(name)
    if (match === null) return []
    const [subtask, number, attempt] = match.slice(1, 4).map(Number) as [number, number, number]
    return { path: join(parentPath, name), isCsv: match[4] === 'csv', subtask, number, attempt }
  })
  parts.sort((a, b) => a.subtask - b.subtask || a.attempt - b.attempt || a.number - b.number)
  return parts.flatMap(({ path, isCsv }) => {
    const lines = readFileSync(path, 'utf8').split('\n').slice(0, -1)
    return isCsv ? fromCsv(lines) : lines
  })
}

/** Nothing in the cells of Nexmark needs quotes, and what looks like a number is one. */
function fromCsv([header = '', ...lines]: readonly string[]): string[] {
  const names = header.split(',')
  return lines.map((line) => {
    const cells = line.split(',').map((cell) => (/^\d+$/.test(cell) ? Number(cell) : cell))
    return JSON.stringify(Object.fromEntries(names.map((name, i) => [name, cells[i]])))
  })
}

/** Throws if rows contradict what must hold for each of them. */
export function canonicalRows(query: string, rows: readonly string[]): string[] {
  const decimal = DECIMAL_COLUMNS[query]
  const key = UPSERT_KEYS[query]
  let canonical = [...rows]
  if (key !== undefined) canonical = foldUpserts(canonical, key)
  if (decimal !== undefined) canonical = canonical.map((row) => withDecimal(row, decimal))
  if (query === 'q12') canonical = bidsOfBidders(canonical)
  return canonical.sort()
}

/** Into which window of the clock a bid fell nobody can know; how many there were of each person, everybody. */
function bidsOfBidders(rows: readonly string[]): string[] {
  const totals = new Map<number, number>()
  for (const row of rows) {
    const columns = JSON.parse(row) as { [name in 'bidder' | 'bid_count' | 'starttime' | 'endtime']: number }
    const { bidder, bid_count, starttime, endtime } = columns
    const isWindow = starttime % PROCESSING_WINDOW_MS === 0 && endtime === starttime + PROCESSING_WINDOW_MS
    if (!isWindow || bid_count < 1) throw new Error(`not the count of a window of 10 s: ${row}`)
    totals.set(bidder, (totals.get(bidder) ?? 0) + bid_count)
  }
  return [...totals].map(([bidder, bid_count]) => JSON.stringify({ bidder, bid_count }))
}

export function digestOf(canonical: readonly string[]): string {
  const hash = createHash('sha256')
  for (const row of canonical) hash.update(`${row}\n`)
  return hash.digest('hex')
}

/** Of the rows with one key, the last. */
function foldUpserts(rows: readonly string[], key: readonly string[]): string[] {
  const table = new Map<string, string>()
  for (const row of rows) {
    const columns = JSON.parse(row) as Row
    table.set(JSON.stringify(key.map((column) => columns[column])), row)
  }
  return [...table.values()]
}

function withDecimal(row: string, column: string): string {
  const columns = JSON.parse(row) as Row
  const thousandths = String(columns[column]).padStart(4, '0')
  columns[column] = `${thousandths.slice(0, -3)}.${thousandths.slice(-3)}`
  return JSON.stringify(columns)
}
