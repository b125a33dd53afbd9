/**
 * What a process was told about the systems around it, for connectors whose own options do not say. Plain data: each
 * connector opens connections of its own, and closes them.
 */
import type { NatsOptions } from '../bus/nats-options.ts'

export interface Connections {
  /** How to reach the NATS server the process works with; absent where it needs none. */
  readonly nats?: NatsOptions | undefined
}
