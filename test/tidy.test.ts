/**
 * The house rules, checked: who may import whom, without cycles; what must not be called where; how long files,
 * functions and lines may be; no dead files, no exports nobody uses; names; the changelog. Each complaint says what
 * to do instead.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import ts from 'typescript'

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..')

/** Folder -> what it may import besides itself. Rows only name rows above them, so there can be no cycle. */
const IMPORTS: Record<string, readonly string[]> = {
  'lib/base': [],
  'lib/types': ['base'],
  'lib/metrics': ['base'],
  'lib/bus': ['base'],
  'lib/actor': ['base', 'bus', 'metrics'],
  'lib/storage': ['base', 'bus'],
  'lib/state': ['base', 'types', 'storage'],
  'lib/time': ['base', 'types', 'state'],
  'lib/network': ['base', 'types', 'bus', 'state'],
  'lib/function': ['base', 'types', 'bus', 'metrics', 'state', 'time'],
  'lib/window': ['base', 'types', 'state', 'time', 'function'],
  'lib/connectors': ['base', 'types', 'bus', 'metrics', 'state', 'time', 'function'],
  'lib/operator': ['base', 'types', 'metrics', 'state', 'time', 'function', 'window'],
  'lib/graph': ['base', 'types', 'state', 'time', 'function', 'operator', 'network'],
  'lib/checkpoint': ['base', 'types', 'network', 'state', 'storage', 'graph'],
  'lib/task': [
    'base',
    'types',
    'metrics',
    'storage',
    'state',
    'time',
    'network',
    'function',
    'operator',
    'graph',
    'checkpoint',
  ],
  'lib/scheduler': ['base', 'state', 'graph'],
  'lib/protocol': ['base', 'graph', 'scheduler', 'task', 'checkpoint'],
  'lib/ha': ['base', 'bus', 'storage', 'protocol'],
  'lib/api': [
    'base',
    'types',
    'state',
    'time',
    'network',
    'function',
    'window',
    'connectors',
    'operator',
    'graph',
  ],
  'lib/config': ['base', 'bus', 'scheduler', 'task', 'checkpoint'],
  'lib/client': ['base', 'bus', 'actor', 'graph', 'scheduler', 'protocol', 'api', 'checkpoint'],
}

/** Who may do what others must not. */
const BANNED: readonly { pattern: RegExp; except: RegExp; instead: string }[] = [
  {
    pattern: /\b(Date\.now|performance\.now|setTimeout|setInterval|setImmediate)\b/,
    except: /^(lib\/base\/clock\.ts|bin\/)/,
    instead: 'take a Clock',
  },
  { pattern: /\bnew Date\(\)/, except: /^bin\//, instead: 'take a Clock' },
  { pattern: /\bMath\.random\b/, except: /^lib\/base\/prng\.ts/, instead: 'take a Random' },
  { pattern: /\bconsole\./, except: /^(bin\/)/, instead: 'take a Logger' },
  { pattern: /\bprocess\.env\b/, except: /^(lib\/config\/|bin\/)/, instead: 'take the value as an argument' },
  {
    pattern: /from 'node:fs/,
    except:
      /^(lib\/(storage|connectors\/files|config|bus)\/|bin\/|actors\/load-job-module\.ts|lib\/api\/register-loader)/,
    instead: 'go through storage',
  },
  {
    pattern: /from '@nats-io\//,
    except: /^(lib\/bus\/|lib\/connectors\/jetstream\/|lib\/storage\/|lib\/ha\/jetstream-)/,
    instead: 'go through lib/bus',
  },
]

const FILE_LINES_MAX = 600
const FUNCTION_LINES_MAX = 70
const LINE_LENGTH_MAX = 120
const BANNED_FILE_NAMES = /(^|\/)(utils?|helpers?|common|misc|types|index)\.ts$/
const BANNED_NAME_PARTS = /(Impl|Utils?|Helper|Abstract[A-Z]\w*|NG|New[A-Z]\w*)$/
const DOORS = ['lib/index.ts', 'lib/testing/index.ts']
/** Files that nobody imports because a process or a thread begins with them. */
const ENTRIES = new RegExp(
  [
    '^(bin/',
    'lib/index\\.ts|lib/testing/index\\.ts',
    'actors/(slot-thread\\.ts|thread-boot\\.mjs)',
    'lib/storage/level-scan-thread\\.mjs',
    'lib/api/re\\w+-\\w+\\.mjs)',
  ].join('|'),
)

interface SourceFile {
  readonly path: string
  readonly text: string
  readonly ast: ts.SourceFile
  /** Relative imports, resolved to paths from the root. */
  readonly imports: readonly string[]
}

function listFiles(dir: string): string[] {
  return readdirSync(join(root, dir), { withFileTypes: true }).flatMap((entry) => {
    const path = `${dir}/${entry.name}`
    if (entry.isDirectory()) return listFiles(path)
    return /\.(ts|mjs)$/.test(entry.name) ? [path] : []
  })
}

function read(path: string): SourceFile {
  const text = readFileSync(join(root, path), 'utf8')
  const ast = ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true)
  const imports: string[] = []
  const visit = (node: ts.Node): void => {
    const specifier =
      ts.isImportDeclaration(node) || ts.isExportDeclaration(node)
        ? node.moduleSpecifier
        : ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword
          ? node.arguments[0]
          : ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)
            ? node.argument.literal
            : undefined
    if (specifier !== undefined && ts.isStringLiteralLike(specifier) && specifier.text.startsWith('.')) {
      imports.push(relative(root, resolve(root, dirname(path), specifier.text)))
    }
    ts.forEachChild(node, visit)
  }
  visit(ast)
  return { path, text, ast, imports }
}

