/**
 * All verbs, in the order help lists them. What is large and needed by one or two of them only (the engine, storage)
 * those import when they run: half of the time `sluice jobs` would take otherwise is spent on loading it.
 */
import type { VerbSpec } from '../verb.ts'
import { cancelVerb } from './cancel.ts'
import { configVerb } from './config.ts'
import { coordinatorVerb } from './coordinator.ts'
import { describeVerb } from './describe.ts'
import { doctorVerb } from './doctor.ts'
import { graphVerb } from './graph.ts'
import { jobsVerb } from './jobs.ts'
import { natsVerb } from './nats.ts'
import { nodeVerb } from './node.ts'
import { nodesVerb } from './nodes.ts'
import { runVerb } from './run.ts'
import { versionVerb } from './version.ts'

export const VERBS: readonly VerbSpec[] = [
  runVerb,
  jobsVerb,
  describeVerb,
  cancelVerb,
  nodesVerb,
  graphVerb,
  coordinatorVerb,
  nodeVerb,
  natsVerb,
  configVerb,
  doctorVerb,
  versionVerb,
]
