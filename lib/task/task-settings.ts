/** What the engine has to know to run the tasks of a job; part of every deployment. Plain data, in base units. */
import type { Exchange } from '../graph/execution-graph.ts'
import type { StateSettings } from '../state/state-home.ts'

export interface TaskSettings {
  /** How long output may wait for company before it is sent. */
  readonly lingerMs: number
  /** About how many bytes make a frame. */
  readonly frameBytes: number
  /** A record larger than this, encoded, fails the job. */
  readonly recordBytesMax: number
  /** Without a sign of life from the other end for this long, a channel is broken. */
  readonly channelTimeoutMs: number
  /** How often periodic watermark generators are asked. */
  readonly watermarkIntervalMs: number
  readonly exchange: Exchange
  readonly state: StateSettings
}
