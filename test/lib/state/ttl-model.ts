/**
 * Random histories of one state with a time-to-live beside a model of it: per key a list of elements with the time of
 * their last access, of which those that have expired are simply overlooked. A clock moves on between the steps;
 * snapshots are frozen at any moment and drained while the history goes on, and at any moment the state may be thrown
 * away and rebuilt from the last complete ones.
 */
import assert from 'node:assert/strict'
import fc from 'fast-check'
import { KeyedSnapshot } from '../../../lib/state/keyed-snapshot.ts'
import type { KeyedStateBackend } from '../../../lib/state/keyed-state-backend.ts'
import type { AggregatingState, ReducingState, ValueState } from '../../../lib/state/state.ts'
import { copyOfChunk, type StateChunk } from '../../../lib/state/state-chunk.ts'
import {
  aggregatingState,
  listState,
  mapState,
  reducingState,
  type StateDescriptor,
  type StateOptions,
  valueState,
} from '../../../lib/state/state-descriptor.ts'
import type { SnapshotKind } from '../../../lib/state/state-table.ts'
import { t as types } from '../../../lib/types/t.ts'
import { load, newBackend } from './backends.ts'
import { snapshotKind } from './table-model.ts'

/** One value, element of a list or entry of a map; accumulators are values. */
interface Element {
  readonly sub: number
  value: number
  /** How many values are in it; for averages. */
  count: number
  at: number
}

/** What a verb is to do on the model: `live` are the elements of the key that have not expired. */
interface ModelCall {
  readonly live: Element[]
  readonly n: number
  readonly now: number
  /** Notes that elements have been read. */
  readonly read: (elements: readonly Element[]) => void
}

interface Verb<S> {
  /** Does it to the state; returns what can be seen. */
  readonly act: (state: S, n: number) => unknown
  /** Does it to the model; returns the elements there are afterwards, and what should be seen. */
  readonly expect: (call: ModelCall) => readonly [Element[], unknown?]
}

export interface Kind<S> {
  readonly describe: (options: StateOptions) => StateDescriptor<S>
  readonly verbs: readonly Verb<S>[]
}

const element = (value: number, at: number, sub = 0): Element => ({ sub, value, count: 1, at })

const clear: Verb<{ clear(): void }> = { act: (state) => state.clear(), expect: () => [[]] }

/** The verb that reads the one value there is. */
function reading<S>(act: (state: S) => unknown, see = (it: Element): unknown => it.value): Verb<S> {
  return {
    act,
    expect: ({ live, read }) => {
      read(live)
      return [live, live[0] === undefined ? undefined : see(live[0])]
    },
  }
}

/** The verb that adds to the one value there is. */
function adding<S>(act: (state: S, n: number) => void): Verb<S> {
  return {
    act,
    expect: ({ live, n, now }) => {
      const { value, count } = live[0] ?? { value: 0, count: 0 }
      return [[{ sub: 0, value: value + n, count: count + 1, at: now }]]
    },
  }
}

function kind<S extends { clear(): void }>(
  describe: (options: StateOptions) => StateDescriptor<S>,
  ...verbs: Verb<S>[]
): Kind<never> {
  return { describe, verbs: [...verbs, clear] } as unknown as Kind<never>
}

interface Sum {
  sum: number
  count: number
}

/** Changes its accumulator in place, as users may. */
const average = {
  createAccumulator: (): Sum => ({ sum: 0, count: 0 }),
  add: (value: number, all: Sum): Sum => {
    all.sum += value
    all.count++
    return all
  },
  getResult: ({ sum, count }: Sum) => sum / count,
}

const sumType = types.object({ sum: types.float64, count: types.int32 })
const subOf = (n: number): number => n % 3
const at = (live: readonly Element[], n: number) => live.filter(({ sub }) => sub === subOf(n))
const others = (live: readonly Element[], n: number) => live.filter(({ sub }) => sub !== subOf(n))

export const KINDS: Readonly<Record<string, Kind<never>>> = {
  value: kind(
    (options) => valueState('s', types.int64, options),
    { act: (state, n) => state.update(n), expect: ({ n, now }) => [[element(n, now)]] },
    reading<ValueState<number>>((state) => state.value()),
  ),
  list: kind(
    (options) => listState('s', types.int64, options),
    { act: (state, n) => state.add(n), expect: ({ live, n, now }) => [[...live, element(n, now)]] },
    {
      act: (state, n) => state.addAll([n, n + 1]),
      expect: ({ live, n, now }) => [[...live, element(n, now), element(n + 1, now)]],
    },
    {
      act: (state, n) => state.update(n % 4 === 0 ? [] : [n]),
      expect: ({ n, now }) => [n % 4 === 0 ? [] : [element(n, now)]],
    },
    {
      act: (state) => [...state.get()],
      expect: ({ live, read }) => {
        read(live)
        return [live, live.map(({ value }) => value)]
      },
    },
  ),
  map: kind(
    (options) => mapState<number, number>('s', types.int64, options),
    {
      act: (state, n) => state.set(subOf(n), n),
      expect: ({ live, n, now }) => [[...others(live, n), element(n, now, subOf(n))]],
    },
    {
      act: (state, n) => [state.has(subOf(n)), state.get(subOf(n))],
      expect: ({ live, n, read }) => {
        const found = at(live, n)
        read(found)
        return [live, [found.length > 0, found[0]?.value]]
      },
    },
    { act: (state, n) => state.delete(subOf(n)), expect: ({ live, n }) => [others(live, n)] },
    { act: (state) => state.size, expect: ({ live }) => [live, live.length] },
    {
      // Sorted: an entry set again after it has expired may be where it was or last.
      act: (state) => [...state.entries()].sort(([a], [b]) => a - b),
      expect: ({ live, read }) => {
        read(live)
        return [live, live.map(({ sub, value }) => [sub, value]).sort(([a], [b]) => a! - b!)]
      },
    },
  ),
  reducing: kind(
    (options) => reducingState<number>('s', (a, b) => a + b, types.float64, options),
    adding<ReducingState<number>>((state, n) => state.add(n)),
    reading<ReducingState<number>>((state) => state.get()),
  ),
  aggregating: kind(
    (options) => aggregatingState('s', average, sumType, options),
    adding<AggregatingState<number, number>>((state, n) => state.add(n)),
    reading<AggregatingState<number, number>>(
      (state) => state.get(),
      ({ value, count }) => value / count,
    ),
  ),
}

