/** Scenarios as text, and random histories, which never break what the header of the source promises. */
import assert from 'node:assert/strict'
import fc from 'fast-check'
import t from 'tap'
import type { SlotLocation } from '../../../lib/graph/execution-graph.ts'
import { assignSlots, slotCountOf } from '../../../lib/scheduler/assign-slots.ts'
import { type LedgerOrder, SlotLedger, spreadOut } from '../../../lib/scheduler/slot-ledger.ts'
import { playScenarios } from '../../support/scenario.ts'
import { graphOf } from './job-play.ts'
import { LedgerPlay } from './ledger-play.ts'

const NODE_TIMEOUT_MS = 1000

type Choice =
  | { readonly kind: 'report' | 'restart' | 'leave'; readonly node: number }
  | { readonly kind: 'replace'; readonly node: number; readonly slot: number }
  | { readonly kind: 'request'; readonly job: number; readonly count: number }
  | { readonly kind: 'standby'; readonly job: number; readonly count: number }
  | { readonly kind: 'release'; readonly job: number; readonly isWhole: boolean }
  | { readonly kind: 'wait'; readonly ms: number }

const node = fc.nat(3)
const job = fc.nat(4)
const choice: fc.Arbitrary<Choice> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('report' as const), node }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constantFrom('restart' as const, 'leave' as const), node }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('replace' as const), node, slot: fc.nat(3) }) },
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant('request' as const),
      job,
      count: fc.integer({ min: 1, max: 5 }),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant('standby' as const), job, count: fc.nat(3) }),
  },
  { weight: 5, arbitrary: fc.record({ kind: fc.constant('release' as const), job, isWhole: fc.boolean() }) },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant('wait' as const), ms: fc.constantFrom(10, 400, 1001) }),
  },
)

const keyOf = ({ node, slot }: SlotLocation): string => `${node}/${slot}`
const slotOf = (key: string): SlotLocation => ({ node: key.split('/')[0]!, slot: Number(key.split('/')[1]) })

/** What jobs and nodes believe, going by what they were told. */
class World {
  readonly #ledger = new SlotLedger(NODE_TIMEOUT_MS)
  readonly #owners = new Map<string, string>()
  readonly #nodes = new Map<number, { incarnation: number; slots: number[] }>()
  #queue: { readonly job: string; readonly count: number }[] = []
  #nowMs = 0
  #incarnations = 0

  do(choice: Choice): void {
    switch (choice.kind) {
      case 'report':
        this.#report(choice.node)
        break
      case 'restart':
        this.#nodes.delete(choice.node)
        this.#report(choice.node)
        break
      case 'leave':
        this.#nodes.delete(choice.node)
        this.#follow(this.#ledger.onLeave(`n${choice.node}`))
        break
      case 'replace': {
        const slots = this.#nodes.get(choice.node)?.slots ?? []
        if (choice.slot < slots.length) slots[choice.slot] = ++this.#incarnations
        break
      }
      case 'request':
        this.#request(`j${choice.job}`, choice.count)
        break
      case 'standby':
        this.#standby(`j${choice.job}`, choice.count)
        break
      case 'release':
        this.#release(`j${choice.job}`, choice.isWhole)
        break
      case 'wait':
        this.#nowMs += choice.ms
        this.#follow(this.#ledger.onTick(this.#nowMs))
    }
    this.#check()
  }

