/** From a job's source file to a job on a cluster: load it, build its graph, bundle it, store the bundle, submit. */
import { resolve } from 'node:path'
import { type BuiltJob, buildJob, graphSettings } from '../api/job.ts'
import { importJob, jobUrl } from '../api/load-job.ts'
import { newId } from '../base/ids.ts'
import type { JobGraph } from '../graph/job-graph.ts'
import {
  bundlePath,
  type JobModule,
  type JobRunSettings,
  type SubmittedGraphSettings,
} from '../protocol/job-submission.ts'
import { bundleJob } from './bundle-job.ts'
import type { ClusterClient } from './cluster-client.ts'

export interface SubmitJobOptions extends Omit<JobRunSettings, 'graph'> {
  readonly client: ClusterClient
  /** Where bundles are kept; the nodes read the same store. */
  readonly blobs: { putIfAbsent(path: string, content: Uint8Array): Promise<boolean> }
  readonly parallelism?: number | undefined
  readonly maxParallelism?: number | undefined
  readonly args?: readonly string[]
}

export interface SubmittedJob {
  readonly jobId: string
  readonly graph: JobGraph
}

/** A job that could be submitted: all of it but how it is to run. */
export interface PackedJob extends BuiltJob {
  readonly module: JobModule
  readonly settings: SubmittedGraphSettings
}

export type PackJobOptions = Pick<SubmitJobOptions, 'blobs' | 'parallelism' | 'maxParallelism' | 'args'>

/** Nothing is submitted unless the module loads and its graph is valid here. */
export async function submitJob(path: string, options: SubmitJobOptions): Promise<SubmittedJob> {
  const { module, graph, settings } = await packJob(path, options)
  const { task, restart, checkpoint, restore, slotRequestTimeoutMs, standbySlots = 0 } = options
  const jobId = await options.client.submit({
    jobId: newId(),
    module,
    graph,
    settings: { graph: settings, task, restart, checkpoint, restore, slotRequestTimeoutMs, standbySlots },
  })
  return { jobId, graph }
}

/** Throws JOB_MODULE_FAILED, JOB_MODULE_INVALID, GRAPH_INVALID, or as the store does. */
export async function packJob(path: string, options: PackJobOptions): Promise<PackedJob> {
  const file = resolve(path)
  const definition = await importJob(jobUrl(file), path)
  const settings = graphSettings(definition, options, options.args)
  const built = buildJob(definition, settings)
  const { code, sha256 } = await bundleJob(file)
  await options.blobs.putIfAbsent(bundlePath(sha256), code)
  return { ...built, module: { kind: 'bundle', sha256 }, settings }
}
