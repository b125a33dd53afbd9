/**
 * The second door of Sluice, `sluice/testing`: what users test their own jobs with. From small to large: one or a few
 * operators (`openHarness`), the same test in several ways (`verifyInModes`), a whole job (`VirtualCluster`).
 */
export { type CollectOptions, type CollectSink, collectSink } from '../connectors/collect.ts'
export {
  advance,
  type ExpectedSide,
  HARNESS_MODES,
  type HarnessMode,
  type HarnessStep,
  type ModesTest,
  record,
  side,
  verifyInModes,
  watermark,
} from './harness-modes.ts'
export { ManualClock } from './manual-clock.ts'
export {
  type HarnessBuild,
  type HarnessInput,
  openHarness,
  type Stamped,
  type StreamHarness,
  type StreamHarnessOptions,
  type StreamSnapshot,
} from './stream-harness.ts'
export {
  VirtualCluster,
  type VirtualClusterOptions,
  type VirtualJob,
  type VirtualJobOptions,
} from './virtual-cluster.ts'