  #report(index: number): void {
    const known = this.#nodes.get(index)
    const node = known ?? {
      incarnation: ++this.#incarnations,
      slots: Array.from({ length: index + 1 }, () => ++this.#incarnations),
    }
    this.#nodes.set(index, node)
    const nodeId = `n${index}`
    const slots = node.slots.map((incarnation, slot) => ({
      incarnation: `${incarnation}`,
      // A new process runs nothing yet.
      jobId: known === undefined ? null : (this.#owners.get(keyOf({ node: nodeId, slot })) ?? null),
    }))
    const report = { nodeId, incarnation: `${node.incarnation}`, host: 'h', pid: 1, version: '1', slots }
    this.#follow(this.#ledger.onReport(report, this.#nowMs))
  }

  #request(job: string, count: number): void {
    const place = this.#queue.findIndex((request) => request.job === job)
    if (place >= 0) this.#queue[place] = { job, count }
    else this.#queue.push({ job, count })
    const held = [...this.#owners].filter(([, owner]) => owner === job).map(([key]) => slotOf(key))
    this.#follow(this.#ledger.onRequest(job, count, held))
  }

  /** That it changes nothing for anybody else is what all the other checks are for. */
  #standby(job: string, count: number): void {
    const before = this.#ledger.freeSlotCount
    const slots = this.#ledger.onStandby(job, count).map(keyOf)
    assert(slots.length <= count && new Set(slots).size === slots.length)
    assert(
      slots.every((slot) => !this.#owners.has(slot)),
      'L5: they are free',
    )
    assert.deepEqual(this.#ledger.onStandby(job, count).map(keyOf).sort(), slots.sort(), 'and stay the same')
    assert.equal(this.#ledger.freeSlotCount, before)
  }

  #release(job: string, isWhole: boolean): void {
    const mine = [...this.#owners].filter(([, owner]) => owner === job).map(([key]) => key)
    const given = isWhole ? mine : mine.slice(0, 1)
    for (const key of given) this.#owners.delete(key)
    if (isWhole) this.#queue = this.#queue.filter((request) => request.job !== job)
    const locations = given.map(slotOf)
    this.#follow(this.#ledger.onRelease(job, isWhole ? undefined : locations))
  }

  #follow(orders: readonly LedgerOrder[]): void {
    for (const order of orders) {
      if (order.kind === 'grant') {
        const next = this.#queue.shift()
        assert.deepEqual({ job: order.jobId, count: order.slots.length }, next, 'L2: whole, and in turn')
        for (const slot of order.slots) {
          assert(!this.#owners.has(keyOf(slot)), `L1: ${keyOf(slot)} has no owner`)
          this.#owners.set(keyOf(slot), order.jobId)
        }
      } else if (order.kind === 'lost') {
        for (const slot of order.slots) {
          assert.equal(this.#owners.get(keyOf(slot)), order.jobId, `${keyOf(slot)} was of ${order.jobId}`)
          this.#owners.delete(keyOf(slot))
        }
      }
    }
  }

  #check(): void {
    const nodes = this.#ledger.nodes()
    for (const { lastSeenMs } of nodes) {
      assert(this.#nowMs - lastSeenMs <= NODE_TIMEOUT_MS, 'L3: nobody is kept who is silent')
    }
    const owners = nodes.flatMap(({ nodeId, slots }) =>
      slots.flatMap(({ jobId }, slot): [string, string][] =>
        jobId === null ? [] : [[`${nodeId}/${slot}`, jobId]],
      ),
    )
    assert.deepEqual(new Map(owners.sort()), new Map([...this.#owners].sort()), 'everybody was told')
    const head = this.#queue[0]
    assert(head === undefined || this.#ledger.freeSlotCount < head.count, 'nobody waits for what is there')
    assert.equal(this.#ledger.slotCount - this.#ledger.freeSlotCount, owners.length)
  }
}

t.test('slot ledger - no history breaks its promises', async (t) => {
  const property = fc.property(fc.array(choice, { maxLength: 100 }), (choices) => {
    const world = new World()
    for (const each of choices) world.do(each)
  })
  t.doesNotThrow(() => fc.assert(property, { numRuns: 500, seed: 1 }))
})

t.test('slot ledger - a large job gets its turn however many small ones come and go', async (t) => {
  const ledger = new SlotLedger(NODE_TIMEOUT_MS)
  const slots = Array.from({ length: 4 }, (_, i) => ({ incarnation: `${i}`, jobId: null }))
  ledger.onReport({ nodeId: 'n', incarnation: '1', host: '', pid: 1, version: '', slots }, 0)
  ledger.onRequest('small 0', 1)
  ledger.onRequest('large', 4)
  let turns = 0
  for (let i = 1; i < 100; i++) {
    ledger.onRequest(`small ${i}`, 1)
    const orders = ledger.onRelease(`small ${i - 1}`)
    turns++
    if (orders.some((order) => order.kind === 'grant' && order.jobId === 'large')) break
  }
  t.equal(turns, 1)
})

t.test('slot ledger - requests are spread over equal nodes', async (t) => {
  t.same(spreadOut(3, 4, 5), [2, 2, 1])
  t.same(spreadOut(2, 2, 4), [2, 2])
  t.same(spreadOut(4, 1, 2), [1, 1, 0, 0])
})

t.test('assign slots - slot i of a group runs subtask i of each of its vertices', async (t) => {
  const graph = graphOf(['a:2', 'b:3', 'c:1/other'])
  const slots = Array.from({ length: 4 }, (_, slot) => ({ node: 'n', slot }))
  t.equal(slotCountOf(graph), 4)
  t.same(assignSlots(graph, slots), { a: slots.slice(0, 2), b: slots.slice(0, 3), c: [slots[3]] })
  t.throws(() => assignSlots(graph, slots.slice(1)), /4 slots/)
})

playScenarios('slot-ledger', () => {
  const ledger = new LedgerPlay()
  return (command) => ledger.play(command)
})
