/**
 * Finds and reads a configuration file: JSON, or a module whose default export is the configuration. TypeScript needs
 * a loader, which the command line has registered.
 */
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { extname, join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { asError, SluiceError } from '../base/errors.ts'
import { OPTION_KEYS } from './options.ts'

/** What a file says, by full keys such as `nats.url`; not yet checked against the options. */
export interface ConfigFileValues {
  readonly path: string
  readonly values: ReadonlyMap<string, unknown>
}

const NAMES = ['ts', 'mts', 'js', 'mjs', 'json'].map((extension) => `sluice.config.${extension}`)
/** Deeper than any key. */
const DEPTH_MAX = 8

/** `path`, if given, else the one in `directory`, if there is one. Throws CONFIG_INVALID. */
export async function readConfigFile(
  directory: string,
  path: string | undefined,
): Promise<ConfigFileValues | null> {
  const found = path === undefined ? findIn(directory) : resolve(directory, path)
  if (found === null) return null
  if (!existsSync(found)) throw invalid(`there is no configuration file ${path}`)
  const content = extname(found) === '.json' ? await readJson(found) : await importModule(found)
  const values = new Map<string, unknown>()
  flatten(found, content, [], values)
  return { path: found, values }
}

function findIn(directory: string): string | null {
  const found = NAMES.filter((name) => existsSync(join(directory, name)))
  if (found.length > 1) throw invalid(`found ${found.join(' and ')} in ${directory}: keep one`)
  return found[0] === undefined ? null : join(directory, found[0])
}

async function readJson(path: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(path, 'utf8'))
  } catch (error) {
    throw invalid(`${path} cannot be read as JSON: ${asError(error).message}`, error)
  }
}

async function importModule(path: string): Promise<unknown> {
  let module: { readonly default?: unknown }
  try {
    module = await import(pathToFileURL(path).href)
  } catch (error) {
    throw invalid(`${path} cannot be loaded: ${asError(error).message}`, error)
  }
  if (module.default !== undefined) return module.default
  throw invalid(`${path} has no default export: expected \`export default defineConfig({ ... })\``)
}

function flatten(path: string, value: unknown, keys: readonly string[], values: Map<string, unknown>): void {
  if (isTree(value) && keys.length < DEPTH_MAX) {
    for (const [key, inner] of Object.entries(value)) flatten(path, inner, [...keys, key], values)
    return
  }
  const key = keys.join('.')
  if (keys.length === 0) throw invalid(`${path}: expected an object with options, found ${typeName(value)}`)
  const group = OPTION_KEYS.filter((known) => known.startsWith(`${key}.`))
  if (group.length > 0 && value !== undefined) {
    throw invalid(
      `${path}: "${key}" is a group with ${group.join(', ')}; found ${typeName(value)} instead of an object`,
    )
  }
  if (value !== undefined) values.set(key, value)
}

function isTree(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function typeName(value: unknown): string {
  return value === null ? 'null' : Array.isArray(value) ? 'a list' : typeof value
}

function invalid(message: string, cause?: unknown): SluiceError {
  return new SluiceError('CONFIG_INVALID', message, cause === undefined ? {} : { cause })
}
