/** The control process: starts the dispatcher and the resource manager on one actor system. */
import type { ActorSystem } from '../lib/actor/actor-system.ts'
import type { Subjects } from '../lib/bus/subjects.ts'
import { DISPATCHER, RESOURCE_MANAGER } from '../lib/protocol/dispatcher.ts'
import { Dispatcher } from './dispatcher.ts'
import { resourceManager } from './resource-manager.ts'

export interface CoordinatorOptions {
  readonly system: ActorSystem
  readonly subjects: Subjects
  /** A node or slot that has not been heard of for this long is lost. */
  readonly heartbeatTimeoutMs: number
}

export function startCoordinator({ system, subjects, heartbeatTimeoutMs }: CoordinatorOptions): void {
  const dispatcher = new Dispatcher({ subjects, slotTimeoutMs: heartbeatTimeoutMs })
  system.spawn(subjects.control(DISPATCHER), dispatcher.behavior())
  system.spawn(
    subjects.control(RESOURCE_MANAGER),
    resourceManager({
      subjects,
      nodeTimeoutMs: heartbeatTimeoutMs,
      isKnownJob: (jobId) => dispatcher.isKnownJob(jobId),
    }),
  )
}
