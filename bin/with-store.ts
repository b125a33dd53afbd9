/** How verbs get at what is stored, by its URI. */
import { connectNatsBus } from '../lib/bus/nats-bus.ts'
import type { CheckpointMetadata } from '../lib/checkpoint/checkpoint-files.ts'
import { CheckpointReader } from '../lib/checkpoint/checkpoint-reader.ts'
import { placeOf } from '../lib/checkpoint/checkpoint-storage.ts'
import { natsSettings } from '../lib/config/config-settings.ts'
import type { BlobStore } from '../lib/storage/blob-store.ts'
import { openBlobStore } from '../lib/storage/open-blob-store.ts'
import type { CommandContext, Configured } from './verb.ts'

/** Of a checkpoint or savepoint. Throws as CheckpointReader.open does. */
export function readMetadata(
  context: CommandContext,
  configured: Configured,
  uri: string,
): Promise<CheckpointMetadata> {
  const { storageUri, folder } = placeOf(uri)
  return withStore(
    context,
    configured,
    storageUri,
    async (store) => (await CheckpointReader.open(store, folder)).metadata,
  )
}

/** Opens, does `use` and closes, whatever comes of it. */
export async function withStore<R>(
  { clock }: CommandContext,
  { config, log }: Configured,
  uri: string,
  use: (store: BlobStore) => Promise<R>,
): Promise<R> {
  const bus = uri.startsWith('jetstream:')
    ? await connectNatsBus(natsSettings(config, 'sluice command line'), { clock, logger: log })
    : null
  try {
    const options = { clock, logger: log, env: process.env, ...(bus === null ? {} : { bus }) }
    const store = await openBlobStore(uri, options)
    return await use(store).finally(() => store.close())
  } finally {
    await bus?.close()
  }
}
