/**
 * The generated code of one operator chain. Every chain gets functions of its own, so that each call from operator to
 * operator, and from operator to user function, has one target and V8 can inline it: shared code would see the
 * functions of all chains in the thread and turn megamorphic (three times slower in our measurements).
 *
 * What is generated, for operator k: `d_k(value)` delivers a record to it, `w_k(timestamp)` a watermark; `c_k(value)`
 * and `s_k(tag, value)` take what it emits. The names are found again in the stack of an error, which is how it is put
 * down to the operator that threw it.
 */
import type { Key } from '../base/hash.ts'
import type { RecordBatch } from '../network/record-batch.ts'
import type { RecordWriter } from '../network/record-writer.ts'
import {
  type InlineCode,
  OneInputOperator,
  type Output,
  type StreamOperator,
  TwoInputOperator,
} from '../operator/stream-operator.ts'
import type { KeyContext } from '../state/key-context.ts'
import type { StatePrefetch } from '../state/state-prefetch.ts'

/** Where the main output or a side output of an operator goes. */
export interface ChainTargets {
  /** Indexes of operators in the same chain. */
  readonly operators: readonly number[]
  readonly writers: readonly RecordWriter[]
}

export interface ChainLink {
  readonly operator: StreamOperator<unknown>
  /** Of a keyed operator; used where it is not the head, whose inputs have their own. */
  readonly keying: Keying | null
  readonly main: ChainTargets
  readonly sides: ReadonlyMap<string, ChainTargets>
}

/** Processes records from..to of a batch; returns when done. */
export type BatchFunction = (batch: RecordBatch, from: number, to: number) => void

/** Makes the keys of a batch's records current, one after the other, and tells the prefetch of each. */
export type KeyFunction = (batch: RecordBatch, prefetch: StatePrefetch) => void

/** How the key of a record becomes the current one. */
export interface Keying {
  readonly keyOf: (value: never) => Key
  readonly keyContext: KeyContext
}

export interface ChainInput {
  /** Null on streams that are not keyed. */
  readonly keying: Keying | null
}

export interface CompiledChain {
  /** collect[k](value): what operator k's output does with a record. */
  readonly collect: readonly ((value: unknown) => void)[]
  readonly collectSide: readonly ((tag: string, value: unknown) => void)[]
  /** One per input of the head. */
  readonly inputs: readonly BatchFunction[]
  /** One per input of the head; null on streams that are not keyed. */
  readonly setKeys: readonly (KeyFunction | null)[]
  readonly watermark: readonly ((timestamp: number) => boolean)[]
}

/** Where a batch function that throws leaves the index of the record in the batch, for error messages. */
export const POSITION_CELL_INDEX = 1

/**
 * `time` is the chain's time cell: [0] the record's timestamp, [1] the position of a record that failed.
 * Operators must have been set up: their inline code may refer to what `setup` made.
 */
export function compileChain(
  links: readonly ChainLink[],
  inputs: readonly ChainInput[],
  time: Float64Array,
): CompiledChain {
  const scope = new Scope()
  scope.bind('time', time)
  const lines: string[] = []
  links.forEach((link, k) => {
    scope.bind(`operator_${k}`, link.operator)
    const emit = (expression: string) => emission(scope, link.main, expression)
    lines.push(`function c_${k}(value) { ${emit('value')} }`)
    lines.push(`function w_${k}(timestamp) { return operator_${k}.processWatermark(timestamp); }`)
    lines.push(`function s_${k}(tag, value) { switch (tag) {${sideCases(scope, link)} } }`)
    const setKey = k === 0 ? '' : keySetting(scope, link.keying, '-1')
    lines.push(...deliveries(scope, link.operator, k, emit, setKey))
  })
  lines.push(...inputs.map((input, index) => batchFunction(scope, input, index, links[0]!.operator)))
  lines.push(...inputs.map((input, index) => keyFunction(scope, input, index)))
  const list = (prefix: string) => `[${links.map((_, k) => `${prefix}_${k}`).join(', ')}]`
  const perInput = (prefix: string) => `[${inputs.map((_, index) => `${prefix}_${index}`).join(', ')}]`
  lines.push(
    `return { collect: ${list('c')}, collectSide: ${list('s')}, watermark: ${list('w')}, inputs: ${perInput('input')}, setKeys: ${perInput('keys')} };`,
  )
  return scope.run(lines.join('\n')) as CompiledChain
}

