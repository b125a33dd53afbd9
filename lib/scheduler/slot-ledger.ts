/**
 * Who has which slot: the brain of the resource manager. Knows the nodes by their reports, gives free slots to jobs
 * evenly over the nodes, and notices what has gone. No clock: the time of each event is an argument.
 *
 * L1. A slot belongs to at most one job.
 * L2. Requests are met whole or not at all, in the order they came: a job that needs more slots than there are is
 *     not overtaken for ever by small ones.
 * L3. A job that another leader gave slots to has them when their node reports, as if they had been given here.
 * L4. A node that has not reported for the timeout is lost, also one that another leader knew; so is a slot whose
 *     incarnation has changed.
 * L5. A slot that stands by for a job is free like any other: nobody waits because of it. Who else asks gets others
 *     first, and the job itself those.
 */
import { present } from '../base/assert.ts'
import { isSameSlot, type SlotLocation } from '../graph/execution-graph.ts'

/** What a node says of itself with every heartbeat. */
export interface NodeReport {
  readonly nodeId: string
  /** New with every start of the process: tells a restarted node from one that was slow. */
  readonly incarnation: string
  readonly host: string
  readonly pid: number
  readonly version: string
  readonly slots: readonly SlotReport[]
}

export interface SlotReport {
  /** New with every start of the slot's thread. */
  readonly incarnation: string
  /** The job whose tasks it runs, if any. */
  readonly jobId: string | null
}

export interface NodeView {
  readonly nodeId: string
  readonly host: string
  readonly pid: number
  readonly version: string
  readonly slots: readonly { readonly jobId: string | null }[]
  readonly lastSeenMs: number
}

export type LedgerOrder =
  | { readonly kind: 'grant'; readonly jobId: string; readonly slots: readonly SlotLocation[] }
  | {
      readonly kind: 'lost'
      readonly jobId: string
      readonly slots: readonly SlotLocation[]
      readonly reason: string
    }
  | { readonly kind: 'nodeJoined'; readonly nodeId: string }
  | { readonly kind: 'nodeLost'; readonly nodeId: string; readonly reason: string }

interface Slot {
  incarnation: string
  jobId: string | null
  /** It runs what is left of a job that was told that the slot is lost: nobody's, but not free either. */
  isLeftover: boolean
  /** The job that it stands by for; of no account while the slot belongs to one. */
  standbyFor: string | null
}

interface Node {
  report: NodeReport
  readonly slots: Slot[]
  seenMs: number
}

interface Request {
  readonly jobId: string
  readonly count: number
}

export class SlotLedger {
  readonly #nodeTimeoutMs: number
  readonly #nodes = new Map<string, Node>()
  #requests: Request[] = []
  /** L3. By slot: whose it is once its node reports. As many as jobs that were adopted have slots. */
  readonly #adopted = new Map<string, string>()
  /** When the waiting for their nodes began. */
  #adoptedMs: number | null = null

  constructor(nodeTimeoutMs: number) {
    this.#nodeTimeoutMs = nodeTimeoutMs
  }

  get freeSlotCount(): number {
    let count = 0
    for (const { slots } of this.#nodes.values()) for (const { jobId } of slots) if (jobId === null) count++
    return count
  }

  get slotCount(): number {
    let count = 0
    for (const { slots } of this.#nodes.values()) count += slots.length
    return count
  }

  nodes(): NodeView[] {
    return [...this.#nodes.values()].map(({ report, slots, seenMs }) => ({
      nodeId: report.nodeId,
      host: report.host,
      pid: report.pid,
      version: report.version,
      slots: slots.map(({ jobId }) => ({ jobId })),
      lastSeenMs: seenMs,
    }))
  }

  /** Whether another process has this node id and is alive: heard of within half the timeout. */
  isTaken({ nodeId, incarnation }: NodeReport, nowMs: number): boolean {
    const known = this.#nodes.get(nodeId)
    if (known === undefined || known.report.incarnation === incarnation) return false
    return nowMs - known.seenMs < this.#nodeTimeoutMs / 2
  }

  /** L3. To be said before any report. */
  onAdopt(jobId: string, slots: readonly SlotLocation[]): void {
    for (const { node, slot } of slots) this.#adopted.set(`${node}/${slot}`, jobId)
  }

