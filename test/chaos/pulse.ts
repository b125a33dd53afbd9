/**
 * A job that puts something out all the time and keeps much state: a count for each of a million keys, and one message
 * for every few hundred elements. Arguments: subject, elements, elements per second.
 */
import {
  type Collector,
  generator,
  jetstreamSink,
  job,
  type KeyedProcessFunction,
  type RuntimeContext,
  t,
  type ValueState,
  valueState,
} from 'sluice'

const KEYS = 1_000_000
const ELEMENTS_PER_MESSAGE = 250
const COUNT = valueState('count', t.int64)

class Counts implements KeyedProcessFunction<number, number, number> {
  #count!: ValueState<number>

  open(context: RuntimeContext): void {
    this.#count = context.state(COUNT)
  }

  processElement(element: number, _context: unknown, out: Collector<number>): void {
    this.#count.update((this.#count.value() ?? 0) + 1)
    if (element % ELEMENTS_PER_MESSAGE === 0) out.collect(element)
  }
}

export default job('pulse', (env) => {
  const [subject = '', count, ratePerSecond] = [env.args[0], Number(env.args[1]), Number(env.args[2])]
  env
    .source(generator({ count, ratePerSecond, generate: (i) => i, type: t.int64 }), { uid: 'elements' })
    .keyBy((element) => element % KEYS)
    .process(new Counts(), { uid: 'counts', type: t.int64 })
    .sinkTo(jetstreamSink({ subject, encode: String }), { uid: 'beats' })
})
