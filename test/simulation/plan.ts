/** What a seed stands for: a cluster, a job, and everything that goes wrong. */

import { SeededRandom } from '../../lib/base/prng.ts'
import type { StateSettings } from '../../lib/state/state-home.ts'
import { COUNT, JOB_KINDS, type JobKind } from './jobs.ts'
import type { SinkKind } from './results.ts'
import type { KeyValueFaults } from './simulated-key-value.ts'
import type { NetworkFaults } from './simulated-network.ts'
import type { StorageFaults } from './simulated-storage.ts'

/** Something that happens to one process; `atMs` after the job was handed in. */
export type PlannedEvent = { readonly atMs: number; readonly process: string } & (
  | {
      /** Dies without a word; `isSilent`: and the server goes on delivering to it for a while. */
      readonly kind: 'kill'
      readonly downMs: number
      readonly isSilent: boolean
    }
  /** Stops in good order and comes back. */
  | { readonly kind: 'leave'; readonly downMs: number }
  | { readonly kind: 'partition'; readonly how: 'stalled' | 'cut' | 'disconnected'; readonly forMs: number }
  /** Does nothing for a while, and does not know of it: as with SIGSTOP. */
  | { readonly kind: 'pause'; readonly forMs: number }
  /** Cannot reach the key-value store, but everybody else. */
  | { readonly kind: 'cut-off-store'; readonly forMs: number }
)

export interface Plan {
  readonly seed: number
  readonly job: JobKind
  readonly sink: SinkKind
  readonly parallelism: number
  readonly isChainingEnabled: boolean
  /** Slots of each node. */
  readonly nodes: readonly number[]
  readonly checkpoint: {
    readonly intervalMs: number
    readonly timeoutMs: number
    readonly pauseMinMs: number
    readonly concurrentMax: number
    readonly tolerableFailures: number
    readonly retained: number
    readonly isIncremental: boolean
    readonly deltasMax: number
  }
  /** How many; one of them leads. */
  readonly coordinators: number
  readonly leaseMs: number
  readonly keyValue: KeyValueFaults
  /** Nothing goes wrong but coordinators: no job is to restart. */
  readonly isCalm: boolean
  readonly restartDelayMs: number
  readonly heartbeatTimeoutMs: number
  readonly channelTimeoutMs: number
  readonly frameBytes: number
  /** With LevelDB, which is a map here, almost nothing fits into the cache. */
  readonly state: StateSettings
  readonly lookMs: number
  readonly network: NetworkFaults
  readonly storage: StorageFaults
  readonly sinkDelayMs: number
  /** How long the sink is busy with a row. */
  readonly sinkRowMs: number
  /** Shares of commits that fail before and after they take effect. */
  readonly commitFailureRate: number
  /** Records at which the user's function throws, once each. */
  readonly throwsAt: readonly number[]
  readonly savepoint: {
    readonly atMs: number
    readonly stop: 'none' | 'suspend'
    /** Of the job that goes on from it. */
    readonly parallelism: number
  } | null
  readonly events: readonly PlannedEvent[]
  /** As in CheckpointSettings. */
  readonly alignmentTimeoutMs: number | null
  /** When something happens to one of the blobs of a checkpoint, ms after the job was handed in. */
  readonly damages: readonly { readonly atMs: number; readonly how: 'deleted' | 'flipped' | 'cut' }[]
  /** As in CheckpointSettings. */
  readonly localBytesMax: number | null
  readonly standbySlots: number
  /** From then on nothing goes wrong any more. */
  readonly faultsEndMs: number
}

/** What was drawn first, and so stays the same for a seed when something is added. */
type BasicPlan = Omit<Plan, 'damages' | 'localBytesMax' | 'standbySlots'>

export const coordinatorName = (index: number): string => `c${index}`

