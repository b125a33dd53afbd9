/**
 * The code in the pages of docs/ as modules that can be checked and run. What a block is stands behind its language:
 *
 *     ts          a whole module; if it exports a job, that is run; it prints the next block, if that is `text`
 *     ts build    a whole module that needs something from outside: its job's graph is built
 *     ts part     a part of a job function: `env` and the streams of stage.ts are there
 *
 * Tests (of node:test) among them are run as tests.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'

export const ROOT = resolve(import.meta.dirname, '../..')

export type BlockKind = 'run' | 'build' | 'test'

export interface CodeBlock {
  /** Such as `windows-3.ts`. */
  readonly file: string
  /** Where in the page it begins. */
  readonly place: string
  readonly kind: BlockKind
  readonly text: string
  /** What the page says is printed, sorted by line; null: nothing is said. */
  readonly printed: readonly string[] | null
}

interface Fence {
  readonly info: string
  readonly body: string
  readonly line: number
}

export function pages(): string[] {
  const docs = readdirSync(join(ROOT, 'docs')).filter((name) => name.endsWith('.md'))
  return docs.sort().map((name) => `docs/${name}`)
}

export function fencesOf(page: string): Fence[] {
  const text = readFileSync(join(ROOT, page), 'utf8')
  return [...text.matchAll(/^```([^\n]*)\n([\s\S]*?)^```$/gm)].map((match) => ({
    info: match[1]!.trim(),
    body: match[2]!,
    line: text.slice(0, match.index).split('\n').length,
  }))
}

/** `exported`: the names that `sluice` exports, by which parts are told what to import. */
export function blocksOf(page: string, exported: readonly string[]): CodeBlock[] {
  const fences = fencesOf(page)
  return fences.flatMap(({ info, body, line }, index) => {
    if (!/^ts( |$)/.test(info)) return []
    const isPart = info === 'ts part'
    const next = fences[index + 1]
    return [
      {
        file: `${page.replace(/^docs\/|\.md$/g, '')}-${index}.ts`,
        place: `${page}:${line}`,
        kind: info === 'ts build' ? 'build' : /from 'node:test'/.test(body) ? 'test' : 'run',
        text: withRealImports(isPart ? wrapped(body, exported) : body),
        printed: next?.info === 'text' ? sortedLines(next.body) : null,
      },
    ]
  })
}

export function sortedLines(text: string): string[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .sort()
}

function wrapped(body: string, exported: readonly string[]): string {
  const words = new Set(body.match(/[A-Za-z_]\w*/g))
  const names = exported.filter((name) => words.has(name) || name === 'job')
  return [
    `import { ${names.join(', ')} } from 'sluice'`,
    `import { Order, Payment, stage } from '${join(ROOT, 'test/docs/stage.ts')}'`,
    "export default job('part', (env) => {",
    'const { orders, payments } = stage(env)',
    body,
    '})',
  ].join('\n')
}

/** Blocks are written to a directory outside, where `sluice` is not installed. */
function withRealImports(text: string): string {
  return text
    .replace(/from 'sluice'/g, `from '${join(ROOT, 'lib/index.ts')}'`)
    .replace(/from 'sluice\/testing'/g, `from '${join(ROOT, 'lib/testing/index.ts')}'`)
}
