/** Every option of Sluice, in one list. Names, defaults and descriptions occur nowhere else. */
import { isAbsolute, join } from 'node:path'
import { TOKEN_PATTERN, toToken } from '../base/ids.ts'
import { LOG_LEVELS } from '../base/logger.ts'
import { bytes, type DefaultPlace, duration, flag, number, type Option, oneOf, text } from './option.ts'

const name = { pattern: TOKEN_PATTERN, expected: "1 to 64 letters, digits, '_' or '-'" }

export const OPTIONS = {
  cluster: text({
    ...name,
    fallback: 'default',
    doc: 'name of the cluster; several can share a NATS server',
  }),

  'nats.url': text({
    fallback: 'nats://127.0.0.1:4222',
    environment: ['NATS_URL'],
    show: withoutCredentials,
    doc: 'NATS servers, separated by commas',
  }),
  'nats.user': text({ fallback: undefined, doc: 'user name for NATS' }),
  'nats.password': text({ fallback: undefined, isSecret: true, doc: 'password for NATS' }),
  'nats.token': text({ fallback: undefined, isSecret: true, doc: 'token for NATS' }),
  'nats.nkeySeedFile': text({ fallback: undefined, doc: 'file with the seed of a user nkey' }),
  'nats.nkeySeed': text({ fallback: undefined, isSecret: true, doc: 'seed of a user nkey (SU...)' }),
  'nats.creds': text({
    fallback: undefined,
    environment: ['NATS_CREDS'],
    doc: 'creds file: a JWT and its seed',
  }),
  'nats.tls.ca': text({
    fallback: undefined,
    doc: 'PEM file of the authority that signed the server certificate',
  }),
  'nats.tls.cert': text({ fallback: undefined, doc: 'PEM file of the client certificate' }),
  'nats.tls.key': text({ fallback: undefined, doc: 'PEM file of the key of the client certificate' }),
  'nats.tls.insecure': flag({
    fallback: false,
    doc: 'accept any server certificate; for tests on one host only',
  }),
  'nats.connectTimeout': duration({ fallback: '5s', min: '1ms', doc: 'time for the first connection' }),
  'nats.inboxPrefix': text({
    fallback: undefined,
    doc: 'first token of reply subjects, where permissions need it',
  }),

  'coordinator.id': text({
    ...name,
    fallback: defaultProcessId,
    doc: 'name of a coordinator; unique in the cluster',
  }),
  'coordinator.lease': duration({
    fallback: '3s',
    min: '300ms',
    doc: 'silence after which another coordinator takes over, within about one and a half times that',
  }),
  'coordinator.replicas': number({
    fallback: 1,
    min: 1,
    max: 5,
    doc: 'copies of what coordinators keep in JetStream; more need as many NATS servers',
  }),

  'node.id': text({ ...name, fallback: defaultProcessId, doc: 'name of a node; unique in the cluster' }),
  'node.slots': number({ fallback: 1, min: 1, max: 1024, doc: 'slots of a node, each a thread' }),

  'heartbeat.interval': duration({ fallback: '1s', min: '10ms', doc: 'how often nodes and slots report' }),
  'heartbeat.timeout': duration({
    fallback: '10s',
    min: '100ms',
    doc: 'silence after which a node is lost; a slot of one that is there, after five times as long',
  }),
  'slot.requestTimeout': duration({ fallback: '30s', min: '1ms', doc: 'how long a job waits for slots' }),
  'slot.standby': number({
    fallback: 0,
    min: 0,
    max: 1024,
    doc: 'free slots with the code of a job loaded, to take the place of lost ones; others may take them',
  }),
  'slot.hangTimeout': duration({
    fallback: '60s',
    min: '1s',
    doc: 'a slot thread stuck for this long is replaced',
  }),

  'job.parallelism': number({
    fallback: undefined,
    min: 1,
    max: 32_768,
    doc: 'subtasks per operator, over the job\u2019s own',
  }),
  'job.maxParallelism': number({
    fallback: undefined,
    min: 1,
    max: 32_768,
    doc: 'upper bound of the parallelism for ever',
  }),

  'network.linger': duration({ fallback: '5ms', doc: 'how long output may wait for company' }),
  'network.frameSize': bytes({ fallback: '32kb', min: '256b', doc: 'about how much output makes a frame' }),
  'network.recordSizeMax': bytes({ fallback: '64mb', min: '1kb', doc: 'a larger record fails the job' }),
  'network.channelTimeout': duration({
    fallback: '60s',
    min: '1s',
    doc: 'silence after which a channel is broken',
  }),
  'network.exchange': oneOf(['auto', 'nats'], {
    fallback: 'auto',
    doc: 'nats: every channel over NATS, however near',
  }),

  'watermarks.interval': duration({
    fallback: '200ms',
    min: '1ms',
    doc: 'how often periodic watermarks are made',
  }),

  'checkpoint.interval': duration({
    fallback: '0ms',
    doc: 'between the starts of two checkpoints; 0: none are taken',
  }),
  'checkpoint.mode': oneOf(['exactly-once', 'at-least-once'], {
    fallback: 'exactly-once',
    doc: 'at-least-once: channels do not wait for each other',
  }),
  'checkpoint.unaligned': flag({
    fallback: false,
    doc: 'barriers overtake data, which becomes part of the checkpoint: quick under back pressure',
  }),
  'checkpoint.alignmentTimeout': duration({
    fallback: '0ms',
    doc: 'unaligned: how long a barrier waits in line before it overtakes',
  }),
  'checkpoint.timeout': duration({ fallback: '10m', min: '10ms', doc: 'a slower checkpoint is given up' }),
  'checkpoint.minPause': duration({
    fallback: '0ms',
    doc: 'between the end of one and the start of the next',
  }),
  'checkpoint.maxConcurrent': number({ fallback: 1, min: 1, max: 100, doc: 'checkpoints under way at once' }),
  'checkpoint.tolerableFailures': number({
    fallback: 3,
    min: 0,
    doc: 'failures in a row that are accepted; one more fails the job',
  }),
  'checkpoint.retained': number({
    fallback: 2,
    min: 1,
    max: 1000,
    doc: 'completed checkpoints that are kept while the job lives',
  }),
  'checkpoint.retainOnCancel': flag({
    fallback: false,
    doc: 'keep them when the job is cancelled, to begin from; those of a job that fails always are',
  }),
  'checkpoint.retainOnFinish': flag({
    fallback: false,
    doc: 'keep them when the job has finished, or was stopped with a savepoint',
  }),
  'checkpoint.history': number({
    fallback: 20,
    min: 1,
    max: 1000,
    doc: 'of how many `sluice checkpoints` tells',
  }),
  'checkpoint.incremental': flag({
    fallback: true,
    doc: 'store what has changed since the last checkpoint; false: everything, every time',
  }),
  'checkpoint.deltasMax': number({
    fallback: 50,
    min: 1,
    max: 10_000,
    doc: 'incremental checkpoints one upon the other before they are folded',
  }),
  'checkpoint.localRecovery': flag({
    fallback: false,
    doc: 'keep a copy on the disk of each node, to restart from without the storage: state.directory',
  }),
  'checkpoint.localRecoveryMax': bytes({
    fallback: '1gb',
    min: '1kb',
    doc: 'size of these copies per slot; what does not fit is read from the storage',
  }),

  'state.backend': oneOf(['heap', 'leveldb'], {
    fallback: 'heap',
    doc: 'leveldb: keyed state may be larger than memory, on local disk behind a cache',
  }),
  'state.timers': oneOf(['heap', 'leveldb'], {
    fallback: 'heap',
    doc: 'of the leveldb backend: whether timers are kept there, too',
  }),
  'state.memory': bytes({
    fallback: '256mb',
    min: '1mb',
    doc: 'managed memory per slot, for the leveldb backend; the heap is not bounded by it',
  }),
  'state.prefetch': flag({
    fallback: true,
    doc: 'of the leveldb backend: read the state of waiting records ahead, where that pays',
  }),
  'state.directory': text({
    fallback: defaultStateDirectory,
    doc: 'on a local disk, for the leveldb backend and for local recovery',
  }),

  'restart.strategy': oneOf(['auto', 'none', 'fixed-delay', 'failure-rate', 'exponential-delay'], {
    fallback: 'auto',
    doc: 'of a job that fails; auto: exponential-delay with periodic checkpoints, else none',
  }),
  'restart.scope': oneOf(['region', 'job'], {
    fallback: 'region',
    doc: 'of what fails: region: the subtasks that exchange data with it, others go on; job: everything',
  }),
  'restart.attempts': number({
    fallback: undefined,
    min: 0,
    isInteger: false,
    doc: 'restarts before the job fails for good (fixed-delay: 3, exponential-delay: no limit)',
  }),
  'restart.delay': duration({ fallback: '1s', doc: 'before a restart; exponential-delay: before the first' }),
  'restart.maxDelay': duration({ fallback: '1m', doc: 'exponential-delay: the longest' }),
  'restart.multiplier': number({
    fallback: 1.5,
    min: 1,
    isInteger: false,
    doc: 'exponential-delay: growth of the delay',
  }),
  'restart.resetAfter': duration({
    fallback: '1h',
    doc: 'exponential-delay: time without failure to begin anew',
  }),
  'restart.jitter': number({
    fallback: 0.1,
    min: 0,
    max: 1,
    isInteger: false,
    doc: 'exponential-delay: share of the delay that varies',
  }),
  'restart.failures': number({ fallback: 3, min: 1, doc: 'failure-rate: failures allowed per interval' }),
  'restart.interval': duration({ fallback: '5m', min: '1ms', doc: 'failure-rate: the interval' }),

  'storage.uri': text({
    fallback: ({ cluster }: DefaultPlace) => `jetstream:sluice-${cluster}`,
    doc: 'where jobs and checkpoints are kept: file:///dir, jetstream:bucket, s3://bucket/prefix',
  }),
  'cache.dir': text({ fallback: defaultCacheDir, doc: 'directory for what can be fetched or made again' }),

  'log.level': oneOf(LOG_LEVELS, {
    fallback: 'info',
    doc: 'commands that end by themselves: warn, unless given',
  }),
  'log.format': oneOf(['auto', 'json', 'text'], {
    fallback: 'auto',
    doc: 'auto: text, but JSON lines of what runs until stopped without a terminal',
  }),
} as const satisfies Record<string, Option<string | number | boolean | undefined>>