const sources = ['lib', 'actors', 'bin'].flatMap(listFiles).map(read)
const tests = ['test', 'examples', 'bench'].flatMap(listFiles).map(read)
const byPath = new Map(sources.map((source) => [source.path, source]))

const folderOf = (path: string): string =>
  path
    .split('/')
    .slice(0, path.startsWith('lib/') ? 2 : 1)
    .join('/')
const isDoor = (path: string): boolean => DOORS.includes(path)

t.test('tidy - folders import only what the table allows', async (t) => {
  const complaints: string[] = []
  for (const { path, imports } of sources) {
    const allowed = IMPORTS[folderOf(path)]
    for (const target of imports) {
      if (isDoor(target) && !path.startsWith('bin/'))
        complaints.push(`${path} imports the front door ${target}`)
      if (allowed === undefined || isDoor(path) || folderOf(target) === folderOf(path)) continue
      const folder = folderOf(target)
      if (!allowed.some((name) => folder === `lib/${name}`))
        complaints.push(`${path} must not import ${target}`)
    }
  }
  const unlisted = [...new Set(sources.map(({ path }) => folderOf(path)))].filter(
    (folder) =>
      folder.startsWith('lib/') &&
      !folder.endsWith('.ts') &&
      folder !== 'lib/testing' &&
      IMPORTS[folder] === undefined,
  )
  t.same(unlisted, [], 'every folder of lib is in the table')
  t.same(complaints, [])
})

t.test('tidy - the table goes one way', async (t) => {
  const order = Object.keys(IMPORTS)
  for (const [folder, allowed] of Object.entries(IMPORTS)) {
    for (const name of allowed) {
      t.ok(
        order.indexOf(`lib/${name}`) < order.indexOf(folder),
        `${folder} may import ${name}, which comes before it`,
      )
    }
  }
})

t.test('tidy - no import cycles, types included', async (t) => {
  const done = new Set<string>()
  const cycles: string[] = []
  const walk = (path: string, trail: readonly string[]): void => {
    if (trail.includes(path)) {
      cycles.push([...trail.slice(trail.indexOf(path)), path].join(' -> '))
      return
    }
    if (done.has(path)) return
    for (const target of byPath.get(path)?.imports ?? []) walk(target, [...trail, path])
    done.add(path)
  }
  for (const { path } of sources) walk(path, [])
  t.same(cycles, [])
})

t.test('tidy - what is forbidden happens only where it belongs', async (t) => {
  const complaints: string[] = []
  for (const { path, text } of sources) {
    const code = withoutComments(text)
    for (const { pattern, except, instead } of BANNED) {
      const match = pattern.exec(code)
      if (match !== null && !except.test(path)) complaints.push(`${path}: ${match[0]}: ${instead}`)
    }
  }
  t.same(complaints, [])
})

t.test('tidy - files, functions and lines are short enough to read', async (t) => {
  const complaints: string[] = []
  for (const { path, text, ast } of [...sources, ...tests]) {
    const lines = text.split('\n')
    if (lines.length > FILE_LINES_MAX)
      complaints.push(`${path}: ${lines.length} lines, at most ${FILE_LINES_MAX}`)
    lines.forEach((line, i) => {
      if (
        line.length > LINE_LENGTH_MAX &&
        !/https?:|import |'[^']{60,}'|`[^`]{60,}`|"[^"]{60,}"/.test(line)
      ) {
        complaints.push(`${path}:${i + 1}: ${line.length} columns, at most ${LINE_LENGTH_MAX}`)
      }
    })
    if (byPath.has(path)) complaints.push(...longFunctions(path, ast))
  }
  t.same(complaints, [])
})

t.test('tidy - no dead files', async (t) => {
  const used = new Set([...sources, ...tests].flatMap(({ imports }) => imports))
  const production = new Set(sources.flatMap(({ imports }) => imports))
  t.same(
    sources.filter(({ path }) => !used.has(path) && !ENTRIES.test(path)).map(({ path }) => path),
    [],
  )
  const onlyTested = sources.filter(
    ({ path }) =>
      used.has(path) && !production.has(path) && !ENTRIES.test(path) && !path.startsWith('lib/testing/'),
  )
  t.same(
    onlyTested.map(({ path }) => path),
    [],
    'files that only tests use',
  )
})

