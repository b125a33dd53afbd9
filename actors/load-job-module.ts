/**
 * How slots get at a job's code: a module they import themselves, a definition registered in their own process, or a
 * bundle from the blob store, which is kept on disk under the hash of its content and imported from there.
 */

import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { JobDefinition } from '../lib/api/job.ts'
import { importJob, jobUrl, registeredJob } from '../lib/api/load-job.ts'
import { SluiceError } from '../lib/base/errors.ts'
import { newId } from '../lib/base/ids.ts'
import { bundlePath, type JobModule, RUNTIME_SPECIFIER } from '../lib/protocol/job-submission.ts'

export interface JobModuleSource {
  readonly cacheDir: string
  /** Null where bundles never occur: local mode. */
  readonly blobs: { get(path: string): Promise<Uint8Array> } | null
}

export async function loadJob(module: JobModule, source: JobModuleSource): Promise<JobDefinition> {
  switch (module.kind) {
    case 'registered':
      return registeredJob(module.key)
    case 'file':
      return importJob(module.url)
    case 'bundle':
      return importJob(jobUrl(await cachedBundle(module.sha256, source)))
  }
}

async function cachedBundle(sha256: string, { cacheDir, blobs }: JobModuleSource): Promise<string> {
  const dir = join(cacheDir, 'jobs', installationId())
  const path = join(dir, `${sha256}.mjs`)
  if (existsSync(path)) return path
  if (blobs === null)
    throw new SluiceError('UNSUPPORTED', 'local mode imports job modules directly, it has no use for bundles')
  const bytes = await blobs.get(bundlePath(sha256))
  const found = createHash('sha256').update(bytes).digest('hex')
  if (found !== sha256) {
    throw new SluiceError(
      'JOB_MODULE_FAILED',
      `the stored bundle ${sha256} is damaged: its content hashes to ${found}`,
    )
  }
  await mkdir(dir, { recursive: true })
  const partial = `${path}.${newId()}`
  await writeFile(partial, linked(Buffer.from(bytes).toString('utf8')))
  await rename(partial, path)
  return path
}

/** Bundles are linked to one installation; others that share the cache directory keep their own. */
function installationId(): string {
  return createHash('sha256')
    .update(import.meta.url)
    .digest('hex')
    .slice(0, 12)
}

function linked(code: string): string {
  const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js'
  const { href } = new URL(`../lib/index.${extension}`, import.meta.url)
  return code.replaceAll(JSON.stringify(RUNTIME_SPECIFIER), JSON.stringify(href))
}
