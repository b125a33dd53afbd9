/** What a trigger sees of the window operator: time, timers and state of the key and the window entered last. */
import type { SubKey } from '../state/entry.ts'
import type { KeyedStateBackend } from '../state/keyed-state-backend.ts'
import type { WindowScope } from '../state/keyed-states.ts'
import type { ReducingState } from '../state/state.ts'
import type { StateDescriptor } from '../state/state-descriptor.ts'
import type { TimerService } from '../time/timer-service.ts'
import type { MergeContext } from '../window/trigger.ts'
import { GLOBAL_WINDOW, type Window } from '../window/window.ts'

export class WindowTriggerContext implements MergeContext {
  readonly scope: WindowScope = { sub: undefined }
  window: Window = GLOBAL_WINDOW
  readonly #keyed: KeyedStateBackend
  readonly #timers: TimerService
  readonly #idOf: (window: Window) => SubKey
  #mergedIds: readonly SubKey[] = []

  constructor(keyed: KeyedStateBackend, timers: TimerService, idOf: (window: Window) => SubKey) {
    this.#keyed = keyed
    this.#timers = timers
    this.#idOf = idOf
  }

  /** From now on calls concern `window`. */
  enter(window: Window): void {
    this.window = window
    this.scope.sub = this.#idOf(window)
  }

  /** Runs `onMerge` with `result` entered and the state of `sources` there to be merged. */
  merge(result: Window, sources: readonly Window[], onMerge: () => void): void {
    this.enter(result)
    this.#mergedIds = sources.map((source) => this.#idOf(source))
    onMerge()
    this.#mergedIds = []
  }

  currentWatermark(): number {
    return this.#timers.watermark
  }

  processingTime(): number {
    return this.#timers.processingTimeMs
  }

  registerEventTimer(timestamp: number): void {
    this.#timers.registerEventTimer(timestamp, this.scope.sub)
  }

  deleteEventTimer(timestamp: number): void {
    this.#timers.deleteEventTimer(timestamp, this.scope.sub)
  }

  registerProcessingTimer(timestamp: number): void {
    this.#timers.registerProcessingTimer(timestamp, this.scope.sub)
  }

  deleteProcessingTimer(timestamp: number): void {
    this.#timers.deleteProcessingTimer(timestamp, this.scope.sub)
  }

  state<S>(descriptor: StateDescriptor<S>): S {
    return this.#keyed.windowState(descriptor, this.scope)
  }

  mergeState<T>(descriptor: StateDescriptor<ReducingState<T>>): void {
    const state = this.state(descriptor)
    const target = this.scope.sub
    const values: T[] = []
    for (const id of this.#mergedIds) {
      this.scope.sub = id
      const value = state.get()
      if (value !== undefined) values.push(value)
      state.clear()
    }
    this.scope.sub = target
    for (const value of values) state.add(value)
  }
}
