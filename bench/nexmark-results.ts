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

/** In names of part files, subtask and number of the part. */
const byNumbers = new Intl.Collator('en', { numeric: true }).compare

/**
 * Rows as the subtasks wrote them. Those of one key come from one subtask, whose parts are read in the order in which
 * they were written. Throws if a part was never finished.
 */
export function readRows(directory: string): string[] {
  return readdirSync(directory)
    .sort(byNumbers)
    .flatMap((file) => {
      if (file.startsWith('.')) throw new Error(`${file} was left unfinished by a job that has finished`)
      const lines = readFileSync(join(directory, file), 'utf8').split('\n')
      return lines.slice(0, -1)
    })
}

export function canonicalRows(query: string, rows: readonly string[]): string[] {
  const decimal = DECIMAL_COLUMNS[query]
  const key = UPSERT_KEYS[query]
  let canonical = [...rows]
  if (key !== undefined) canonical = foldUpserts(canonical, key)
  if (decimal !== undefined) canonical = canonical.map((row) => withDecimal(row, decimal))
  return canonical.sort()
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
