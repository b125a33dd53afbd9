/** Whether a job can begin from a savepoint: looked at before anything is deployed, so that all faults are told. */
import { SluiceError } from '../lib/base/errors.ts'
import { CheckpointReader } from '../lib/checkpoint/checkpoint-reader.ts'
import { placeOf } from '../lib/checkpoint/checkpoint-storage.ts'
import { restoreProblems } from '../lib/checkpoint/restore-problems.ts'
import type { JobGraph } from '../lib/graph/job-graph.ts'
import type { RestoreSettings } from '../lib/protocol/job-submission.ts'
import type { BlobStore } from '../lib/storage/blob-store.ts'

/** Rejects with STATE_INCOMPATIBLE, naming every operator that does not fit, or as CheckpointReader does. */
export async function checkRestore(
  { uri, isPartialAllowed }: RestoreSettings,
  graph: JobGraph,
  openStorage: (uri: string) => Promise<BlobStore>,
): Promise<void> {
  const { storageUri, folder } = placeOf(uri)
  const store = await openStorage(storageUri)
  const { metadata } = await CheckpointReader.open(store, folder).finally(() => store.close())
  const problems = restoreProblems(metadata, graph, isPartialAllowed)
  if (problems.length === 0) return
  const hint = isPartialAllowed ? '' : '; to leave state behind, allow it (--allow-non-restored-state)'
  throw new SluiceError(
    'STATE_INCOMPATIBLE',
    `${metadata.isSavepoint ? 'the savepoint' : 'the checkpoint'} ${uri} does not fit the job: ${problems.join('; ')}${hint}`,
  )
}
