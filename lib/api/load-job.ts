/** Gets at a job definition: by importing the user's module, or from this process's own register. */
import { fileURLToPath, pathToFileURL } from 'node:url'
import { asError, SluiceError } from '../base/errors.ts'
import { didYouMean } from '../base/nearest-name.ts'
import { isJobDefinition, type JobDefinition } from './job.ts'

const registered = new Map<string, JobDefinition>()
let registeredCount = 0

/** Makes a definition loadable by a key within this process, until `forgetJob`. */
export function registerJob(definition: JobDefinition): string {
  const key = `job-${registeredCount++}`
  registered.set(key, definition)
  return key
}

export function forgetJob(key: string): void {
  registered.delete(key)
}

export function registeredJob(key: string): JobDefinition {
  const definition = registered.get(key)
  if (definition !== undefined) return definition
  throw new SluiceError('JOB_MODULE_FAILED', `job ${key} is not registered in this process`)
}

/** Imports a job module; `path` is for people. Throws JOB_MODULE_FAILED (it threw) or JOB_MODULE_INVALID. */
export async function importJob(url: string, path: string = pathOf(url)): Promise<JobDefinition> {
  let module: Record<string, unknown>
  try {
    module = (await import(url)) as Record<string, unknown>
  } catch (thrown) {
    const error = asError(thrown)
    throw new SluiceError('JOB_MODULE_FAILED', describeFailure(error, url, path), { cause: error })
  }
  if (isJobDefinition(module.default)) return module.default
  throw new SluiceError('JOB_MODULE_INVALID', `${path}: ${whatIsExported(module)}`)
}

export function jobUrl(path: string): string {
  return pathToFileURL(path).href
}

/** The compiler names the place itself, everything else is found in the stack. */
function describeFailure(error: Error, url: string, path: string): string {
  const compiler = /^Transform failed with \d+ errors?:\n(.*)$/s.exec(error.message)?.[1]
  if (compiler !== undefined) return compiler
  const place = placeOf(error, url)
  return `${path}${place === null ? '' : `:${place}`}: ${error.message}`
}

function pathOf(url: string): string {
  return url.startsWith('file:') ? fileURLToPath(url) : url
}

/** `line:column` of the innermost frame that lies in the module. */
function placeOf(error: Error, url: string): string | null {
  const path = url.replace(/^file:\/\//, '').replace(/\?.*$/, '')
  for (const line of (error.stack ?? '').split('\n')) {
    const at = line.indexOf(path)
    const match = at < 0 ? null : /^(?:\?[^:]*)?:(\d+:\d+)/.exec(line.slice(at + path.length))
    if (match !== null) return match[1]!
  }
  return null
}

function whatIsExported(module: Record<string, unknown>): string {
  const expected = "expected `export default job('name', (env) => ...)`"
  const jobs = Object.keys(module).filter((name) => isJobDefinition(module[name]))
  if (jobs.length > 0) return `${expected}, found the job as \`${jobs[0]}\`: make it the default export`
  if (module.default === undefined) {
    const names = Object.keys(module)
    const hint = didYouMean('default', names)
    return `${expected}, found no default export${names.length === 0 ? '' : ` (exports: ${names.join(', ')})`}.${hint}`
  }
  return `${expected}, found a default export of type ${typeof module.default}`
}
