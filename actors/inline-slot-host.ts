/**
 * Slots in the thread of their node: for local mode with one slot, for tests and for simulation. Each has an actor
 * system of its own, as in a thread: a subtask can begin in one slot while another still has what is left of it.
 */
import { ActorSystem } from '../lib/actor/actor-system.ts'
import type { JobDefinition } from '../lib/api/job.ts'
import type { Bus } from '../lib/bus/bus.ts'
import type { FramePort } from '../lib/network/frame-port.ts'
import { slotName } from '../lib/protocol/dispatcher.ts'
import type { JobModule } from '../lib/protocol/job-submission.ts'
import { Slot } from './slot.ts'
import type { SlotEnvironment } from './slot-environment.ts'
import type { SlotHost } from './task-manager.ts'

export interface InlineSlotHostOptions
  extends Pick<
    SlotEnvironment,
    | 'subjects'
    | 'clock'
    | 'random'
    | 'log'
    | 'connections'
    | 'busPort'
    | 'heartbeatIntervalMs'
    | 'openStorage'
    | 'openState'
    | 'openCopies'
  > {
  readonly bus: Bus
  readonly nodeId: string
  readonly slotCount: number
  readonly incarnation: string
  loadJob(module: JobModule): Promise<JobDefinition>
}

export function startInlineSlots(options: InlineSlotHostOptions): SlotHost {
  const { bus, clock, random, log, nodeId, slotCount, incarnation, subjects } = options
  const slots = Array.from({ length: slotCount }, () => ({ incarnation, jobId: null as string | null }))
  const systems = slots.map((slot, index) => {
    const system = new ActorSystem({ bus, clock, random, logger: log })
    const environment: SlotEnvironment = {
      ...options,
      system,
      location: { node: nodeId, slot: index },
      threadPort: (): FramePort => options.busPort,
      onOccupied: (jobId) => {
        slot.jobId = jobId
      },
    }
    system.spawn(subjects.control(slotName(nodeId, index)), new Slot(environment).behavior())
    return system
  })
  return {
    slots,
    async close() {
      await Promise.all(systems.map((system) => system.close()))
    },
  }
}
