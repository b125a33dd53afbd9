/** The pages of docs/: their code compiles and does what they say, links lead somewhere, tables are true. */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import t from 'tap'
import ts from 'typescript'
import { VERBS } from '../../bin/commands/verbs.ts'
import { parseCommandLine } from '../../bin/program.ts'
import type { Option } from '../../lib/config/option.ts'
import { environmentName, isOptionKey, OPTION_KEYS, OPTIONS } from '../../lib/config/options.ts'
import * as sluice from '../../lib/index.ts'
import { blocksOf, type CodeBlock, fencesOf, pages, ROOT, sortedLines } from './code-blocks.ts'

t.setTimeout(240_000)

const blocks = pages().flatMap((page) => blocksOf(page, Object.keys(sluice)))
const dir = mkdtempSync(join(tmpdir(), 'sluice-docs-'))
const pathOf = ({ file }: CodeBlock) => join(dir, file)
t.teardown(() => rmSync(dir, { recursive: true }))

t.before(() => {
  writeFileSync(join(dir, 'package.json'), '{"type":"module"}')
  for (const block of blocks) writeFileSync(pathOf(block), block.text)
})

t.test('docs - every example compiles', async (t) => {
  const { config } = ts.readConfigFile(join(ROOT, 'tsconfig.json'), ts.sys.readFile)
  const { options } = ts.parseJsonConfigFileContent({ ...config, files: [], include: [] }, ts.sys, ROOT)
  const program = ts.createProgram(blocks.map(pathOf), {
    ...options,
    incremental: false,
    rewriteRelativeImportExtensions: false,
    noUnusedLocals: false,
    noUnusedParameters: false,
    typeRoots: [join(ROOT, 'node_modules/@types')],
  })
  for (const block of blocks) {
    const file = program.getSourceFile(pathOf(block))
    const found = [...program.getSyntacticDiagnostics(file), ...program.getSemanticDiagnostics(file)]
    const messages = found.map(({ messageText, start }) => {
      const line = file === undefined ? 0 : file.getLineAndCharacterOfPosition(start ?? 0).line
      return `${block.text.split('\n')[line]?.trim()}: ${ts.flattenDiagnosticMessageText(messageText, '\n')}`
    })
    t.same(messages, [], block.place)
  }
})

t.test('docs - every example runs, and prints what the page says', async (t) => {
  const out = join(dir, 'results.json')
  const files = (kind: CodeBlock['kind']) => blocks.filter((block) => block.kind === kind).map(pathOf)
  const options = ['--import', 'tsx', join(ROOT, 'test/docs/run-blocks.ts'), out]
  const { stderr } = spawnSync(
    process.execPath,
    [...options, ...files('run'), '--build', ...files('build')],
    { cwd: ROOT, encoding: 'utf8' },
  )
  t.ok(existsSync(out), stderr)
  const results = JSON.parse(readFileSync(out, 'utf8')) as Record<string, { printed: string; error?: string }>
  for (const block of blocks.filter(({ kind }) => kind !== 'test')) {
    const { printed, error } = results[pathOf(block)] ?? { printed: '', error: 'not run' }
    t.equal(error, undefined, block.place)
    if (block.printed !== null) t.same(sortedLines(printed), block.printed, block.place)
  }
})

t.test('docs - every example of a test passes', async (t) => {
  for (const block of blocks.filter(({ kind }) => kind === 'test')) {
    const options = ['--import', 'tsx', '--test', '--test-reporter', 'tap', pathOf(block)]
    const { status, stdout, stderr } = spawnSync(process.execPath, options, { cwd: ROOT, encoding: 'utf8' })
    t.equal(status, 0, `${block.place}\n${stdout}\n${stderr}`)
  }
})

/** As GitHub makes them. */
function anchorsOf(path: string): string[] {
  const text = readFileSync(path, 'utf8').replace(/^```[\s\S]*?^```$/gm, '')
  return [...text.matchAll(/^#+ (.*)$/gm)].map(([, heading]) =>
    heading!
      .toLowerCase()
      .replace(/[^\w\s-]/g, '')
      .replace(/\s/g, '-'),
  )
}

t.test('docs - links lead somewhere', async (t) => {
  const complaints: string[] = []
  for (const page of [...pages(), 'README.md']) {
    const text = readFileSync(join(ROOT, page), 'utf8').replace(/^```[\s\S]*?^```$/gm, '')
    for (const [, target] of text.matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^https?:/.test(target!)) continue
      const [path, anchor] = target!.split('#')
      const file = path === '' ? join(ROOT, page) : resolve(ROOT, dirname(page), path!)
      if (!existsSync(file)) complaints.push(`${page}: ${target} does not exist`)
      else if (anchor !== undefined && !anchorsOf(file).includes(anchor))
        complaints.push(`${page}: ${target} has no such heading`)
    }
  }
  t.same(complaints, [])
})

t.test('docs - every page is in the index', async (t) => {
  const index = readFileSync(join(ROOT, 'docs/README.md'), 'utf8')
  t.same(
    pages().filter((page) => page !== 'docs/README.md' && !index.includes(`(${page.slice('docs/'.length)})`)),
    [],
  )
})

t.test('docs - the reference of the configuration has every option, as it is', async (t) => {
  const place = { cluster: 'default', hostname: 'host', pid: 1, env: {}, home: '/home/you' }
  const rows = OPTION_KEYS.map((key) => {
    const { doc, defaultValue, show } = OPTIONS[key] as Option<unknown>
    const value = defaultValue(place)
    return `| \`${key}\` | ${value === undefined ? '' : `\`${show(value)}\``} | ${doc.replaceAll('|', '\\|')} |`
  })
  const path = join(ROOT, 'docs/configuration.md')
  const text = readFileSync(path, 'utf8')
  if (process.env.DOCS === 'write')
    writeFileSync(path, text.replace(/(^\| `.*\n?)+/m, `${rows.join('\n')}\n`))
  const found = text.split('\n').filter((line) => /^\| `/.test(line))
  const howTo = 'to write them anew: DOCS=write node --import tsx test/docs/docs.test.ts, then npm run format'
  t.same(found.map(squeezed), rows.map(squeezed), howTo)
  for (const [name] of text.matchAll(/\bSLUICE_[A-Z_]+\b/g)) {
    t.ok(OPTION_KEYS.some((key) => environmentName(key) === name) || /_(BIN)$/.test(name), `${name} is read`)
  }
})

/** The formatter pads the cells of tables. */
function squeezed(row: string): string {
  return row.replace(/\s+/g, ' ')
}

t.test('docs - options are named as they are', async (t) => {
  // The dictionary names Flink's, too.
  for (const page of pages().filter((name) => name !== 'docs/flink.md')) {
    const text = readFileSync(join(ROOT, page), 'utf8')
    const prefixes = new Set(OPTION_KEYS.map((key) => key.split('.')[0]!))
    for (const [, name] of text.matchAll(/(?:-D |`)([a-z]+\.[A-Za-z.]+)(?:=|`)/g)) {
      if (prefixes.has(name!.split('.')[0]!)) t.ok(isOptionKey(name!), `${page}: ${name}`)
    }
  }
})

t.test('docs - commands are commands, and their flags are flags', async (t) => {
  for (const page of pages()) {
    for (const { info, body, line } of fencesOf(page)) {
      if (info !== 'sh') continue
      for (const [, command] of body.matchAll(/(?:^|\()sluice ([^\n#)]*)/gm)) {
        await t.resolves(parseCommandLine(command!.trim().split(/\s+/), VERBS), `${page}:${line}: ${command}`)
      }
    }
  }
})
