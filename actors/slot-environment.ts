/** What a slot is given by whoever starts it: a thread of a node process, the main thread, or a simulator. */
import type { ActorSystem } from '../lib/actor/actor-system.ts'
import type { JobDefinition } from '../lib/api/job.ts'
import type { Clock } from '../lib/base/clock.ts'
import type { Logger } from '../lib/base/logger.ts'
import type { Random } from '../lib/base/prng.ts'
import type { Subjects } from '../lib/bus/subjects.ts'
import type { Connections } from '../lib/function/connections.ts'
import type { SlotLocation } from '../lib/graph/execution-graph.ts'
import type { FramePort } from '../lib/network/frame-port.ts'
import type { JobModule } from '../lib/protocol/job-submission.ts'
import type { BlobStore } from '../lib/storage/blob-store.ts'
import type { KeyValueStore } from '../lib/storage/key-value-store.ts'

export interface SlotEnvironment {
  readonly location: SlotLocation
  readonly system: ActorSystem
  readonly subjects: Subjects
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
  /** For connectors. */
  readonly connections: Connections
  /** Frames to other processes. */
  readonly busPort: FramePort
  /** Frames to another slot of this process. */
  threadPort(slot: number): FramePort
  /** A blob store by its URI; to be closed by whoever asked. */
  openStorage(uri: string): Promise<BlobStore>
  /** A store for the working state of one attempt, empty; `memoryBytes`: what the slot has for state in all. */
  openState(memoryBytes: number): Promise<KeyValueStore>
  /** An empty store on this host, for copies of what one job has stored elsewhere. */
  openCopies(): BlobStore
  loadJob(module: JobModule): Promise<JobDefinition>
  /** How often the slot reports to the job master of its job. */
  readonly heartbeatIntervalMs: number
  /** The slot has work, or none: the node tells the resource manager. */
  onOccupied(jobId: string | null): void
}
