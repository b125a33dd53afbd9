/** Assigners, triggers and evictors of window cases, made with the functions users have. */
import { countEvictor, deltaEvictor, type Evictor, timeEvictor } from '../../lib/window/evictor.ts'
import {
  continueForever,
  continuousEventTimeTrigger,
  continuousProcessingTimeTrigger,
  countTrigger,
  endOfStreamTrigger,
  eventTimeTrigger,
  processingTimeTrigger,
  purging,
  type Trigger,
} from '../../lib/window/trigger.ts'
import { Window } from '../../lib/window/window.ts'
import {
  endOfStreamWindow,
  globalWindow,
  session,
  sessionProcessingTime,
  sliding,
  slidingProcessingTime,
  tumbling,
  tumblingProcessingTime,
  type WindowAssigner,
} from '../../lib/window/window-assigner.ts'
import { CaseError, checkFields, type JsonObject, numberOf, objectOf } from './case.ts'

/** Elements of window cases: [key, number]. */
export type Element = readonly [string, number]

export function assignerOf(config: JsonObject): WindowAssigner<Element> {
  switch (config.type) {
    case 'tumbling-event':
      return tumbling(sizeOf(config, ['size']), offsetOf(config))
    case 'tumbling-processing':
      return tumblingProcessingTime(sizeOf(config, ['size']), offsetOf(config))
    case 'sliding-event':
      return sliding(sizeOf(config, ['size', 'slide']), numberOf(config, 'slide'), offsetOf(config))
    case 'sliding-processing':
      return slidingProcessingTime(
        sizeOf(config, ['size', 'slide']),
        numberOf(config, 'slide'),
        offsetOf(config),
      )
    case 'session-event':
      return session(gapOf(config))
    case 'session-processing':
      return sessionProcessingTime(gapOf(config))
    case 'dynamic-session-event':
      return session(gapFunctionOf(config))
    case 'dynamic-session-processing':
      return sessionProcessingTime(gapFunctionOf(config))
    case 'point-session-event':
      return pointSession(config)
    case 'global':
      checkFields(config, 'assigner', ['type'])
      return globalWindow()
    case 'global-end-of-stream':
      checkFields(config, 'assigner', ['type'])
      return endOfStreamWindow()
    default:
      throw new CaseError(`unknown assigner ${JSON.stringify(config)}`)
  }
}

function sizeOf(config: JsonObject, sizes: readonly string[]): number {
  checkFields(config, 'assigner', ['type', 'offset', ...sizes])
  return numberOf(config, 'size')
}

function offsetOf(config: JsonObject): { offset: number } {
  return { offset: config.offset === undefined ? 0 : numberOf(config, 'offset') }
}

function gapOf(config: JsonObject): number {
  checkFields(config, 'assigner', ['type', 'gap'])
  return numberOf(config, 'gap')
}

/** The gap of the first row whose key and, unless null, number are the element's. */
function gapFunctionOf(config: JsonObject): (element: Element) => number {
  checkFields(config, 'assigner', ['type', 'gaps', 'defaultGap'])
  const gaps = config.gaps as readonly (readonly [string, number | null, number])[]
  const defaultGap = numberOf(config, 'defaultGap')
  return ([key, value]) =>
    gaps.find((row) => row[0] === key && (row[1] === null || row[1] === value))?.[2] ?? defaultGap
}

/** A user's own merging assigner: sessions in which elements with a certain number are points, without a gap. */
function pointSession(config: JsonObject): WindowAssigner<Element> {
  checkFields(config, 'assigner', ['type', 'gap', 'pointValue'])
  const gap = numberOf(config, 'gap')
  const pointValue = numberOf(config, 'pointValue')
  return {
    name: 'point session',
    timeDomain: 'event',
    isMerging: true,
    fixedSizeMs: null,
    assign: ([, value], timestamp) => [
      new Window(timestamp, value === pointValue ? timestamp : timestamp + gap),
    ],
    defaultTrigger: eventTimeTrigger,
  }
}

export function triggerOf(config: JsonObject): Trigger<Element> {
  checkFields(config, 'trigger', ['type', 'n', 'inner', 'interval'])
  switch (config.type) {
    case 'event-time':
      return eventTimeTrigger()
    case 'processing-time':
      return processingTimeTrigger()
    case 'count':
      return countTrigger(numberOf(config, 'n'))
    case 'purging':
      return purging(triggerOf(objectOf(config, 'inner')))
    case 'continuous-event-time':
      return continuousEventTimeTrigger(numberOf(config, 'interval'))
    case 'continuous-processing-time':
      return continuousProcessingTimeTrigger(numberOf(config, 'interval'))
    case 'end-of-stream':
      return endOfStreamTrigger()
    case 'never':
      return continueForever()
    default:
      throw new CaseError(`unknown trigger ${JSON.stringify(config)}`)
  }
}

export function evictorOf(config: JsonObject): Evictor<Element> {
  checkFields(config, 'evictor', ['type', 'after', 'n', 'size', 'threshold'])
  const options = { after: config.after === true }
  switch (config.type) {
    case 'count':
      return countEvictor(numberOf(config, 'n'), options)
    case 'time':
      return timeEvictor(numberOf(config, 'size'), options)
    case 'delta':
      return deltaEvictor(numberOf(config, 'threshold'), ([, value], [, last]) => last - value, options)
    default:
      throw new CaseError(`unknown evictor ${JSON.stringify(config)}`)
  }
}
