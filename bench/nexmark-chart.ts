/** A bar chart as SVG: groups of bars with a whisker from the lowest to the highest, and a mark per group. */

export interface Bar {
  readonly series: string
  readonly low: number
  readonly value: number
  readonly high: number
}

export interface BarGroup {
  readonly name: string
  readonly bars: readonly Bar[]
  /** Drawn as a line across the group. */
  readonly mark: number
}

const BAR_WIDTH = 9
const GROUP_GAP = 10
const HEIGHT = 300
const LEFT = 40
const TOP = 50
const STEP = 0.25
const COLORS = ['#33658a', '#86bbd8', '#f26419', '#f6ae2d']

export function barChart(title: string, groups: readonly BarGroup[]): string {
  const series = [...new Set(groups.flatMap(({ bars }) => bars.map((bar) => bar.series)))]
  const top = Math.max(1, ...groups.flatMap(({ bars }) => bars.map(({ high }) => high)))
  const groupWidth = series.length * BAR_WIDTH + GROUP_GAP
  const width = LEFT + groups.length * groupWidth + GROUP_GAP
  const y = (value: number) => round(TOP + HEIGHT * (1 - value / top))
  const lines = Array.from({ length: Math.floor(top / STEP) + 1 }, (_, i) => i * STEP)
  const parts = [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${TOP + HEIGHT + 40}" font-family="sans-serif" font-size="10">`,
    '<rect width="100%" height="100%" fill="white"/>',
    `<text x="${LEFT}" y="16" font-size="13">${title}</text>`,
    ...series.map(
      (name, i) =>
        `<rect x="${LEFT + i * 170}" y="26" width="9" height="9" fill="${colorOf(i)}"/><text x="${LEFT + i * 170 + 13}" y="34">${name}</text>`,
    ),
    ...lines.map(
      (value) =>
        `<line x1="${LEFT}" x2="${width}" y1="${y(value)}" y2="${y(value)}" stroke="#ddd"/><text x="${LEFT - 6}" y="${y(value) + 3}" text-anchor="end">${value}</text>`,
    ),
  ]
  groups.forEach(({ name, bars, mark }, g) => {
    const left = LEFT + GROUP_GAP + g * groupWidth
    const right = left + series.length * BAR_WIDTH
    for (const { series: of, low, value, high } of bars) {
      const i = series.indexOf(of)
      const [x, middle] = [left + i * BAR_WIDTH, left + (i + 0.5) * BAR_WIDTH]
      parts.push(
        `<rect x="${x}" y="${y(value)}" width="${BAR_WIDTH - 1}" height="${round(y(0) - y(value))}" fill="${colorOf(i)}"/>`,
        `<line x1="${middle}" x2="${middle}" y1="${y(low)}" y2="${y(high)}" stroke="black"/>`,
      )
    }
    parts.push(
      `<line x1="${left - 2}" x2="${right + 2}" y1="${y(mark)}" y2="${y(mark)}" stroke="#c00" stroke-dasharray="3 2"/>`,
      `<text x="${round((left + right) / 2)}" y="${TOP + HEIGHT + 14}" text-anchor="middle">${name}</text>`,
    )
  })
  return `${[...parts, '</svg>'].join('\n')}\n`
}

function colorOf(series: number): string {
  return COLORS[series % COLORS.length]!
}

function round(value: number): number {
  return Math.round(value * 10) / 10
}