/** A frame of generated code. Its name alone might be that of a user's function, or a word in a message. */
const GENERATED_FRAME = /^\s+at (?:\w+\.)?[cdsw]_(\d+)(?:_[12])?(?: \[as \w+\])? \(eval at /m

/** The index of the operator whose code is innermost in an error's stack, or null. */
export function operatorInStack(stack: string): number | null {
  const match = GENERATED_FRAME.exec(stack)
  return match === null ? null : Number(match[1])
}

/** The variables generated code can see. */
class Scope {
  readonly #names: string[] = []
  readonly #values: unknown[] = []

  bind(name: string, value: unknown): string {
    this.#names.push(name)
    this.#values.push(value)
    return name
  }

  /** A name for `value` that is new or was given to the same value before. */
  nameOf(prefix: string, value: unknown): string {
    const known = this.#values.indexOf(value)
    return known >= 0 ? this.#names[known]! : this.bind(`${prefix}_${this.#names.length}`, value)
  }

  run(code: string): unknown {
    return new Function(...this.#names, `'use strict';\n${code}`)(...this.#values)
  }
}

function emission(scope: Scope, targets: ChainTargets, expression: string): string {
  const calls = [
    ...targets.operators.map((k) => (argument: string) => `d_${k}(${argument});`),
    ...targets.writers.map((writer) => {
      const name = scope.nameOf('writer', writer)
      return (argument: string) => `${name}.collect(${argument});`
    }),
  ]
  if (calls.length === 0) return `${expression};`
  if (calls.length === 1) return calls[0]!(expression)
  return `{ const emitted = ${expression}; ${calls.map((call) => call('emitted')).join(' ')} }`
}

function sideCases(scope: Scope, link: ChainLink): string {
  return [...link.sides]
    .map(([tag, targets]) => ` case ${JSON.stringify(tag)}: ${emission(scope, targets, 'value')} break;`)
    .join('')
}

function deliveries(
  scope: Scope,
  operator: StreamOperator<unknown>,
  k: number,
  emit: (expression: string) => string,
  setKey: string,
): string[] {
  if (operator instanceof TwoInputOperator) {
    return [1, 2].map((n) => `function d_${k}_${n}(value) { operator_${k}.processElement${n}(value); }`)
  }
  if (operator instanceof OneInputOperator)
    return [`function d_${k}(value) { ${setKey}${inlined(scope, operator.inline(), k, emit)} }`]
  return []
}

/** The inline code of operator k, its bindings renamed so that they do not meet those of others. */
function inlined(scope: Scope, code: InlineCode, k: number, emit: (expression: string) => string): string {
  const names = Object.keys(code.bindings)
  const declared = names.map((name) => `${name} = ${scope.bind(`b_${k}_${name}`, code.bindings[name])}`)
  const constants = declared.length === 0 ? '' : `const ${declared.join(', ')}; `
  return constants + code.body(emit)
}

function keySetting(scope: Scope, keying: Keying | null, keyGroup: string): string {
  if (keying === null) return ''
  const { keyOf, keyContext } = keying
  return `${scope.nameOf('keys', keyContext)}.set(${scope.nameOf('keyOf', keyOf)}(value), ${keyGroup}); `
}

function batchFunction(
  scope: Scope,
  input: ChainInput,
  index: number,
  head: StreamOperator<unknown>,
): string {
  const deliver = head instanceof TwoInputOperator ? `d_0_${index + 1}` : 'd_0'
  return `function input_${index}(batch, from, to) {
    const values = batch.values, timestamps = batch.timestamps, keyGroups = batch.keyGroups;
    let i = from;
    try {
      for (; i < to; i++) {
        const value = values[i];
        time[0] = timestamps[i];
        ${keySetting(scope, input.keying, 'keyGroups[i]')}
        ${deliver}(value);
      }
    } catch (error) {
      time[${POSITION_CELL_INDEX}] = i;
      throw error;
    }
  }`
}

function keyFunction(scope: Scope, { keying }: ChainInput, index: number): string {
  if (keying === null) return `const keys_${index} = null;`
  return `function keys_${index}(batch, prefetch) {
    const values = batch.values, keyGroups = batch.keyGroups, count = batch.count;
    for (let i = 0; i < count; i++) {
      const value = values[i];
      ${keySetting(scope, keying, 'keyGroups[i]')}
      prefetch.want();
    }
  }`
}

/** An operator's output over compiled functions. */
export class ChainOutput implements Output<unknown> {
  collect: (value: unknown) => void = notWired
  collectSide: (tag: string, value: unknown) => void = notWired
  emitWatermark: (timestamp: number) => void = notWired
  emitStatus: (isIdle: boolean) => void = notWired
}

function notWired(): never {
  throw new Error('an operator emitted before its chain was compiled')
}
