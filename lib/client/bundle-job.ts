/**
 * A job as one file: the user's module and everything it imports, save Sluice itself, which every node has, and native
 * addons, which nobody can ship. Named by the hash of its content, so that equal jobs are stored and loaded once.
 */
import { createHash } from 'node:crypto'
import { basename, dirname, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { type BuildFailure, build, type Plugin } from 'esbuild'
import { SluiceError } from '../base/errors.ts'
import { RUNTIME_SPECIFIER } from '../protocol/job-submission.ts'

export interface JobBundle {
  readonly code: Uint8Array
  readonly sha256: string
}

/** Throws JOB_MODULE_FAILED with every problem and its place. */
export async function bundleJob(path: string): Promise<JobBundle> {
  const directory = dirname(resolve(path))
  const result = await build({
    entryPoints: [resolve(path)],
    bundle: true,
    write: false,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    // Stacks name the user's files, wherever the bundle is run from and by whom.
    sourcemap: 'inline',
    absWorkingDir: directory,
    sourceRoot: `${pathToFileURL(directory).href}/`,
    sourcesContent: false,
    logLevel: 'silent',
    plugins: [runtimePlugin, ownUrlPlugin],
    // CommonJS dependencies ask for `require`, which a bundled module would not have.
    banner: {
      js: "import { createRequire as sluiceCreateRequire } from 'node:module'; const require = sluiceCreateRequire(import.meta.url);",
    },
  }).catch((failure: BuildFailure) => {
    const problems = failure.errors.map(({ text, location }) =>
      location === null ? text : `${location.file}:${location.line}:${location.column}: ${text}`,
    )
    throw new SluiceError(
      'JOB_MODULE_FAILED',
      `${basename(path)} cannot be bundled: ${problems.join('; ')}`,
      {
        cause: failure,
      },
    )
  })
  const code = result.outputFiles[0]!.contents
  return { code, sha256: createHash('sha256').update(code).digest('hex') }
}

/** `sluice` stays outside, under a name that each node replaces by its own installation. */
const runtimePlugin: Plugin = {
  name: 'sluice-runtime',
  setup({ onResolve }) {
    onResolve({ filter: /^sluice$/ }, () => ({ path: RUNTIME_SPECIFIER, external: true }))
    onResolve({ filter: /\.node$/ }, ({ path }) => ({ path, external: true }))
  },
}

/** Modules that look for files beside them find them where they were bundled, on hosts that have the same files. */
const ownUrlPlugin: Plugin = {
  name: 'own-url',
  setup({ onLoad }) {
    onLoad({ filter: /\.(ts|mts|js|mjs)$/, namespace: 'file' }, async ({ path }) => {
      const { readFile } = await import('node:fs/promises')
      const source = await readFile(path, 'utf8')
      if (!source.includes('import.meta.url')) return undefined
      const loader = path.endsWith('ts') ? 'ts' : 'js'
      return {
        contents: source.replaceAll('import.meta.url', JSON.stringify(pathToFileURL(path).href)),
        loader,
      }
    })
  },
}
