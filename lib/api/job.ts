/**
 * A job is a module whose default export says its name and how to build its graph:
 *
 *     export default job('word-count', (env) => { env.source(...).flatMap(...)... })
 */
import { asError, SluiceError } from '../base/errors.ts'
import { buildJobGraph, type JobGraph, type JobGraphOrigin } from '../graph/job-graph.ts'
import { type GraphSettings, StreamEnvironment } from './stream-environment.ts'

const JOB_BRAND: unique symbol = Symbol.for('sluice.job')

/** What a job says about how it is to be run; the command line and the configuration may say otherwise. */
export interface JobSettings {
  readonly parallelism?: number
  readonly maxParallelism?: number
  /** False: no operators are chained, each is a vertex of its own. */
  readonly chaining?: boolean
}

export interface JobDefinition {
  readonly [JOB_BRAND]: true
  readonly name: string
  readonly settings: JobSettings
  build(env: StreamEnvironment): void
}

export type JobFunction = (env: StreamEnvironment) => void

/** Defines a job. `build` is called wherever the job runs and must do the same every time. */
export function job(name: string, build: JobFunction, settings: JobSettings = {}): JobDefinition {
  if (typeof name !== 'string' || name.trim() === '' || name.length > 100) {
    throw new SluiceError(
      'GRAPH_INVALID',
      `a job needs a name of 1 to 100 characters, found ${JSON.stringify(name)}`,
    )
  }
  return { [JOB_BRAND]: true, name, settings, build }
}

export function isJobDefinition(value: unknown): value is JobDefinition {
  return typeof value === 'object' && value !== null && (value as Record<symbol, unknown>)[JOB_BRAND] === true
}

export interface BuiltJob {
  readonly graph: JobGraph
  readonly origin: JobGraphOrigin
}

/** Runs the job function and turns what it described into a job graph. */
export function buildJob(definition: JobDefinition, settings: GraphSettings): BuiltJob {
  const env = new StreamEnvironment(definition.name, settings)
  const result = callBuild(definition, env)
  if (result instanceof Promise) {
    // What it may reject with is of no interest any more, and must not end the process.
    result.catch(() => {})
    throw new SluiceError(
      'GRAPH_INVALID',
      `the function of job "${definition.name}" must be synchronous, it returned a promise`,
    )
  }
  return buildJobGraph(env.graph)
}

/** What the user's code throws is the user's; what the API throws says already what is wrong with the graph. */
function callBuild(definition: JobDefinition, env: StreamEnvironment): unknown {
  try {
    return definition.build(env)
  } catch (thrown) {
    if (thrown instanceof SluiceError) throw thrown
    const error = asError(thrown)
    const what = error.name === 'Error' ? error.message : `${error.name}: ${error.message}`
    throw new SluiceError('JOB_MODULE_FAILED', `the function of job "${definition.name}" threw: ${what}`, {
      cause: error,
    })
  }
}

/** The settings a graph is built with, from what the job says and what overrides it. */
export function graphSettings(
  definition: JobDefinition,
  overrides: { readonly parallelism?: number | undefined; readonly maxParallelism?: number | undefined },
  args: readonly string[] = [],
): GraphSettings {
  return {
    parallelism: overrides.parallelism ?? definition.settings.parallelism ?? 1,
    maxParallelism: overrides.maxParallelism ?? definition.settings.maxParallelism ?? null,
    isChainingEnabled: definition.settings.chaining ?? true,
    args,
  }
}
