/** Cases of keyed state with a time-to-live: a process function that does to its states what the records say. */
import type { DataStream } from '../../lib/api/streams.ts'
import type { Collector } from '../../lib/function/functions.ts'
import type { KeyedContext, KeyedProcessFunction } from '../../lib/function/process-functions.ts'
import type { RuntimeContext } from '../../lib/function/runtime-context.ts'
import type { ListState, MapState, ValueState } from '../../lib/state/state.ts'
import { listState, mapState, type StateOptions, valueState } from '../../lib/state/state-descriptor.ts'
import { CaseError, checkFields, type Json, type JsonObject, numberOf, stringOf } from './case.ts'
import { nodeOf, openOperator } from './operator-subject.ts'
import type { Adapter, Subject } from './run-case.ts'

const REFRESH = { OnCreateAndWrite: 'create-and-write', OnReadAndWrite: 'read-and-write' } as const
const VISIBILITY = {
  NeverReturnExpired: 'never-expired',
  ReturnExpiredIfNotCleanedUp: 'until-cleaned-up',
} as const

export const ttlAdapter: Adapter = {
  variants: (config) => {
    checkFields(config, 'config', ['op', 'ttl', 'updateType', 'visibility'])
    const ttl = {
      after: numberOf(config, 'ttl'),
      refresh: oneOf(REFRESH, config, 'updateType'),
      visibility: oneOf(VISIBILITY, config, 'visibility'),
    }
    return [{ name: '', open: () => openStates({ ttl }) }]
  },
}

function oneOf<T extends string>(names: Readonly<Record<string, T>>, config: JsonObject, field: string): T {
  const name = names[stringOf(config, field)]
  if (name === undefined) throw new CaseError(`unknown ${field} ${JSON.stringify(config[field])}`)
  return name
}

/** The steps of the suite, as records of one key and times of the clock. */
async function openStates(options: StateOptions): Promise<Subject> {
  const operator = await openOperator(
    nodeOf((newStream) =>
      (newStream() as unknown as DataStream<JsonObject>).keyBy(() => 'key').process(new States(options)),
    ),
  )
  return {
    async step(step) {
      if (step.snapshotRestore !== undefined) return operator.step(step)
      if (step.time !== undefined) return operator.step({ processingTime: step.time })
      return (await operator.step({ record: { value: step } })).map(toRead)
    },
    close: () => operator.close(),
  }
}

function toRead(output: Json): Json {
  const { record } = output as JsonObject
  return record === undefined ? output : { value: record }
}

/** Does what the records say. */
class States implements KeyedProcessFunction<string, JsonObject, Json> {
  readonly #options: StateOptions
  #value!: ValueState<Json>
  #list!: ListState<Json>
  #map!: MapState<string, Json>

  constructor(options: StateOptions) {
    this.#options = options
  }

  open(context: RuntimeContext): void {
    this.#value = context.state(valueState<Json>('value', undefined, this.#options))
    this.#list = context.state(listState<Json>('list', undefined, this.#options))
    this.#map = context.state(mapState<string, Json>('map', undefined, this.#options))
  }

  processElement(step: JsonObject, _context: KeyedContext<string>, out: Collector<Json>): undefined {
    const [verb, argument] = Object.entries(step)[0]!
    switch (verb) {
      case 'put':
        return void this.#value.update(argument)
      case 'get':
        return void out.collect(this.#value.value() ?? null)
      case 'add':
        return void this.#list.add(argument)
      case 'list':
        return void out.collect([...this.#list.get()])
      case 'mapPut':
        return void this.#map.set(...(argument as [string, Json]))
      case 'mapGet':
        return void out.collect(this.#map.get(argument as string) ?? null)
      default:
        throw new CaseError(`unknown step ${JSON.stringify(step)}`)
    }
  }
}