/** Every third run keeps its state in a store. */
const STATES = [
  { backend: 'heap', timers: 'heap' },
  { backend: 'leveldb', timers: 'leveldb' },
  { backend: 'heap', timers: 'heap' },
  { backend: 'heap', timers: 'heap' },
  { backend: 'leveldb', timers: 'heap' },
  { backend: 'heap', timers: 'heap' },
] as const

/** How long a job of ours takes by itself, about. */
const JOB_MS = 8000

export function planOf(seed: number): Plan {
  const plan = drawn(seed)
  return plan.isCalm ? calmed(plan) : plan
}

/** The same without anything that would be a reason to restart. */
function calmed(plan: Plan): Plan {
  return {
    ...plan,
    checkpoint: { ...plan.checkpoint, timeoutMs: 20_000, tolerableFailures: 1_000_000 },
    heartbeatTimeoutMs: 10_000,
    channelTimeoutMs: 10_000,
    network: { ...plan.network, lossRate: 0, duplicateRate: 0, delayMsMax: 10 },
    storage: { failureRate: 0, lostAckRate: 0, delayMsMax: 20 },
    commitFailureRate: 0,
    throwsAt: [],
    events: plan.events.filter(({ process }) => process.startsWith('c')),
  }
}

function drawn(seed: number): Plan {
  const random = new Draw(seed)
  const plan = drawPlan(seed, random)
  const damages = damagesOf(random, plan)
  const localBytesMax = random.one([null, 1500, 1_000_000])
  return { ...plan, damages, localBytesMax, standbySlots: random.one([0, 1, 3]) }
}

/**
 * Who goes back to an older checkpoint does again what has been committed since: only a sink that overwrites comes to
 * the same. And a savepoint would have nobody to take it.
 */
function damagesOf(random: Draw, { sink, savepoint, faultsEndMs }: BasicPlan): Plan['damages'] {
  if (sink !== 'upsert' || savepoint !== null || random.chance(0.5)) return []
  return Array.from({ length: random.int(2, 8) }, () => ({
    atMs: random.int(500, Math.min(faultsEndMs, JOB_MS)),
    how: random.one(['deleted', 'flipped', 'cut']),
  }))
}