export type Step =
  | { readonly do: 'use'; readonly key: string; readonly verb: number; readonly n: number }
  | { readonly do: 'tick'; readonly ms: number }
  | { readonly do: 'freeze'; readonly kind: SnapshotKind }
  | { readonly do: 'drain'; readonly count: number }
  | { readonly do: 'restore' }

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.record({
      do: fc.constant('use' as const),
      key: fc.constantFrom('a', 'b', 'c', 'd'),
      verb: fc.nat(19),
      n: fc.nat(20),
    }),
  },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('tick' as const), ms: fc.nat(7) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('freeze' as const), kind: snapshotKind }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('drain' as const), count: fc.nat(3) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('restore' as const) }) },
)

export const history: fc.Arbitrary<Step[]> = fc.array(step, { minLength: 20, maxLength: 150 })

export const TTL_MS = 10

type Model = Map<string, Element[]>

interface Frozen {
  readonly kind: SnapshotKind
  readonly chunks: StateChunk[]
  readonly snapshot: KeyedSnapshot
  readonly model: Model
}

/** A state and its model, and the snapshots of both. Expired state must never be seen. */
class Play {
  readonly #kind: Kind<never>
  readonly #descriptor: StateDescriptor<never>
  readonly #refreshesOnRead: boolean
  readonly #clock = { nowMs: 1000, now: () => this.#clock.nowMs }
  #backend: KeyedStateBackend
  #model: Model = new Map()
  #frozen: Frozen | null = null
  /** The last full snapshot and the deltas after it, and the model at the last of them. */
  #saved: { readonly chunks: readonly StateChunk[]; readonly model: Model } = { chunks: [], model: new Map() }

  constructor(kind: Kind<never>, refreshesOnRead: boolean) {
    this.#kind = kind
    this.#refreshesOnRead = refreshesOnRead
    const refresh = refreshesOnRead ? 'read-and-write' : 'create-and-write'
    this.#descriptor = kind.describe({ ttl: { after: TTL_MS, refresh } })
    this.#backend = newBackend()
    this.#declare(this.#backend)
    this.#backend.track()
  }

  perform(step: Step): void {
    if (step.do === 'tick') this.#clock.nowMs += step.ms
    else if (step.do === 'use')
      this.#use(step.key, this.#kind.verbs[step.verb % this.#kind.verbs.length]!, step.n)
    else if (step.do === 'freeze') this.#freeze(step.kind)
    else if (step.do === 'drain') this.#drain(step.count)
    else this.#restore()
  }

  #declare(backend: KeyedStateBackend): void {
    backend.useClock(this.#clock)
    backend.state(this.#descriptor)
  }

  #use(key: string, verb: Verb<never>, n: number): void {
    const now = this.#clock.nowMs
    const read = (elements: readonly Element[]) => {
      if (this.#refreshesOnRead) for (const each of elements) each.at = now
    }
    const live = (this.#model.get(key) ?? []).filter((each) => each.at + TTL_MS > now)
    const [elements, expected] = verb.expect({ live, n, now, read })
    this.#model.set(key, elements)
    this.#backend.context.set(key, -1)
    assert.deepEqual(verb.act(this.#backend.state(this.#descriptor), n), expected)
    assert.equal(this.#backend.context.key, key, 'the key is still current')
  }

  #freeze(kind: SnapshotKind): void {
    if (this.#frozen !== null) return
    const chunks: StateChunk[] = []
    const snapshot = new KeyedSnapshot(this.#backend, kind, (chunk) => chunks.push(copyOfChunk(chunk)))
    this.#frozen = { kind, chunks, snapshot, model: structuredClone(this.#model) }
  }

  #drain(count: number): void {
    const frozen = this.#frozen
    if (frozen === null || !frozen.snapshot.drain(count)) return
    const before = frozen.kind === 'delta' ? this.#saved.chunks : []
    if (frozen.kind !== 'savepoint')
      this.#saved = { chunks: [...before, ...frozen.chunks], model: frozen.model }
    this.#frozen = null
  }

  #restore(): void {
    while (this.#frozen !== null) this.#drain(Number.MAX_SAFE_INTEGER)
    this.#backend = load(this.#saved.chunks, (backend) => this.#declare(backend))
    this.#backend.track()
    this.#model = structuredClone(this.#saved.model)
  }
}

/** Plays a history; throws where state and model differ. */
export function play(kind: Kind<never>, refreshesOnRead: boolean, steps: readonly Step[]): void {
  const both = new Play(kind, refreshesOnRead)
  for (const step of steps) both.perform(step)
  for (const key of ['a', 'b', 'c', 'd']) {
    for (const [verb] of kind.verbs.entries()) both.perform({ do: 'use', key, verb, n: 1 })
  }
}
