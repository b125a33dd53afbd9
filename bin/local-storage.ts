/**
 * Where a local run keeps its checkpoints. Without a cluster there is no object store, so where nothing else is
 * configured they go into a directory of their own, which goes with the run: they are for its restarts only.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'

export interface LocalStorage {
  readonly uri: string
  remove(): void
}

export function openLocalStorage(configuredUri: string): LocalStorage {
  if (!configuredUri.startsWith('jetstream:')) return { uri: configuredUri, remove() {} }
  const directory = mkdtempSync(join(tmpdir(), 'sluice-checkpoints-'))
  return {
    uri: pathToFileURL(directory).href,
    remove: () => rmSync(directory, { recursive: true, force: true }),
  }
}
