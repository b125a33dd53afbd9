/** The functions of the simulated jobs: with state, timers, two inputs. What they give out does not depend on order. */
import type { Collector } from '../../lib/function/functions.ts'
import type {
  KeyedBroadcastProcessFunction,
  KeyedBroadcastReadContext,
  KeyedBroadcastTimerContext,
  KeyedBroadcastWriteContext,
  KeyedContext,
  KeyedCoProcessFunction,
  KeyedProcessFunction,
  TimerContext,
} from '../../lib/function/process-functions.ts'
import type { RuntimeContext } from '../../lib/function/runtime-context.ts'
import type { MapState, ValueState } from '../../lib/state/state.ts'
import { mapState, valueState } from '../../lib/state/state-descriptor.ts'
import { t } from '../../lib/types/t.ts'

export interface Event {
  readonly n: number
  /** Event time, ms. */
  readonly at: number
}

const secondOf = (timestamp: number): number => Math.floor(timestamp / 1000)
const endOf = (second: number): number => (second + 1) * 1000 - 1

/** How often each key has come, at each of its records. */
export class Count implements KeyedProcessFunction<number, number, string> {
  #count!: ValueState<number>

  open(context: RuntimeContext): void {
    this.#count = context.state(valueState('count', t.int64))
  }

  processElement(_n: number, { currentKey }: KeyedContext<number>, out: Collector<string>): void {
    const count = (this.#count.value() ?? 0) + 1
    this.#count.update(count)
    out.collect(`${currentKey} ${count}=${count}`)
  }
}

/** Windows made by hand: sums by second in a map, given out by timers. Timers of the clock do something unseen. */
export class Buckets implements KeyedProcessFunction<number, Event, string> {
  #sums!: MapState<number, number>
  #looks!: ValueState<number>

  open(context: RuntimeContext): void {
    this.#sums = context.state(mapState<number, number>('sums', t.int64))
    this.#looks = context.state(valueState('looks', t.int64))
  }

  processElement({ n, at }: Event, context: KeyedContext<number>): void {
    const second = secondOf(at)
    this.#sums.set(second, (this.#sums.get(second) ?? 0) + n)
    context.registerEventTimer(endOf(second))
    context.registerProcessingTimer(context.processingTime() + 250)
  }

  onTimer(timestamp: number, context: TimerContext<number>, out: Collector<string>): void {
    if (context.timeDomain === 'processing') {
      this.#looks.update((this.#looks.value() ?? 0) + 1)
      return
    }
    const second = secondOf(timestamp)
    out.collect(`${context.currentKey} ${second}=${this.#sums.get(second)}`)
    this.#sums.delete(second)
  }
}

/** Two streams that meet per key and second. */
export class Meeting implements KeyedCoProcessFunction<number, Event, Event, string> {
  #first!: MapState<number, number>
  #second!: MapState<number, number>

  open(context: RuntimeContext): void {
    this.#first = context.state(mapState<number, number>('first', t.int64))
    this.#second = context.state(mapState<number, number>('second', t.int64))
  }

  processElement1(event: Event, context: KeyedContext<number>): void {
    this.#add(this.#first, event, context)
  }

  processElement2(event: Event, context: KeyedContext<number>): void {
    this.#add(this.#second, event, context)
  }

  onTimer(timestamp: number, { currentKey }: TimerContext<number>, out: Collector<string>): void {
    const second = secondOf(timestamp)
    out.collect(`${currentKey} ${second}=${this.#first.get(second)} ${this.#second.get(second)}`)
    this.#first.delete(second)
    this.#second.delete(second)
  }

  #add(sums: MapState<number, number>, { n, at }: Event, context: KeyedContext<number>): void {
    const second = secondOf(at)
    sums.set(second, (sums.get(second) ?? 0) + n)
    context.registerEventTimer(endOf(second))
  }
}

const RULES = mapState<number, number>('rules', t.int64)

/** Counts per key, and says at the end of time how many rules have been broadcast. */
export class Ruled implements KeyedBroadcastProcessFunction<number, Event, Event, string> {
  #count!: ValueState<number>

  open(context: RuntimeContext): void {
    this.#count = context.state(valueState('count', t.int64))
  }

  processElement(_event: Event, context: KeyedBroadcastReadContext<number>, out: Collector<string>): void {
    const count = (this.#count.value() ?? 0) + 1
    this.#count.update(count)
    context.registerEventTimer(Number.MAX_SAFE_INTEGER)
    out.collect(`${context.currentKey} ${count}=${count}`)
  }

  processBroadcastElement({ n }: Event, context: KeyedBroadcastWriteContext<number>): void {
    const rules = context.broadcastState(RULES)
    rules.set(n % 25, (rules.get(n % 25) ?? 0) + n)
  }

  onTimer(_timestamp: number, context: KeyedBroadcastTimerContext<number>, out: Collector<string>): void {
    const sums = [...context.broadcastState(RULES).entries()].sort(([a], [b]) => a - b)
    out.collect(`${context.currentKey} rules=${JSON.stringify(sums)}`)
  }
}