function drawPlan(seed: number, random: Draw): BasicPlan {
  const nodes = Array.from({ length: random.int(2, 4) }, () => random.int(1, 2))
  const slots = nodes.reduce((sum, count) => sum + count, 0)
  const parallelismMax = Math.min(4, slots)
  const hasLoss = random.chance(0.5)
  const hasDelays = random.chance(0.6)
  const faultsEndMs = random.int(5000, 20_000)
  const coordinators = random.int(1, 3)
  const isCalm = random.chance(0.2)
  const alignmentTimeoutMs = random.one([null, null, 0, 0, 20, 200])
  return {
    seed,
    job: random.one(JOB_KINDS),
    sink: random.one(['transactional', 'upsert']),
    parallelism: random.int(1, parallelismMax),
    isChainingEnabled: random.chance(0.7),
    nodes,
    checkpoint: {
      intervalMs: random.one([100, 300, 500, 1000, 3000]),
      timeoutMs: random.one([1500, 5000, 20_000]),
      pauseMinMs: random.one([0, 0, 200]),
      concurrentMax: random.one([1, 1, 1, 2, 3]),
      tolerableFailures: random.one([0, 2, 1_000_000]),
      retained: random.int(1, 3),
      isIncremental: random.chance(0.9),
      deltasMax: random.one([1, 2, 5, 50]),
    },
    coordinators,
    leaseMs: random.one([600, 1500, 3000]),
    keyValue: {
      failureRate: random.chance(0.5) ? random.one([0.02, 0.1]) : 0,
      delayMsMax: random.one([1, 10, 60]),
    },
    isCalm,
    restartDelayMs: random.one([0, 50, 1000]),
    heartbeatTimeoutMs: random.one([3000, 6000, 10_000]),
    channelTimeoutMs: random.one([3000, 10_000]),
    frameBytes: random.one([256, 1000, 32_000]),
    // With the less of the two, no more than a few entries stay in a cache, and state is read ahead all the time.
    state: {
      ...STATES[seed % STATES.length]!,
      memoryBytes: seed % 4 < 2 ? 1000 : 8000,
      prefetchKeysMin: 1,
    },
    lookMs: random.one([0, 0.001, 0.01]),
    network: {
      lossRate: hasLoss ? random.one([0.01, 0.05, 0.2]) : 0,
      duplicateRate: random.chance(0.3) ? random.one([0.01, 0.1]) : 0,
      delayRate: hasDelays ? random.one([0.01, 0.1, 0.5]) : 0,
      delayMsMax: random.one([10, 100, 800]),
      order: random.one(['connection', 'subject']),
    },
    storage: {
      failureRate: random.chance(0.3) ? random.one([0.01, 0.1, 0.3]) : 0,
      lostAckRate: random.chance(0.2) ? random.one([0.01, 0.1]) : 0,
      delayMsMax: random.one([1, 20, 400]),
    },
    sinkDelayMs: random.one([0, 0, 5, 50]),
    commitFailureRate: random.chance(0.3) ? 0.1 : 0,
    throwsAt: Array.from({ length: random.chance(0.5) ? random.int(1, 4) : 0 }, () =>
      random.int(0, COUNT - 1),
    ),
    savepoint: random.chance(0.4)
      ? {
          atMs: random.int(500, JOB_MS),
          stop: random.chance(0.7) ? 'suspend' : 'none',
          parallelism: random.int(1, parallelismMax),
        }
      : null,
    events: eventsOf(random, { nodes: nodes.length, coordinators, faultsEndMs, isCalm }),
    alignmentTimeoutMs,
    // Where barriers wait in line, what is slow enough may never get through a checkpoint, and is right not to.
    sinkRowMs: random.one(alignmentTimeoutMs === null ? [0] : [0, 5, 25]),
    faultsEndMs,
  }
}

interface Scene {
  readonly nodes: number
  readonly coordinators: number
  readonly faultsEndMs: number
  readonly isCalm: boolean
}

function eventsOf(random: Draw, scene: Scene): PlannedEvent[] {
  const { nodes, coordinators, faultsEndMs, isCalm } = scene
  const count = random.chance(0.15) ? 0 : random.int(1, 5)
  const events = Array.from({ length: count }, (): PlannedEvent => {
    const atMs = random.int(0, Math.min(faultsEndMs, JOB_MS + 4000))
    const isCoordinator = isCalm || random.chance(0.4)
    const process = isCoordinator
      ? coordinatorName(random.int(0, coordinators - 1))
      : `n${random.int(0, nodes - 1)}`
    const forMs = Math.min(random.one([100, 1000, 5000, 15_000]), faultsEndMs - atMs)
    const kind = random.one([
      ...(['kill', 'kill', 'partition', 'partition', 'leave'] as const),
      ...(isCoordinator ? (['kill', 'pause', 'pause', 'cut-off-store'] as const) : []),
    ])
    switch (kind) {
      case 'kill':
        return { kind, atMs, process, downMs: forMs, isSilent: random.chance(0.3) }
      case 'leave':
        return { kind, atMs, process, downMs: forMs }
      case 'partition':
        return { kind, atMs, process, how: random.one(['stalled', 'cut', 'disconnected']), forMs }
      default:
        return { kind, atMs, process, forMs }
    }
  })
  return events.sort((a, b) => a.atMs - b.atMs)
}

/** Draws, by what they are for. */
class Draw {
  readonly #random: SeededRandom

  constructor(seed: number) {
    this.#random = new SeededRandom(seed)
  }

  int(min: number, max: number): number {
    return min + this.#random.nextInt(max - min + 1)
  }

  chance(share: number): boolean {
    return this.#random.nextFloat() < share
  }

  one<const T>(items: readonly T[]): T {
    return items[this.#random.nextInt(items.length)]!
  }
}