  onReport(report: NodeReport, nowMs: number): LedgerOrder[] {
    const orders: LedgerOrder[] = []
    const known = this.#nodes.get(report.nodeId)
    if (known !== undefined && !isSameProcess(known, report)) {
      orders.push(...this.#lose(known, 'it was restarted'))
    }
    const node = this.#nodes.get(report.nodeId) ?? this.#join(report, orders)
    node.report = report
    node.seenMs = nowMs
    report.slots.forEach(({ incarnation, jobId }, index) => {
      const slot = present(node.slots[index], `slot ${index} of node ${report.nodeId}`)
      if (slot.isLeftover && jobId === null) {
        slot.isLeftover = false
        slot.jobId = null
      }
      if (slot.incarnation === incarnation) return
      slot.incarnation = incarnation
      orders.push(...this.#loseSlot(node, index, slot))
    })
    return [...orders, ...this.#serve()]
  }

  onLeave(nodeId: string): LedgerOrder[] {
    const node = this.#nodes.get(nodeId)
    return node === undefined ? [] : this.#lose(node, 'it left')
  }

  /**
   * Asks for `count` slots more than `held`. A second request of the same job replaces the first, and keeps its place;
   * what was granted and is not held is granted again, for the grant may have been lost.
   */
  onRequest(jobId: string, count: number, held: readonly SlotLocation[] = []): LedgerOrder[] {
    const granted = this.#slotsOf(jobId).filter((slot) => !held.some((each) => isSameSlot(each, slot)))
    const missing = count - granted.length
    const place = this.#requests.findIndex((request) => request.jobId === jobId)
    if (missing <= 0) this.#requests = this.#requests.filter((request) => request.jobId !== jobId)
    else if (place >= 0) this.#requests[place] = { jobId, count: missing }
    else this.#requests.push({ jobId, count: missing })
    const again: LedgerOrder[] = granted.length === 0 ? [] : [{ kind: 'grant', jobId, slots: granted }]
    return [...again, ...this.#serve()]
  }

  /** L5. Which free slots stand by for a job from now on, `count` at most; those that do already first of all. */
  onStandby(jobId: string, count: number): SlotLocation[] {
    const mine = this.#free().filter(({ slot }) => slot.standbyFor === jobId)
    for (const { slot } of mine.splice(count)) slot.standbyFor = null
    while (mine.length < count) {
      const open = this.#free().filter(({ slot }) => slot.standbyFor === null)
      const next = best(open, ({ node }) => sharesOf(node, jobId))
      if (next === undefined) break
      next.slot.standbyFor = jobId
      mine.push(next)
    }
    return mine.map(({ location }) => location)
  }

  /** Takes back what belongs to jobs that are no longer; their own release may have been lost. */
  onJobs(isLive: (jobId: string) => boolean): LedgerOrder[] {
    const owners = [...this.#nodes.values()].flatMap(({ slots }) =>
      slots.flatMap(({ jobId, isLeftover }) => (jobId === null || isLeftover ? [] : [jobId])),
    )
    const waiting = this.#requests.map(({ jobId }) => jobId)
    const standingBy = this.#free().flatMap(({ slot }) => slot.standbyFor ?? [])
    const ended = [...new Set([...owners, ...waiting, ...standingBy, ...this.#adopted.values()])].filter(
      (jobId) => !isLive(jobId),
    )
    return ended.flatMap((jobId) => this.onRelease(jobId))
  }

  /** Gives slots back, all of the job's if none are named, and withdraws its request. */
  onRelease(jobId: string, locations?: readonly SlotLocation[]): LedgerOrder[] {
    if (locations === undefined) this.#requests = this.#requests.filter((request) => request.jobId !== jobId)
    for (const [key, owner] of this.#adopted) {
      const isNamed = locations?.some(({ node, slot }) => key === `${node}/${slot}`) ?? true
      if (owner === jobId && isNamed) this.#adopted.delete(key)
    }
    for (const [nodeId, { slots }] of this.#nodes) {
      slots.forEach((slot, index) => {
        const isNamed =
          locations?.some((location) => isSameSlot(location, { node: nodeId, slot: index })) ?? true
        if (slot.jobId === jobId && isNamed) slot.jobId = null
        if (slot.standbyFor === jobId && locations === undefined) slot.standbyFor = null
      })
    }
    return this.#serve()
  }

  onTick(nowMs: number): LedgerOrder[] {
    this.#adoptedMs ??= nowMs
    const missing = nowMs - this.#adoptedMs > this.#nodeTimeoutMs ? this.#loseAdopted() : []
    const silent = [...this.#nodes.values()].filter(({ seenMs }) => nowMs - seenMs > this.#nodeTimeoutMs)
    const lost = silent.flatMap((node) =>
      this.#lose(node, `no heartbeat for ${Math.round(nowMs - node.seenMs)} ms`),
    )
    return [...missing, ...lost]
  }

  /** Nothing has been heard of the nodes of these slots under this leader. */
  #loseAdopted(): LedgerOrder[] {
    const byJob = new Map<string, SlotLocation[]>()
    for (const [key, jobId] of this.#adopted) {
      const [node, slot] = key.split('/') as [string, string]
      byJob.set(jobId, [...(byJob.get(jobId) ?? []), { node, slot: Number(slot) }])
    }
    this.#adopted.clear()
    return [...byJob].map(([jobId, slots]): LedgerOrder => {
      const nodes = [...new Set(slots.map(({ node }) => node))].join(', ')
      return { kind: 'lost', jobId, slots, reason: `node ${nodes}: no heartbeat since another leads` }
    })
  }

  #slotsOf(jobId: string): SlotLocation[] {
    return [...this.#nodes].flatMap(([node, { slots }]) =>
      slots.flatMap((owned, slot) => (owned.jobId === jobId && !owned.isLeftover ? [{ node, slot }] : [])),
    )
  }

  #join(report: NodeReport, orders: LedgerOrder[]): Node {
    const slots = report.slots.map(({ incarnation, jobId }, index) => {
      const key = `${report.nodeId}/${index}`
      const owner = this.#adopted.get(key)
      this.#adopted.delete(key)
      const isLeftover = owner === undefined && jobId !== null
      return { incarnation, jobId: owner ?? jobId, isLeftover, standbyFor: null }
    })
    const node = { report, slots, seenMs: 0 }
    this.#nodes.set(report.nodeId, node)
    orders.push({ kind: 'nodeJoined', nodeId: report.nodeId })
    return node
  }

  #lose(node: Node, reason: string): LedgerOrder[] {
    const { nodeId } = node.report
    this.#nodes.delete(nodeId)
    const byJob = new Map<string, SlotLocation[]>()
    node.slots.forEach(({ jobId }, slot) => {
      if (jobId !== null) byJob.set(jobId, [...(byJob.get(jobId) ?? []), { node: nodeId, slot }])
    })
    const why = `node ${nodeId}: ${reason}`
    return [
      { kind: 'nodeLost', nodeId, reason },
      ...[...byJob].map(([jobId, slots]): LedgerOrder => ({ kind: 'lost', jobId, slots, reason: why })),
    ]
  }

  #loseSlot({ report }: Node, index: number, slot: Slot): LedgerOrder[] {
    const { jobId } = slot
    slot.jobId = null
    slot.standbyFor = null
    if (jobId === null) return []
    const reason = `slot ${index} of node ${report.nodeId}: its thread ended`
    return [{ kind: 'lost', jobId, slots: [{ node: report.nodeId, slot: index }], reason }]
  }

  #serve(): LedgerOrder[] {
    const orders: LedgerOrder[] = []
    for (;;) {
      const request = this.#requests[0]
      if (request === undefined || this.freeSlotCount < request.count) return orders
      this.#requests.shift()
      const slots = Array.from({ length: request.count }, () => this.#takeSlot(request.jobId))
      orders.push({ kind: 'grant', jobId: request.jobId, slots })
    }
  }

  /**
   * A free slot: one that stands by for the job before one that does for nobody (L5), and of those one of the node with
   * the most free ones in share of its slots; ties go to the node that came first.
   */
  #takeSlot(jobId: string): SlotLocation {
    const free = this.#free()
    const mine = free.filter(({ slot }) => slot.standbyFor === jobId)
    const open = free.filter(({ slot }) => slot.standbyFor === null)
    const from = mine.length > 0 ? mine : open.length > 0 ? open : free
    const { location, slot } = present(
      best(from, ({ node }) => usedShareOf(node)),
      'a free slot',
    )
    slot.jobId = jobId
    slot.isLeftover = false
    slot.standbyFor = null
    return location
  }

  #free(): FreeSlot[] {
    return [...this.#nodes].flatMap(([nodeId, node]) =>
      node.slots.flatMap((slot, index) =>
        slot.jobId === null ? [{ location: { node: nodeId, slot: index }, node, slot }] : [],
      ),
    )
  }
}

