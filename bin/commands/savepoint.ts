/** Takes a savepoint of a running job, or shows what is in one. */
import { SluiceError } from '../../lib/base/errors.ts'
import { connectNatsBus } from '../../lib/bus/nats-bus.ts'
import { CheckpointReader } from '../../lib/checkpoint/checkpoint-reader.ts'
import { natsSettings } from '../../lib/config/config-settings.ts'
import { openBlobStore } from '../../lib/storage/open-blob-store.ts'
import { withCluster } from '../connect.ts'
import { textTable } from '../text-table.ts'
import type { CommandContext, Configured, VerbSpec } from '../verb.ts'

export const savepointVerb: VerbSpec = {
  description:
    'Writes the whole state of a running job, and prints where it is. Without a URI it goes into the storage of the ' +
    'job. A savepoint is complete in itself: it can be copied, moved, and begun from at another parallelism ' +
    '(`sluice run --from`). It is never deleted by Sluice.',
  examples: [
    ['sluice savepoint word-count', 'prints the URI'],
    ['sluice savepoint word-count file:///backup/word-count-1', 'in a directory'],
    ['sluice savepoint inspect file:///backup/word-count-1', 'shows what is in it'],
  ],
  async run(context, { args }) {
    const [job, uri] = args as [string, string | undefined]
    const configured = await context.configure()
    if (job === 'inspect') return await inspect(context, configured, uri)
    const taken = await withCluster(context, configured, ({ client }) =>
      client.savepoint(job, { uri: uri ?? null }),
    )
    context.out.data(taken, taken.uri)
    return undefined
  },
}

async function inspect(
  context: CommandContext,
  configured: Configured,
  uri: string | undefined,
): Promise<undefined> {
  if (uri === undefined) throw new SluiceError('USAGE', 'say which: sluice savepoint inspect <uri>')
  const { clock, out } = context
  const { config, log } = configured
  const bus = uri.startsWith('jetstream:')
    ? await connectNatsBus(natsSettings(config, 'sluice command line'), { clock, logger: log })
    : null
  try {
    const store = await openBlobStore(uri, {
      clock,
      logger: log,
      env: process.env,
      ...(bus === null ? {} : { bus }),
    })
    const { metadata } = await CheckpointReader.open(store, '').finally(() => store.close())
    const { jobId, jobName, checkpointId, timestamp, operators, enumerators } = metadata
    const rows = operators.map(({ id, name, parallelism, maxParallelism, subtasks }) => [
      id,
      name,
      `${parallelism}`,
      `${maxParallelism}`,
      `${subtasks.filter((subtask) => subtask !== null).length}`,
    ])
    const data = {
      uri: store.uri,
      ...{ jobId, jobName, checkpointId, takenMs: timestamp, operators },
      enumerators: enumerators.map(({ id, state }) => ({ id, byteLength: state.length })),
    }
    const head = `job ${jobName} (${jobId}), checkpoint ${checkpointId}, taken ${new Date(timestamp).toISOString()}`
    const table = textTable(['UID', 'OPERATOR', 'PARALLELISM', 'MAX PARALLELISM', 'SUBTASKS'], rows)
    out.data(data, `${head}\n\n${table}`)
  } finally {
    await bus?.close()
  }
  return undefined
}