export type OptionKey = keyof typeof OPTIONS

/** Every option with its value, in base units: milliseconds, bytes. */
export type Config = {
  readonly [K in OptionKey]: (typeof OPTIONS)[K] extends Option<infer V> ? V : never
}

export const OPTION_KEYS = Object.keys(OPTIONS) as OptionKey[]

export function isOptionKey(key: string): key is OptionKey {
  return Object.hasOwn(OPTIONS, key)
}

/** `nats.connectTimeout` -> `SLUICE_NATS_CONNECT_TIMEOUT`. */
export function environmentName(key: OptionKey): string {
  return `SLUICE_${key.replace(/[A-Z]/g, '_$&').replaceAll('.', '_').toUpperCase()}`
}

/** The longest host name leaves room for the pid: both together are what is unique. */
function defaultProcessId({ hostname, pid }: DefaultPlace): string {
  return toToken(`${hostname.slice(0, 50)}-${pid}`)
}

/** By the XDG base directory specification, which has relative paths ignored. */
function defaultCacheDir({ env, home }: DefaultPlace): string {
  const base = env.XDG_CACHE_HOME ?? ''
  return join(isAbsolute(base) ? base : join(home, '.cache'), 'sluice')
}

/** As os.tmpdir has it. */
function defaultStateDirectory({ env }: DefaultPlace): string {
  return join(env.TMPDIR ?? env.TMP ?? env.TEMP ?? '/tmp', 'sluice-state')
}

/** Users, passwords and tokens may stand before the `@`. */
function withoutCredentials(urls: string): string {
  return urls.replace(/((?:^|,)\s*)([a-z]+:\/\/)?[^,]*@/gi, '$1$2[hidden]@')
}