interface FreeSlot {
  readonly location: SlotLocation
  readonly node: Node
  readonly slot: Slot
}

/** The first of those with the smallest cost. */
function best(slots: readonly FreeSlot[], costOf: (slot: FreeSlot) => number): FreeSlot | undefined {
  let found: { readonly slot: FreeSlot; readonly cost: number } | undefined
  for (const slot of slots) {
    const cost = costOf(slot)
    if (found === undefined || cost < found.cost) found = { slot, cost }
  }
  return found?.slot
}

const usedShareOf = ({ slots }: Node): number =>
  slots.filter(({ jobId }) => jobId !== null).length / slots.length

/** What of a job would be lost together with a node; and, where that is the same, the node that has less to do. */
function sharesOf(node: Node, jobId: string): number {
  const ofJob = node.slots.filter((slot) => slot.jobId === jobId || slot.standbyFor === jobId).length
  return ofJob + usedShareOf(node) / 2
}

/** The number of slots never changes while a process lives. */
function isSameProcess({ report, slots }: Node, { incarnation, slots: reported }: NodeReport): boolean {
  return report.incarnation === incarnation && slots.length === reported.length
}

/** How `request` slots spread over equal task managers: the number taken from each, most first. */
export function spreadOut(taskManagers: number, slotsEach: number, request: number): number[] {
  const ledger = new SlotLedger(Number.POSITIVE_INFINITY)
  for (let i = 0; i < taskManagers; i++) {
    const slots = Array.from({ length: slotsEach }, () => ({ incarnation: '', jobId: null }))
    ledger.onReport({ nodeId: `${i}`, incarnation: '', host: '', pid: 0, version: '', slots }, 0)
  }
  ledger.onRequest('job', request)
  return ledger
    .nodes()
    .map(({ slots }) => slots.filter(({ jobId }) => jobId !== null).length)
    .sort((a, b) => b - a)
}
