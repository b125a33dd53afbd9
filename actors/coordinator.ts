/** What a coordinator is known by, whether it leads or stands by: its id is nobody else's, and it knows who leads. */
import type { ActorSystem } from '../lib/actor/actor-system.ts'
import { type Behavior, handling } from '../lib/actor/behavior.ts'
import { SluiceError } from '../lib/base/errors.ts'
import type { Subjects } from '../lib/bus/subjects.ts'
import {
  COORDINATORS,
  type CoordinatorIdentity,
  type CoordinatorProtocol,
  type CoordinatorsView,
  coordinatorName,
} from '../lib/protocol/coordinator.ts'

export interface CoordinatorActorOptions {
  readonly subjects: Subjects
  readonly self: CoordinatorIdentity
  /** How often it says that it stands by, when it does. */
  readonly intervalMs: number
  leader(): { readonly leader: CoordinatorIdentity | null; readonly epoch: number }
}

type Protocol = CoordinatorProtocol & { tick: { request: object } }

const PROBE_TIMEOUT_MS = 1000
/** Others that are remembered; more are not shown. */
const STANDBYS_MAX = 100
/** Intervals after which one that says nothing is not shown any more. */
const SILENT_INTERVALS = 3

export function coordinator(options: CoordinatorActorOptions): Behavior<Protocol> {
  const { subjects, self, intervalMs } = options
  const heard = new Map<string, { readonly coordinator: CoordinatorIdentity; readonly atMs: number }>()
  const view = (nowMs: number): CoordinatorsView => {
    const { leader, epoch } = options.leader()
    const standbys = [...heard.values()]
      .filter(({ atMs }) => nowMs - atMs < SILENT_INTERVALS * intervalMs)
      .map((each) => each.coordinator)
      .filter(({ incarnation }) => incarnation !== leader?.incarnation)
    return { self, leader, epoch, standbys }
  }
  return handling<Protocol>(
    {
      identify: (_message, sender, { clock }) => sender.reply(view(clock.monotonic())),
      standsBy: ({ coordinator: other }, _sender, { clock }) => {
        if (heard.has(other.incarnation) || heard.size < STANDBYS_MAX)
          heard.set(other.incarnation, { coordinator: other, atMs: clock.monotonic() })
      },
      tick: (_message, _sender, context) => {
        const nowMs = context.clock.monotonic()
        for (const [incarnation, { atMs }] of heard)
          if (nowMs - atMs >= SILENT_INTERVALS * intervalMs) heard.delete(incarnation)
        if (options.leader().leader?.incarnation === self.incarnation) return
        const all = { subject: subjects.control(COORDINATORS) }
        context.tell<CoordinatorProtocol, 'standsBy'>(all, { kind: 'standsBy', coordinator: self })
      },
    },
    { started: ({ timers }) => timers.every('tick', intervalMs, { kind: 'tick' }) },
  )
}

/** Rejects with ID_TAKEN if another process that lives has this id. */
export async function refuseTakenId(system: ActorSystem, subjects: Subjects, id: string): Promise<void> {
  const ref = system.ref<CoordinatorProtocol>(subjects.control(coordinatorName(id)))
  const isFree = await system.ask(ref, { kind: 'identify' }, PROBE_TIMEOUT_MS).then(
    () => false,
    (error) => error instanceof SluiceError && error.code === 'NO_RESPONDERS',
  )
  if (isFree) return
  throw new SluiceError(
    'ID_TAKEN',
    `another process is coordinator "${id}" of this cluster; give this one another id (--id), or stop the other`,
  )
}
