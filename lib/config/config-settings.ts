/** A configuration as the settings of those who do the work. */
import type { NatsOptions } from '../bus/nats-options.ts'
import type { CheckpointSettings } from '../checkpoint/checkpoint-settings.ts'
import type { RestartSettings } from '../scheduler/restart-strategy.ts'
import type { TaskSettings } from '../task/task-settings.ts'
import type { Config } from './options.ts'

export interface HeartbeatSettings {
  readonly heartbeatIntervalMs: number
  readonly heartbeatTimeoutMs: number
}

/** Reports at least this often per timeout, or one late report would be a loss. */
const HEARTBEATS_PER_TIMEOUT = 4
const FIXED_DELAY_ATTEMPTS = 3

/** `name` is shown in the server's monitoring. */
export function natsSettings(config: Config, name: string): NatsOptions {
  const tls = given({
    caFile: config['nats.tls.ca'],
    certFile: config['nats.tls.cert'],
    keyFile: config['nats.tls.key'],
    insecure: config['nats.tls.insecure'] || undefined,
  })
  return {
    servers: config['nats.url'],
    name,
    connectTimeoutMs: config['nats.connectTimeout'],
    ...given({
      user: config['nats.user'],
      password: config['nats.password'],
      token: config['nats.token'],
      nkeySeedFile: config['nats.nkeySeedFile'],
      nkeySeed: config['nats.nkeySeed'],
      credsFile: config['nats.creds'],
      inboxPrefix: config['nats.inboxPrefix'],
      tls: Object.keys(tls).length === 0 ? undefined : tls,
    }),
  }
}

export function taskSettings(config: Config): TaskSettings {
  return {
    lingerMs: config['network.linger'],
    frameBytes: config['network.frameSize'],
    recordBytesMax: config['network.recordSizeMax'],
    channelTimeoutMs: config['network.channelTimeout'],
    watermarkIntervalMs: config['watermarks.interval'],
    exchange: config['network.exchange'],
    state: {
      backend: config['state.backend'],
      timers: config['state.timers'],
      memoryBytes: config['state.memory'],
      ...(config['state.prefetch'] ? {} : { prefetchKeysMin: null }),
    },
  }
}

export function checkpointSettings(config: Config, storageUri = config['storage.uri']): CheckpointSettings {
  const intervalMs = config['checkpoint.interval']
  return {
    storageUri,
    intervalMs: intervalMs === 0 ? null : intervalMs,
    mode: config['checkpoint.mode'],
    alignmentTimeoutMs: config['checkpoint.unaligned'] ? config['checkpoint.alignmentTimeout'] : null,
    timeoutMs: config['checkpoint.timeout'],
    pauseMinMs: config['checkpoint.minPause'],
    concurrentMax: config['checkpoint.maxConcurrent'],
    tolerableFailures: config['checkpoint.tolerableFailures'],
    retained: config['checkpoint.retained'],
    retainOnCancel: config['checkpoint.retainOnCancel'],
    retainOnFinish: config['checkpoint.retainOnFinish'],
    historyMax: config['checkpoint.history'],
    isIncremental: config['checkpoint.incremental'],
    deltasMax: config['checkpoint.deltasMax'],
    localBytesMax: config['checkpoint.localRecovery'] ? config['checkpoint.localRecoveryMax'] : null,
  }
}

export function restartSettings(config: Config): RestartSettings {
  return { ...strategySettings(config), scope: config['restart.scope'] }
}

function strategySettings(config: Config): RestartSettings {
  const kind = restartStrategy(config)
  const attempts = config['restart.attempts']
  const delayMs = config['restart.delay']
  switch (kind) {
    case 'none':
      return { kind }
    case 'fixed-delay':
      return { kind, attempts: attempts ?? FIXED_DELAY_ATTEMPTS, delayMs }
    case 'failure-rate':
      return {
        kind,
        failuresMax: config['restart.failures'],
        intervalMs: config['restart.interval'],
        delayMs,
      }
    case 'exponential-delay':
      return {
        kind,
        attempts: attempts ?? Number.POSITIVE_INFINITY,
        initialMs: delayMs,
        maxMs: config['restart.maxDelay'],
        multiplier: config['restart.multiplier'],
        resetAfterMs: config['restart.resetAfter'],
        jitter: config['restart.jitter'],
      }
  }
}

/** As in Flink: where there are checkpoints to go on from, a failure is no reason to end. */
function restartStrategy(config: Config): RestartSettings['kind'] {
  const strategy = config['restart.strategy']
  if (strategy !== 'auto') return strategy
  return config['checkpoint.interval'] > 0 ? 'exponential-delay' : 'none'
}

export function heartbeatSettings(config: Config): HeartbeatSettings {
  const heartbeatTimeoutMs = config['heartbeat.timeout']
  const heartbeatIntervalMs = Math.min(
    config['heartbeat.interval'],
    heartbeatTimeoutMs / HEARTBEATS_PER_TIMEOUT,
  )
  return { heartbeatIntervalMs, heartbeatTimeoutMs }
}

type Given<T> = { [K in keyof T]?: Exclude<T[K], undefined> }

/** Without the fields that are undefined: whoever reads the rest asks whether a field is there. */
function given<T extends object>(fields: T): Given<T> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as Given<T>
}
