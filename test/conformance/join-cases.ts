/** Cases of interval joins, with the buffers of both sides as facts. */
import type { DataStream } from '../../lib/api/streams.ts'
import { outputTag } from '../../lib/function/output-tag.ts'
import { CaseError, checkFields, type Json, type JsonObject, numberOf, stringOf } from './case.ts'
import { nodeOf, type OperatorSubject, openOperator } from './operator-subject.ts'
import type { Adapter, Subject } from './run-case.ts'

const CONFIG_FIELDS = [
  'op',
  'inputs',
  'keyBy',
  'lower',
  'lowerInclusive',
  'upper',
  'upperInclusive',
  'leftLateTag',
  'rightLateTag',
]

type Element = readonly [key: string, value: Json]

export const intervalJoinAdapter: Adapter = {
  variants: (config) => {
    checkFields(config, 'config', CONFIG_FIELDS)
    if (config.op !== 'interval-join') throw new CaseError(`unknown op ${JSON.stringify(config.op)}`)
    if (config.keyBy !== 'f0') throw new CaseError(`unknown keyBy ${JSON.stringify(config.keyBy)}`)
    const node = nodeOf((newStream) => addJoin(config, newStream))
    return [{ name: '', open: async () => withBuffers(await openOperator(node)) }]
  },
}

function addJoin(config: JsonObject, newStream: () => DataStream<Json>): void {
  const keyed = () => (newStream() as unknown as DataStream<Element>).keyBy(([key]) => key)
  let joined = keyed().intervalJoin(keyed()).between(numberOf(config, 'lower'), numberOf(config, 'upper'))
  if (config.lowerInclusive !== true) joined = joined.lowerExclusive()
  if (config.upperInclusive !== true) joined = joined.upperExclusive()
  if (config.leftLateTag !== undefined)
    joined = joined.leftLateOutput(outputTag(stringOf(config, 'leftLateTag')))
  if (config.rightLateTag !== undefined)
    joined = joined.rightLateOutput(outputTag(stringOf(config, 'rightLateTag')))
  joined.map((left, right) => [left, right])
}

/** `buffers`: the timestamps of the records that are still kept, by side. */
function withBuffers(subject: OperatorSubject): Subject {
  return {
    step: (step) => subject.step(step),
    close: () => subject.close(),
    facts: () => ({ buffers: { left: subject.subKeys('join/left'), right: subject.subKeys('join/right') } }),
  }
}
