/** What coordinators say of themselves and to each other, whether they lead or stand by. */

export interface CoordinatorIdentity {
  readonly id: string
  /** New with each start of the process. */
  readonly incarnation: string
  readonly host: string
  readonly pid: number
}

export interface CoordinatorsView {
  /** Who answers. */
  readonly self: CoordinatorIdentity
  /** Null: nobody is known to lead. */
  readonly leader: CoordinatorIdentity | null
  /** Of the leader; larger than that of any leader before. */
  readonly epoch: number
  readonly standbys: readonly CoordinatorIdentity[]
}

export type CoordinatorProtocol = {
  identify: { request: object; reply: CoordinatorsView }
  /** From time to time, by each that does not lead. */
  standsBy: { request: { readonly coordinator: CoordinatorIdentity } }
}

/** All of them listen here, and each under its own name. */
export const COORDINATORS = 'coordinators'
export const coordinatorName = (id: string): string => `coordinator-${id}`
