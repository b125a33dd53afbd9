/**
 * Deletes one checkpoint or savepoint by what its metadata says is part of it, and nothing that lies beside it or that
 * another checkpoint of the job needs as well.
 */
import type { BlobStore } from '../storage/blob-store.ts'
import {
  blobFolder,
  blobNames,
  checkpointIdOf,
  decodeMetadata,
  jobFolderOf,
  METADATA,
} from './checkpoint-files.ts'

/** Throws as CheckpointReader.open does. What is left if it fails half-way does not look complete any more. */
export async function deleteCheckpoint(store: BlobStore, folder: string): Promise<void> {
  const path = `${folder}${METADATA}`
  const metadata = decodeMetadata(await store.get(path), `${store.uri} ${path}`)
  const needed = new Set(metadata.isSavepoint ? [] : await namesBeside(store, folder))
  await store.delete(path)
  const own = blobNames(metadata).filter((name) => !needed.has(name))
  for (const name of own) await store.delete(`${blobFolder(metadata, folder)}${name}`)
}

/** What the other checkpoints of the same job are made of. */
async function namesBeside(store: BlobStore, folder: string): Promise<string[]> {
  const jobFolder = jobFolderOf(folder)
  const names: string[] = []
  for (const { path } of await store.list(jobFolder)) {
    const isOther =
      checkpointIdOf(path.slice(jobFolder.length)) !== undefined && path !== `${folder}${METADATA}`
    if (isOther) names.push(...blobNames(decodeMetadata(await store.get(path), path)))
  }
  return names
}
