/**
 * The slot ledger, driven by text. Slots are written `node/index`; a node reports its incarnation and its slots, each
 * with the incarnation of its thread and the job it runs, if any.
 *
 *     at 500                        time, ms
 *     node n.1 x3                   three idle slots
 *     node n.1 t0:job t1 t2         the same spelt out
 *     leave n
 *     request job 2                 request job 2 n/0: two more than the one it has
 *     adopt job n/0 n/1             slots that the job was given by another leader; before anything else
 *     standby job 2                 the slots that stand by for it then
 *     jobs a b                      those that have not ended
 *     release job                   release job n/0 n/1
 *     tick
 *     taken n.2                     whether the id is taken
 *     show
 */
import type { SlotLocation } from '../../../lib/graph/execution-graph.ts'
import { type LedgerOrder, type NodeReport, SlotLedger } from '../../../lib/scheduler/slot-ledger.ts'
import { describeSlot } from './job-play.ts'

const NODE_TIMEOUT_MS = 10_000

export class LedgerPlay {
  readonly ledger = new SlotLedger(NODE_TIMEOUT_MS)
  #nowMs = 0

  play(command: string): string[] {
    const [verb, ...words] = command.split(/\s+/) as [string, ...string[]]
    if (verb === 'at') {
      this.#nowMs = Number(words[0])
      return []
    }
    if (verb === 'show') return this.#show()
    if (verb === 'taken') return [this.ledger.isTaken(reportOf(words), this.#nowMs) ? 'yes' : 'no']
    if (verb === 'standby') {
      const slots = this.ledger.onStandby(words[0]!, Number(words[1]))
      return [slots.map(describeSlot).join(' ') || 'none']
    }
    return this.#ordersOf(verb, words).map(describeOrder)
  }

  #ordersOf(verb: string, words: string[]): LedgerOrder[] {
    const [first, ...rest] = words
    switch (verb) {
      case 'node':
        return this.ledger.onReport(reportOf(words), this.#nowMs)
      case 'leave':
        return this.ledger.onLeave(first!)
      case 'request':
        return this.ledger.onRequest(first!, Number(rest[0]), rest.slice(1).map(slotOf))
      case 'adopt':
        this.ledger.onAdopt(first!, rest.map(slotOf))
        return []
      case 'jobs':
        return this.ledger.onJobs((jobId) => words.includes(jobId))
      case 'release':
        return this.ledger.onRelease(first!, rest.length === 0 ? undefined : rest.map(slotOf))
      case 'tick':
        return this.ledger.onTick(this.#nowMs)
      default:
        throw new Error(`unknown command: ${verb}`)
    }
  }

  #show(): string[] {
    const { freeSlotCount, slotCount } = this.ledger
    const nodes = this.ledger.nodes().map(({ nodeId, slots }) => {
      return `${nodeId}: ${slots.map(({ jobId }) => jobId ?? '-').join(' ')}`
    })
    return [`${freeSlotCount} of ${slotCount} slots are free`, ...nodes]
  }
}

function describeOrder(order: LedgerOrder): string {
  switch (order.kind) {
    case 'grant':
      return `grant ${order.jobId} ${order.slots.map(describeSlot).join(' ')}`
    case 'lost':
      return `lost ${order.jobId} ${order.slots.map(describeSlot).join(' ')} (${order.reason})`
    case 'nodeJoined':
      return `joined ${order.nodeId}`
    case 'nodeLost':
      return `node lost ${order.nodeId} (${order.reason})`
  }
}

function reportOf([node, ...slots]: readonly string[]): NodeReport {
  const [nodeId, incarnation] = node!.split('.') as [string, string]
  const count = /^x(\d+)$/.exec(slots[0] ?? '')?.[1]
  const spelt = count === undefined ? slots : Array.from({ length: Number(count) }, (_, i) => `t${i}`)
  return {
    nodeId,
    incarnation,
    host: 'host',
    pid: 1,
    version: '1',
    slots: spelt.map((slot) => {
      const [thread, jobId] = slot.split(':') as [string, string | undefined]
      return { incarnation: thread, jobId: jobId ?? null }
    }),
  }
}

function slotOf(text: string): SlotLocation {
  const [node, slot] = text.split('/') as [string, string]
  return { node, slot: Number(slot) }
}
