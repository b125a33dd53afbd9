/** Cases of what makes, merges and multiplexes watermarks. */

import { WatermarkMultiplexer } from '../../lib/time/watermark-multiplexer.ts'
import {
  ascendingTimestamps,
  boundedOutOfOrderness,
  punctuated,
  type WatermarkOutput,
  type WatermarkStrategy,
} from '../../lib/time/watermark-strategy.ts'
import { WatermarkValve } from '../../lib/time/watermark-valve.ts'
import {
  CaseError,
  checkFields,
  isObject,
  type Json,
  type JsonObject,
  numberOf,
  objectOf,
  stringOf,
} from './case.ts'
import { parseTime, toJson } from './literals.ts'
import { nodeOf, openOperator } from './operator-subject.ts'
import type { Adapter, Subject } from './run-case.ts'

type Element = readonly [string, Json]

export const generationAdapter: Adapter = {
  variants: (config) => {
    checkFields(config, 'config', ['op', 'interval', 'generator', 'timestamp', 'idleTimeout'])
    checkOp(config, 'timestamps-watermarks')
    const strategy = strategyOf(config)
    // The map keeps the strategy from being handed to the source.
    const node = nodeOf((newStream) =>
      newStream()
        .map((value) => value as unknown as Element)
        .watermarks(strategy),
    )
    return [{ name: '', open: () => openOperator(node, numberOf(config, 'interval')) }]
  },
}

function strategyOf(config: JsonObject): WatermarkStrategy<Element> {
  if (config.timestamp !== 'f1') throw new CaseError(`unknown timestamp ${JSON.stringify(config.timestamp)}`)
  const strategy = generatorOf(objectOf(config, 'generator')).withTimestamps(([, timestamp]) =>
    parseTime(timestamp),
  )
  return config.idleTimeout === undefined ? strategy : strategy.withIdleness(numberOf(config, 'idleTimeout'))
}

function generatorOf(config: JsonObject): WatermarkStrategy<Element> {
  checkFields(config, 'generator', ['type', 'delay'])
  switch (config.type) {
    case 'ascending':
      return ascendingTimestamps()
    case 'bounded-out-of-orderness':
      return boundedOutOfOrderness(numberOf(config, 'delay'))
    case 'punctuated':
      return punctuated(([mark], timestamp) => (mark === 'mark' ? timestamp : undefined))
    default:
      throw new CaseError(`unknown generator ${JSON.stringify(config)}`)
  }
}

export const valveAdapter: Adapter = {
  variants: (config) => {
    checkFields(config, 'config', ['op', 'channels'])
    checkOp(config, 'watermark-valve')
    return [{ name: '', open: () => openValve(numberOf(config, 'channels')) }]
  },
}

function openValve(channelCount: number): Subject {
  let outputs: Json[] = []
  const valve = new WatermarkValve(channelCount, {
    watermark: (timestamp) => outputs.push({ watermark: toJson(timestamp) }),
    status: (isIdle) => outputs.push({ status: isIdle ? 'idle' : 'active' }),
  })
  return {
    step(step) {
      outputs = []
      checkFields(step, 'step', ['channel', 'watermark', 'status'])
      const channel = numberOf(step, 'channel')
      if (step.watermark !== undefined) valve.onWatermark(channel, parseTime(step.watermark))
      else valve.onStatus(channel, isIdle(step))
      return outputs
    },
  }
}

export const multiplexerAdapter: Adapter = {
  variants: (config) => {
    checkFields(config, 'config', ['op'])
    checkOp(config, 'watermark-multiplexer')
    return [{ name: '', open: openMultiplexer }]
  },
  normalize: collapseIdle,
}

function openMultiplexer(): Subject {
  let outputs: Json[] = []
  const multiplexer = new WatermarkMultiplexer({
    emitWatermark: (timestamp) => outputs.push({ watermark: toJson(timestamp) }),
    markIdle: () => outputs.push({ status: 'idle' }),
    markActive: () => outputs.push({ status: 'active' }),
  })
  return {
    step(step) {
      outputs = []
      checkFields(step, 'step', [
        'register',
        'unregister',
        'output',
        'watermark',
        'status',
        'deferred',
        'periodic',
      ])
      if (step.register !== undefined) multiplexer.register(stringOf(step, 'register'))
      else if (step.unregister !== undefined) multiplexer.unregister(stringOf(step, 'unregister'))
      else if (step.periodic === true) multiplexer.onPeriodicEmit()
      else {
        const id = stringOf(step, 'output')
        emit(step, step.deferred === true ? multiplexer.deferred(id) : multiplexer.immediate(id))
      }
      return outputs
    },
  }
}

function emit(step: JsonObject, output: WatermarkOutput): void {
  if (step.watermark !== undefined) output.emitWatermark(parseTime(step.watermark))
  else if (isIdle(step)) output.markIdle()
  else output.markActive()
}

/** Without what the format leaves open: idle said again while no watermark has come. */
function collapseIdle(steps: readonly (readonly Json[])[]): readonly (readonly Json[])[] {
  let isIdleNow = false
  return steps.map((outputs) =>
    outputs.filter((output) => {
      const wasIdle = isIdleNow
      isIdleNow = isObject(output) && output.status === 'idle'
      return !(wasIdle && isIdleNow)
    }),
  )
}

function isIdle({ status }: JsonObject): boolean {
  if (status === 'idle' || status === 'active') return status === 'idle'
  throw new CaseError(`unknown status ${JSON.stringify(status)}`)
}

function checkOp({ op }: JsonObject, expected: string): void {
  if (op !== expected) throw new CaseError(`expected op ${expected}, found ${JSON.stringify(op)}`)
}
