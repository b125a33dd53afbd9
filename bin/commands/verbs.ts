/**
 * All verbs, in the order help lists them. A verb's own file is loaded when its name is on the command line: loading
 * the engine and the NATS client takes longer than most of what is asked for.
 */
import type { VerbSpec, VerbTitle } from '../verb.ts'

export interface ListedVerb extends VerbTitle {
  load(): Promise<VerbSpec>
}

export const VERBS: readonly ListedVerb[] = [
  {
    usage: 'run <job.ts>',
    summary: 'run a job: here, or on a cluster if a NATS server is configured',
    load: async () => (await import('./run.ts')).runVerb,
  },
  {
    usage: 'jobs',
    summary: 'list the jobs of the cluster',
    load: async () => (await import('./jobs.ts')).jobsVerb,
  },
  {
    usage: 'describe <job>',
    summary: 'show what a job is doing, vertex by vertex',
    load: async () => (await import('./describe.ts')).describeVerb,
  },
  {
    usage: 'cancel <job>',
    summary: 'end a job at once, and wait until it has ended',
    load: async () => (await import('./cancel.ts')).cancelVerb,
  },
  {
    usage: 'checkpoints <job> [id]',
    summary: 'show the checkpoints and savepoints of a job: sizes, durations, failures',
    load: async () => (await import('./checkpoints.ts')).checkpointsVerb,
  },
  {
    usage: 'checkpoint <job>',
    summary: 'take a checkpoint of a running job at once',
    load: async () => (await import('./checkpoint.ts')).checkpointVerb,
  },
  {
    usage: 'savepoint <job> [uri]',
    summary: 'write the whole state of a running job, to begin from later',
    load: async () => (await import('./savepoint.ts')).savepointVerb,
  },
  {
    usage: 'stop <job>',
    summary: 'end a job with a savepoint, so that another can go on from there',
    load: async () => (await import('./stop.ts')).stopVerb,
  },
  {
    usage: 'upgrade <job> <job.ts>',
    summary: 'put a new version of a job in the place of the running one, keeping its state',
    load: async () => (await import('./upgrade.ts')).upgradeVerb,
  },
  {
    usage: 'nodes',
    summary: 'list the nodes of the cluster and their slots',
    load: async () => (await import('./nodes.ts')).nodesVerb,
  },
  {
    usage: 'graph <job.ts>',
    summary: 'show the graph of a job without running it',
    load: async () => (await import('./graph.ts')).graphVerb,
  },
  {
    usage: 'coordinator',
    summary: 'run the coordinator of a cluster: takes jobs in and watches over nodes',
    load: async () => (await import('./coordinator.ts')).coordinatorVerb,
  },
  {
    usage: 'node',
    summary: 'run a node of a cluster: slots for jobs, each a thread',
    load: async () => (await import('./node.ts')).nodeVerb,
  },
  {
    usage: 'nats',
    summary: 'start, install or look at a NATS server',
    load: async () => (await import('./nats.ts')).natsVerb,
  },
  {
    usage: 'config',
    summary: 'show every configuration option, its value and where it comes from',
    load: async () => (await import('./config.ts')).configVerb,
  },
  {
    usage: 'doctor',
    summary: 'check what Sluice needs here, and say what to do about what is missing',
    load: async () => (await import('./doctor.ts')).doctorVerb,
  },
  {
    usage: 'version',
    summary: 'print the versions of Sluice and Node',
    load: async () => (await import('./version.ts')).versionVerb,
  },
]