t.test('tidy - no exports nobody uses', async (t) => {
  const words = new Map<string, Set<string>>()
  for (const { path, text } of [...sources, ...tests]) {
    for (const word of new Set(text.match(/[A-Za-z_$][\w$]*/g))) {
      words.set(word, (words.get(word) ?? new Set()).add(path))
    }
  }
  const complaints: string[] = []
  for (const { path, ast } of sources) {
    // Node calls what a module of loader hooks exports.
    if (isDoor(path) || path.startsWith('bin/') || path === 'lib/api/resolve-sluice.mjs') continue
    for (const name of exportedNames(ast)) {
      const users = [...(words.get(name) ?? [])].filter((user) => user !== path)
      if (users.length === 0) complaints.push(`${path}: export ${name} is used nowhere else`)
    }
  }
  t.same(complaints, [])
})

t.test('tidy - names', async (t) => {
  const complaints: string[] = []
  for (const { path, ast } of sources) {
    if (BANNED_FILE_NAMES.test(path) && !isDoor(path))
      complaints.push(`${path}: name the file for what it exports`)
    if (!/^[a-z0-9/.-]+$/.test(path)) complaints.push(`${path}: file names are kebab-case`)
    for (const statement of ast.statements) {
      if (!ts.isClassDeclaration(statement) && !ts.isInterfaceDeclaration(statement)) continue
      const name = statement.name?.text ?? ''
      if (BANNED_NAME_PARTS.test(name) && !['NewOperator'].includes(name)) {
        complaints.push(`${path}: ${name}: say what it is`)
      }
    }
  }
  t.same(complaints, [])
})

t.test('tidy - every source file says what it is for', async (t) => {
  const silent = sources.filter(({ text }) => !/^(#!.*\n)?(\/\*\*|\/\/ )/.test(text)).map(({ path }) => path)
  t.same(silent, [])
})

t.test('tidy - tests are run, and nothing is left for later', async (t) => {
  const complaints: string[] = []
  for (const { path, text } of tests) {
    if (path === 'test/tidy.test.ts') continue
    if (/\bt\.only\b|\bonly: true\b/.test(text)) complaints.push(`${path}: .only`)
    if (/skip: true\b|\bt\.skip\(/.test(text))
      complaints.push(`${path}: a skipped test must say why: skip: 'reason'`)
  }
  for (const { path, text } of [...sources, ...tests]) {
    if (path !== 'test/tidy.test.ts' && /\b(TODO|FIXME|XXX|HACK)\b/.test(text))
      complaints.push(`${path}: a note to self`)
  }
  t.same(complaints, [])
})

t.test('tidy - the changelog is kept', async (t) => {
  const text = readFileSync(join(root, 'CHANGELOG.md'), 'utf8')
  t.match(text, /^## Unreleased$/m, 'it has an Unreleased section')
  const entries = text.split(/\n(?=- )/).slice(1)
  const open = entries
    .map((entry) => entry.split(/\n(?!\s{2})/)[0]!.trim())
    .filter((entry) => !entry.endsWith('.'))
  t.same(open, [], 'every entry ends with a full stop')
})

function withoutComments(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/(^|\s)\/\/.*$/gm, '$1')
}

function longFunctions(path: string, ast: ts.SourceFile): string[] {
  const complaints: string[] = []
  const visit = (node: ts.Node): void => {
    if (ts.isFunctionLike(node) && 'body' in node && node.body !== undefined) {
      const from = ast.getLineAndCharacterOfPosition(node.getStart()).line
      const to = ast.getLineAndCharacterOfPosition(node.getEnd()).line
      const length = to - from + 1
      if (length > FUNCTION_LINES_MAX) {
        complaints.push(`${path}:${from + 1}: a function of ${length} lines, at most ${FUNCTION_LINES_MAX}`)
      }
    }
    ts.forEachChild(node, visit)
  }
  visit(ast)
  return complaints
}

function exportedNames(ast: ts.SourceFile): string[] {
  return ast.statements.flatMap((statement) => {
    const isExported =
      ts.canHaveModifiers(statement) &&
      (ts.getModifiers(statement) ?? []).some(({ kind }) => kind === ts.SyntaxKind.ExportKeyword)
    // Types are exported so that the signatures they occur in can be written down; only values can be dead.
    if (!isExported || ts.isInterfaceDeclaration(statement) || ts.isTypeAliasDeclaration(statement)) return []
    if (ts.isVariableStatement(statement)) {
      return statement.declarationList.declarations.map(({ name }) => name.getText(ast))
    }
    const named = statement as ts.Statement & { name?: ts.Identifier }
    return named.name === undefined ? [] : [named.name.text]
  })
}
