/** From a job's source file to a job on a cluster: load it, build its graph, bundle it, store the bundle, submit. */
import { resolve } from 'node:path'
import { buildJob, graphSettings } from '../api/job.ts'
import { importJob, jobUrl } from '../api/load-job.ts'
import { newId } from '../base/ids.ts'
import type { JobGraph } from '../graph/job-graph.ts'
import { bundlePath, type JobRunSettings } from '../protocol/job-submission.ts'
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

/** Nothing is submitted unless the module loads and its graph is valid here. */
export async function submitJob(path: string, options: SubmitJobOptions): Promise<SubmittedJob> {
  const file = resolve(path)
  const definition = await importJob(jobUrl(file), path)
  const settings = graphSettings(definition, options, options.args)
  const { graph } = buildJob(definition, settings)
  const { code, sha256 } = await bundleJob(file)
  await options.blobs.putIfAbsent(bundlePath(sha256), code)
  const { task, restart, checkpoint, restore, slotRequestTimeoutMs } = options
  const jobId = await options.client.submit({
    jobId: newId(),
    module: { kind: 'bundle', sha256 },
    graph,
    settings: { graph: settings, task, restart, checkpoint, restore, slotRequestTimeoutMs },
  })
  return { jobId, graph }
}
