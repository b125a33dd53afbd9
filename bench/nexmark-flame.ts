/** A CPU profile of V8 as a flame graph: width is time, callers are below callees. Boxes say more when pointed at. */
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'

/** The format of --cpu-prof; what is used of it. */
interface CpuProfile {
  readonly nodes: readonly {
    readonly id: number
    readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number }
    readonly children?: readonly number[]
  }[]
  readonly samples: readonly number[]
  readonly timeDeltas: readonly number[]
}

interface Frame {
  readonly name: string
  readonly children: Map<string, Frame>
  /** Microseconds, with what it called. */
  time: number
}

const WIDTH = 1600
const ROW_HEIGHT = 16
/** Narrower ones are left out. */
const WIDTH_MIN = 0.4
/** About one letter in the font used. */
const LETTER_WIDTH = 6.2
const IDLE = new Set(['(idle)', '(program)'])

/** Of a process with several threads the largest file, which is that of the one that worked. */
export function newestProfile(directory: string): CpuProfile {
  const files = readdirSync(directory)
    .filter((name) => name.endsWith('.cpuprofile'))
    .map((name) => join(directory, name))
  const [largest] = files.sort((a, b) => statSync(b).size - statSync(a).size)
  if (largest === undefined) throw new Error(`no profile was written to ${directory}`)
  return JSON.parse(readFileSync(largest, 'utf8')) as CpuProfile
}

export function flameGraph(title: string, profile: CpuProfile): string {
  const root = framesOf(profile)
  const boxes: string[] = []
  const depth = draw(root, 0, 0, WIDTH / root.time, root.time, boxes)
  const height = (depth + 3) * ROW_HEIGHT
  const flipped = boxes.map((box) =>
    box.replace(/row="(\d+)"/, (_, row) => `y="${height - (Number(row) + 2) * ROW_HEIGHT}"`),
  )
  return `${[
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" font-family="monospace" font-size="10">`,
    '<rect width="100%" height="100%" fill="white"/>',
    `<text x="4" y="12" font-size="12">${escapeXml(title)}: ${Math.round(root.time / 1000)} ms on a processor</text>`,
    ...flipped,
    '</svg>',
  ].join('\n')}\n`
}

/** Samples by their stacks, from the bottom. */
function framesOf({ nodes, samples, timeDeltas }: CpuProfile): Frame {
  const byId = new Map(nodes.map((node) => [node.id, node]))
  const parents = new Map(
    nodes.flatMap(({ id, children = [] }) => children.map((child) => [child, id] as const)),
  )
  const root: Frame = { name: 'all', children: new Map(), time: 0 }
  samples.forEach((sample, i) => {
    const time = Math.max(0, timeDeltas[i] ?? 0)
    const stack: string[] = []
    for (let id: number | undefined = sample; id !== undefined; id = parents.get(id))
      stack.push(nameOf(byId.get(id)!))
    if (IDLE.has(stack[0]!)) return
    let frame = root
    root.time += time
    for (const name of stack.reverse().slice(1)) {
      const known: Frame = frame.children.get(name) ?? { name, children: new Map(), time: 0 }
      frame.children.set(name, known)
      known.time += time
      frame = known
    }
  })
  return root
}

function nameOf({ callFrame: { functionName, url, lineNumber } }: CpuProfile['nodes'][number]): string {
  const file = url.split('/').slice(-2).join('/')
  const name = functionName === '' ? '(anonymous)' : functionName
  return file === '' ? name : `${name} ${file}:${lineNumber + 1}`
}

/** Returns how many rows there are. `x` in pixels. */
function draw(frame: Frame, row: number, x: number, scale: number, total: number, boxes: string[]): number {
  const width = frame.time * scale
  if (width < WIDTH_MIN) return row
  const share = ((frame.time / total) * 100).toFixed(1)
  const shown = frame.name.slice(0, Math.max(0, Math.floor(width / LETTER_WIDTH) - 1))
  boxes.push(
    `<svg x="${x.toFixed(1)}" row="${row}" width="${width.toFixed(1)}" height="${ROW_HEIGHT}"><title>${escapeXml(frame.name)}, ${share} %</title><rect width="100%" height="${ROW_HEIGHT - 1}" fill="${colorOf(frame.name)}"/><text x="2" y="11">${escapeXml(shown)}</text></svg>`,
  )
  let deepest = row + 1
  let left = x
  for (const child of [...frame.children.values()].sort((a, b) => b.time - a.time)) {
    deepest = Math.max(deepest, draw(child, row + 1, left, scale, total, boxes))
    left += child.time * scale
  }
  return deepest
}

/** Examples, engine and Node in colours of their own. */
function colorOf(name: string): string {
  if (name.startsWith('(')) return '#bbb'
  if (/ nexmark\//.test(name)) return '#f6ae2d'
  return /\.ts:|:\d+$/.test(name) ? '#86bbd8' : '#f2a48b'
}

function escapeXml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;')
}
