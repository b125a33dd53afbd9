/** What a function is told about where it runs, and how it gets its state. */
import type { Logger } from '../base/logger.ts'
import type { MetricGroup } from '../metrics/metric-group.ts'
import type { StateDescriptor } from '../state/state-descriptor.ts'

export interface RuntimeContext {
  readonly jobName: string
  readonly operatorName: string
  readonly uid: string
  readonly subtaskIndex: number
  readonly parallelism: number
  readonly maxParallelism: number
  /** 0 for the first try, one more after each restart. */
  readonly attempt: number
  readonly log: Logger
  readonly metrics: MetricGroup
  /** Wall-clock ms; under test and in simulation the virtual clock. */
  processingTime(): number
  /**
   * Keyed state: what it reads and writes belongs to the key of the record being processed. Only functions on a
   * keyed stream have it; elsewhere this throws UNSUPPORTED. Declare state in `open`.
   */
  state<S>(descriptor: StateDescriptor<S>): S
}
