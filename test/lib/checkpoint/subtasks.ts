/** The subtasks of one operator with state of every sort, saved and begun from a share of what was saved. */
import { ByteWriter } from '../../../lib/base/byte-writer.ts'
import type { AssignedState } from '../../../lib/checkpoint/assign-state.ts'
import type { OperatorRecord } from '../../../lib/checkpoint/checkpoint-files.ts'
import { writeChunk, writeRest } from '../../../lib/checkpoint/snapshot-blob.ts'
import { FrozenSubtask, type SubtaskSnapshot } from '../../../lib/checkpoint/subtask-snapshot.ts'
import { keyGroupOf, subtaskOfKeyGroup } from '../../../lib/state/key-group.ts'
import type { KeyedStateBackend } from '../../../lib/state/keyed-state-backend.ts'
import { OperatorStateBackend } from '../../../lib/state/operator-state.ts'
import { mapState, valueState } from '../../../lib/state/state-descriptor.ts'
import { t as types } from '../../../lib/types/t.ts'
import { contentsOf, load, MAX_PARALLELISM } from '../state/backends.ts'
import { CollectingTarget } from './collecting-target.ts'

const total = valueState('total', types.int64)
const rules = mapState<string, number>('rules', types.int64)

export const OPERATOR_ID = 'op'

function declare(backend: KeyedStateBackend): void {
  backend.state(total)
  backend.timerTable('timers/event')
}

export class Subtask {
  readonly keyed: KeyedStateBackend
  readonly #operatorState = new OperatorStateBackend()

  constructor({ keyed, operatorState }: AssignedState, parallelism: number, index: number) {
    this.keyed = load(keyed, declare, parallelism, index)
    this.#operatorState.restore(operatorState)
  }

  get splits() {
    return this.#operatorState.listState('splits', types.string, 'split')
  }

  get unions() {
    return this.#operatorState.listState('unions', types.string, 'union')
  }

  get rules() {
    return this.#operatorState.broadcastState(rules)
  }

  add(key: string, value: number): void {
    this.keyed.context.set(key, -1)
    this.keyed.state(total).update(value)
  }

  /** `entryCount` entries at a time. */
  save(entryCount = 3): SubtaskSnapshot {
    const operator = { id: OPERATOR_ID, keyed: this.keyed, operatorState: this.#operatorState }
    const target = new CollectingTarget()
    const frozen = new FrozenSubtask([operator], target, null)
    for (;;) {
      const operators = frozen.drain(entryCount)
      const watermark = Number.NEGATIVE_INFINITY
      if (operators !== null) return target.whole({ operators, watermark, inputs: [] })
    }
  }
}

export interface Contents {
  readonly keyed: unknown
  readonly splits: readonly string[]
  readonly unions: readonly (readonly string[])[]
  readonly rules: readonly (readonly [string, number][])[]
}

/** What the subtasks have together; fails if a key is there twice or astray. */
export function contentsOfAll(subtasks: readonly Subtask[]): Contents {
  return {
    keyed: contentsOf(subtasks.map(({ keyed }) => keyed)),
    splits: subtasks.flatMap(({ splits }) => splits.get()),
    unions: subtasks.map(({ unions }) => [...unions.get()]),
    rules: subtasks.map(({ rules }) => [...rules.entries()]),
  }
}

/** Subtasks that have what `values` says: list elements in turn, keys where they belong, rules everywhere. */
export function newSubtasks(parallelism: number, values: readonly number[]): Subtask[] {
  const subtasks = Array.from(
    { length: parallelism },
    (_, index) => new Subtask({ operatorState: [], keyed: [] }, parallelism, index),
  )
  for (const value of values) {
    const key = `key ${value}`
    const owner = subtaskOfKeyGroup(MAX_PARALLELISM, parallelism, keyGroupOf(key, MAX_PARALLELISM))
    subtasks[owner]!.add(key, value)
    const { splits, unions } = subtasks[value % parallelism]!
    splits.update([...splits.get(), `split ${value}`])
    unions.update([...unions.get(), `union ${value}`])
    for (const { rules } of subtasks) rules.set(`rule ${value % 3}`, value)
  }
  return subtasks
}

export function recordOf(parallelism: number, more: Partial<OperatorRecord> = {}): OperatorRecord {
  return {
    id: OPERATOR_ID,
    name: 'the operator',
    parallelism,
    maxParallelism: MAX_PARALLELISM,
    subtasks: Array.from({ length: parallelism }, (_, index) => `v/${index}`),
    hasUnion: true,
    states: [],
    ...more,
  }
}

/** The bytes of the one blob that a snapshot is. */
export function blobOf({ operators, ...others }: SubtaskSnapshot): Uint8Array {
  const out = new ByteWriter()
  for (const { id, keyed } of operators) for (const chunk of keyed) writeChunk(out, id, chunk)
  writeRest(out, { operators: operators.map((operator) => ({ ...operator, keyed: [] })), ...others })
  return out.toUint8Array()
}
