/** Slots in the thread of their node: for local mode with one slot, for tests and for simulation. */
import type { ActorRef } from '../lib/actor/actor-ref.ts'
import type { JobDefinition } from '../lib/api/job.ts'
import type { FramePort } from '../lib/network/frame-port.ts'
import { slotName } from '../lib/protocol/dispatcher.ts'
import type { JobModule } from '../lib/protocol/job-submission.ts'
import { Slot } from './slot.ts'
import type { SlotEnvironment } from './slot-environment.ts'
import type { SlotHost } from './task-manager.ts'

export interface InlineSlotHostOptions
  extends Pick<
    SlotEnvironment,
    'system' | 'subjects' | 'clock' | 'random' | 'log' | 'busPort' | 'heartbeatIntervalMs' | 'openStorage'
  > {
  readonly nodeId: string
  readonly slotCount: number
  readonly incarnation: string
  loadJob(module: JobModule): Promise<JobDefinition>
}

export function startInlineSlots(options: InlineSlotHostOptions): SlotHost {
  const { nodeId, slotCount, incarnation, system, subjects } = options
  const slots = Array.from({ length: slotCount }, () => ({ incarnation, jobId: null as string | null }))
  const refs: ActorRef<unknown>[] = slots.map((slot, index) => {
    const environment: SlotEnvironment = {
      ...options,
      location: { node: nodeId, slot: index },
      threadPort: (): FramePort => options.busPort,
      onOccupied: (jobId) => {
        slot.jobId = jobId
      },
    }
    return system.spawn(subjects.control(slotName(nodeId, index)), new Slot(environment).behavior())
  })
  return {
    slots,
    async close() {
      for (const ref of refs) system.stop(ref)
    },
  }
}
