/** Cases of process functions: `commands` on one or two keyed inputs, and `rules` on a keyed and a broadcast one. */
import type { DataStream, KeyedStream } from '../../lib/api/streams.ts'
import type { Collector } from '../../lib/function/functions.ts'
import { outputTag } from '../../lib/function/output-tag.ts'
import type {
  KeyedBroadcastProcessFunction,
  KeyedContext,
  KeyedProcessFunction,
  TimerContext,
} from '../../lib/function/process-functions.ts'
import type { RuntimeContext } from '../../lib/function/runtime-context.ts'
import type { ListState, ValueState } from '../../lib/state/state.ts'
import { listState, mapState, valueState } from '../../lib/state/state-descriptor.ts'
import { CaseError, checkFields, type Json, type JsonObject, objectOf } from './case.ts'
import { parseTime } from './literals.ts'
import { nodeOf, openOperator } from './operator-subject.ts'
import type { Adapter } from './run-case.ts'

type Command = readonly [key: string, command: string, ...args: Json[]]

export const processAdapter: Adapter = {
  variants: (config) => {
    checkFields(config, 'config', ['op', 'inputs', 'keyBy', 'fn'])
    if (config.keyBy !== 'f0') throw new CaseError(`unknown keyBy ${JSON.stringify(config.keyBy)}`)
    return [{ name: '', open: () => openOperator(nodeOf((newStream) => addOperator(config, newStream))) }]
  },
}

function addOperator(config: JsonObject, newStream: () => DataStream<Json>): void {
  const fn = objectOf(config, 'fn').type
  const keyed = <T>() => (newStream() as unknown as DataStream<T>).keyBy((value) => (value as [string])[0])
  const operator = `${config.op}/${fn}`
  switch (operator) {
    case 'keyed-process/commands':
      keyed<Command>().process(new Commands())
      return
    case 'co-process/commands':
      addCoProcess(keyed(), keyed())
      return
    case 'broadcast/rules':
      keyed<Reading>()
        .connect((newStream() as unknown as DataStream<Change>).broadcast())
        .process(new Rules())
      return
    default:
      throw new CaseError(`unknown operator and function ${operator}`)
  }
}

function addCoProcess(first: KeyedStream<string, Command>, second: KeyedStream<string, Command>): void {
  const commands = new Commands()
  first.connect(second).process({
    open: (context) => commands.open(context),
    processElement1: (value, context, out) => commands.processElement(value, context, out),
    processElement2: (value, context, out) => commands.processElement(value, context, out),
    onTimer: (timestamp, context, out) => commands.onTimer(timestamp, context, out),
  })
}

/** Does what the records say. */
class Commands implements KeyedProcessFunction<string, Command, Json> {
  #value!: ValueState<Json>
  #chain!: ValueState<[step: number, count: number]>

  open(context: RuntimeContext): void {
    this.#value = context.state(valueState<Json>('value'))
    this.#chain = context.state(valueState<[number, number]>('chain'))
  }

  processElement(
    [key, command, ...args]: Command,
    context: KeyedContext<string>,
    out: Collector<Json>,
  ): undefined {
    const [first, second] = args
    switch (command) {
      case 'reg-et':
        return void context.registerEventTimer(parseTime(first))
      case 'del-et':
        return void context.deleteEventTimer(parseTime(first))
      case 'reg-pt':
        return void context.registerProcessingTimer(parseTime(first))
      case 'del-pt':
        return void context.deleteProcessingTimer(parseTime(first))
      case 'put':
        return void this.#value.update(first!)
      case 'get':
        return void out.collect([key, 'value', this.#value.value() ?? null])
      case 'clear':
        return void this.#value.clear()
      case 'wm':
        return void out.collect([key, 'wm', context.currentWatermark()])
      case 'now':
        return void out.collect([key, 'now', context.processingTime()])
      case 'echo':
        return void out.collect([key, 'echo', first!])
      case 'side':
        return void context.output(outputTag(String(first)), second)
      case 'chain':
        return void this.#chain.update([first as number, second as number])
      default:
        throw new CaseError(`unknown command ${JSON.stringify(command)}`)
    }
  }

  onTimer(timestamp: number, context: TimerContext<string>, out: Collector<Json>): undefined {
    if (context.timeDomain === 'processing') return void out.collect([context.currentKey, 'pt', timestamp])
    out.collect([context.currentKey, 'et', timestamp])
    const [step, count] = this.#chain.value() ?? [0, 0]
    if (count <= 0) return
    context.registerEventTimer(timestamp + step)
    this.#chain.update([step, count - 1])
  }
}

type Reading = readonly [key: string, value: Json]
type Change =
  | readonly ['put', name: string, value: Json]
  | readonly ['del', name: string]
  | readonly ['dump-keyed']

const RULES = mapState<string, Json>('rules')
const VALUES = listState<Json>('values')

/** Emits readings together with the rules in force. */
class Rules implements KeyedBroadcastProcessFunction<string, Reading, Change, Json> {
  #values!: ListState<Json>

  open(context: RuntimeContext): void {
    this.#values = context.state(VALUES)
  }

  processElement: KeyedBroadcastProcessFunction<string, Reading, Change, Json>['processElement'] = (
    [key, value],
    context,
    out,
  ) => {
    this.#values.add(value)
    const rules = [...context.broadcastState(RULES).entries()].sort(([a], [b]) => (a < b ? -1 : 1))
    out.collect([key, value, rules])
  }

  processBroadcastElement: KeyedBroadcastProcessFunction<
    string,
    Reading,
    Change,
    Json
  >['processBroadcastElement'] = ([verb, name, value], context, out) => {
    if (verb === 'put') context.broadcastState(RULES).set(name, value)
    else if (verb === 'del') context.broadcastState(RULES).delete(name)
    else if (verb === 'dump-keyed') {
      context.applyToKeyedState(VALUES, (key, state) => out.collect([key as string, [...state.get()]]))
    } else throw new CaseError(`unknown change ${JSON.stringify(verb)}`)
  }
}
