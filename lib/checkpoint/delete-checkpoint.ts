/** Deletes one checkpoint or savepoint by what its metadata says is part of it, and nothing that lies beside it. */
import type { BlobStore } from '../storage/blob-store.ts'
import { blobNames, decodeMetadata, METADATA } from './checkpoint-files.ts'

/** Throws as CheckpointReader.open does. What is left if it fails half-way does not look complete any more. */
export async function deleteCheckpoint(store: BlobStore, folder: string): Promise<void> {
  const path = `${folder}${METADATA}`
  const metadata = decodeMetadata(await store.get(path), `${store.uri} ${path}`)
  await store.delete(path)
  for (const name of blobNames(metadata)) await store.delete(`${folder}${name}`)
}
