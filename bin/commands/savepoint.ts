/** Takes a savepoint of a running job, shows what is in one, or deletes it. */
import { SluiceError } from '../../lib/base/errors.ts'
import { formatBytes } from '../../lib/base/units.ts'
import { placeOf } from '../../lib/checkpoint/checkpoint-storage.ts'
import { deleteCheckpoint } from '../../lib/checkpoint/delete-checkpoint.ts'
import { describeSchema } from '../../lib/types/describe-schema.ts'
import { withCluster } from '../connect.ts'
import { formatCount, textTable } from '../text-table.ts'
import type { CommandContext, Configured, VerbSpec } from '../verb.ts'
import { readMetadata, withStore } from '../with-store.ts'

type Action = (context: CommandContext, configured: Configured, uri: string) => Promise<void>
/** What can be said in place of a job. */
const ACTIONS: Readonly<Record<string, Action>> = { inspect, delete: remove }

export const savepointVerb: VerbSpec = {
  description:
    'Writes the whole state of a running job, and prints where it is. Without a URI it goes into the storage of the ' +
    'job. A savepoint is complete in itself: it can be copied, moved, and begun from at another parallelism ' +
    '(`sluice run --from`). Sluice deletes it only when told to: by `sluice savepoint delete`, or when a job begins ' +
    'from it with `--claim-mode claim`.',
  examples: [
    ['sluice savepoint word-count', 'prints the URI'],
    ['sluice savepoint word-count file:///backup/word-count-1', 'in a directory'],
    [
      'sluice savepoint inspect file:///backup/word-count-1',
      'what is in it: operators, states, types, sizes; of a checkpoint, too',
    ],
    ['sluice savepoint delete file:///backup/word-count-1', 'deletes its files'],
  ],
  async run(context, { args }) {
    const [job, uri] = args as [string, string | undefined]
    const configured = await context.configure()
    const action = Object.hasOwn(ACTIONS, job) ? ACTIONS[job] : undefined
    if (action !== undefined) {
      if (uri === undefined) throw new SluiceError('USAGE', `say which: sluice savepoint ${job} <uri>`)
      await action(context, configured, uri)
      return undefined
    }
    const taken = await withCluster(context, configured, ({ client }) =>
      client.savepoint(job, { uri: uri ?? null }),
    )
    context.out.data(taken, taken.uri)
    return undefined
  },
}

async function inspect(context: CommandContext, configured: Configured, uri: string): Promise<void> {
  const metadata = await readMetadata(context, configured, uri)
  const { jobId, jobName, checkpointId, timestamp, isSavepoint, operators, enumerators } = metadata
  const rows = operators.flatMap(({ id, name, parallelism, maxParallelism, states }) => {
    const operator = [id, name, `${parallelism}`, `${maxParallelism}`]
    if (states.length === 0) return [[...operator, '-', '-', '-', '-', '-']]
    return states.map((state) => [
      ...operator,
      state.name,
      state.kind,
      state.schema === null ? '-' : describeSchema(state.schema),
      formatCount(state.entryCount),
      formatBytes(state.byteLength),
    ])
  })
  const data = {
    uri,
    type: isSavepoint ? 'savepoint' : 'checkpoint',
    ...{ jobId, jobName, checkpointId, takenMs: timestamp, operators },
    enumerators: enumerators.map(({ id, state }) => ({ id, byteLength: state.length })),
  }
  const taken = new Date(timestamp).toISOString()
  const head = `job ${jobName} (${jobId}), ${data.type} ${checkpointId}, taken ${taken}`
  context.out.data(data, `${head}\n\n${textTable(HEAD, rows)}`)
}

const HEAD = ['UID', 'OPERATOR', 'PARALLELISM', 'MAX PARALLELISM', 'STATE', 'KIND', 'TYPE', 'ENTRIES', 'SIZE']

async function remove(context: CommandContext, configured: Configured, uri: string): Promise<void> {
  if (!(await readMetadata(context, configured, uri)).isSavepoint) throw notASavepoint(uri)
  const { storageUri, folder } = placeOf(uri)
  await withStore(context, configured, storageUri, (store) => deleteCheckpoint(store, folder))
  context.out.data({ deleted: uri }, `deleted ${uri}`)
}

function notASavepoint(uri: string): SluiceError {
  return new SluiceError(
    'USAGE',
    `${uri} is a checkpoint, and others may share files with it: it belongs to its job. ` +
      'To have a job delete it: sluice run --from <uri> --claim-mode claim',
  )
}
