/** Columns of text, aligned: numbers to the right, everything else to the left. */

/** `head` and each of `rows` have the same number of cells. Without rows: `head` alone. */
export function textTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const lines = [head, ...rows]
  const widths = head.map((_, column) => Math.max(...lines.map((line) => line[column]!.length)))
  const isNumeric = head.map(
    (_, column) => rows.length > 0 && rows.every((row) => /^[\d.,%-]*[kMG]?$/.test(row[column]!)),
  )
  return lines
    .map((line) =>
      line
        .map((cell, column) =>
          isNumeric[column] ? cell.padStart(widths[column]!) : cell.padEnd(widths[column]!),
        )
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}

/** `12,345,678`. */
export function formatCount(count: number): string {
  return Math.round(count).toLocaleString('en-US')
}

/** `950`, `12.3k`, `4.56M`: three digits. */
export function formatRate(perSecond: number): string {
  for (const [unit, size] of [
    ['G', 1e9],
    ['M', 1e6],
    ['k', 1e3],
  ] as const) {
    if (perSecond >= size) return `${(perSecond / size).toPrecision(3)}${unit}`
  }
  return perSecond >= 100 || perSecond === 0 ? perSecond.toFixed(0) : perSecond.toPrecision(2)
}

/** Event time: ISO 8601 where it is a date, words or the bare number where it is not. */
export function formatTimestamp(timestamp: number | null): string {
  if (timestamp === null) return '-'
  if (timestamp === Number.POSITIVE_INFINITY) return 'end'
  const date = new Date(timestamp)
  return Number.isNaN(date.getTime()) ? String(timestamp) : date.toISOString()
}

export function formatShare(share: number): string {
  return `${Math.round(share * 100)}%`
}
