/** What the checkpoints in a store are made of: their metadata, what it refers to, and what nobody refers to. */
import { decodeMetadata } from '../../lib/checkpoint/checkpoint-files.ts'
import type { BlobStore } from '../../lib/storage/blob-store.ts'

export interface StoredCheckpoints {
  /** Blobs that each refers to, by the path of its metadata. */
  readonly checkpoints: ReadonlyMap<string, readonly string[]>
  /** Blobs that are referred to and are not there. */
  readonly missing: readonly string[]
  /** Blobs that nobody refers to. */
  readonly strays: readonly string[]
}

/** Savepoints are left out. */
export async function storedCheckpoints(store: BlobStore): Promise<StoredCheckpoints> {
  const paths = (await store.list('')).map(({ path }) => path)
  const checkpoints = new Map<string, readonly string[]>()
  for (const path of paths.filter((each) => /\/chk-\d+\/meta$/.test(each))) {
    const { snapshots } = decodeMetadata(await store.get(path), path)
    const shared = path.replace(/chk-\d+\/meta$/, 'shared/')
    const names = Object.values(snapshots).flat()
    checkpoints.set(
      path,
      names.map(({ name }) => `${shared}${name}`),
    )
  }
  const needed = new Set([...checkpoints.values()].flat())
  const blobs = paths.filter((path) => path.includes('/shared/'))
  return {
    checkpoints,
    missing: [...needed].filter((path) => !paths.includes(path)),
    strays: blobs.filter((path) => !needed.has(path)),
  }
}
