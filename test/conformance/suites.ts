/** Which adapter runs which suite, which tags we claim, and why the rest is skipped. */
import type { StateBackend } from '../../lib/state/state-home.ts'
import { barrierAdapter } from './barrier-cases.ts'
import type { Case } from './case.ts'
import { coordinatorAdapter, failuresAdapter, requestDeciderAdapter } from './checkpoint-cases.ts'
import { fileSinkAdapter, rollingPolicyAdapter } from './file-sink-cases.ts'
import { intervalJoinAdapter } from './join-cases.ts'
import { useBackend } from './operator-subject.ts'
import { processAdapter } from './process-cases.ts'
import { redistributionAdapter } from './redistribution-pairs.ts'
import { restartAdapter } from './restart-cases.ts'
import type { Adapter } from './run-case.ts'
import { runCase } from './run-case.ts'
import { chainingAdapter, keyGroupsAdapter, slotsAdapter } from './scheduling-pairs.ts'
import { ttlAdapter } from './ttl-cases.ts'
import { generationAdapter, multiplexerAdapter, valveAdapter } from './watermark-cases.ts'
import { windowAdapter } from './window-cases.ts'
import { windowAssignAdapter, windowMergeAdapter } from './window-pairs.ts'

const ADAPTERS: Readonly<Record<string, Adapter>> = {
  'barrier-aligned': barrierAdapter,
  'barrier-at-least-once': barrierAdapter,
  'barrier-timeout': barrierAdapter,
  'barrier-unaligned': barrierAdapter,
  'broadcast-state': processAdapter,
  chaining: chainingAdapter,
  'checkpoint-coordinator': coordinatorAdapter,
  'checkpoint-failures': failuresAdapter,
  'checkpoint-request-decider': requestDeciderAdapter,
  'co-process': processAdapter,
  'file-sink': fileSinkAdapter,
  'interval-join': intervalJoinAdapter,
  'key-groups': keyGroupsAdapter,
  'keyed-process': processAdapter,
  'restart-strategy': restartAdapter,
  'rolling-policy': rollingPolicyAdapter,
  slots: slotsAdapter,
  'state-redistribution': redistributionAdapter,
  'state-ttl': ttlAdapter,
  'watermark-generation': generationAdapter,
  'watermark-multiplexer': multiplexerAdapter,
  'watermark-valve': valveAdapter,
  'window-assign': windowAssignAdapter,
  'window-event-time': windowAdapter,
  'window-evictor': windowAdapter,
  'window-lateness': windowAdapter,
  'window-merge': windowMergeAdapter,
  'window-processing-time': windowAdapter,
  'window-session': windowAdapter,
  'window-trigger': windowAdapter,
}

/** Suites of operators with keyed state: each backend has to pass them. */
const ON_EACH_BACKEND: readonly string[] = [
  'broadcast-state',
  'co-process',
  'interval-join',
  'keyed-process',
  'state-ttl',
  'window-event-time',
  'window-evictor',
  'window-lateness',
  'window-processing-time',
  'window-session',
  'window-trigger',
]

const CLAIMED: readonly string[] = ['flink-hash', 'custom-assigner', 'watermark-reset-on-restore']

const NOT_CLAIMED: Readonly<Record<string, string>> = {
  int64: 'times are doubles: exact up to 2^53 ms, which is 285 000 years, and infinite at the ends',
}

export type CaseResult =
  | { readonly kind: 'passed' }
  | { readonly kind: 'failed'; readonly complaints: readonly string[] }
  | { readonly kind: 'skipped'; readonly reason: string }

/** Why a whole suite is skipped; null if it is not. */
export function suiteSkipReason(suite: string): string | null {
  return Object.hasOwn(ADAPTERS, suite) ? null : 'not supported yet'
}

export function backendsOf(suite: string): readonly StateBackend[] {
  return ON_EACH_BACKEND.includes(suite) ? ['heap', 'leveldb'] : ['heap']
}

/** A suite, and where its operators keep their state if that is not the default. */
export function describeRun(suite: string, backend: StateBackend): string {
  return backend === 'heap' ? suite : `${suite} (${backend})`
}

export async function runOrSkip(test: Case, backend: StateBackend): Promise<CaseResult> {
  const adapter = ADAPTERS[test.suite]
  if (adapter === undefined) return { kind: 'skipped', reason: 'not supported yet' }
  const tag = test.requires.find((each) => !CLAIMED.includes(each))
  if (tag !== undefined) {
    return { kind: 'skipped', reason: `requires ${tag}: ${NOT_CLAIMED[tag] ?? 'not claimed'}` }
  }
  useBackend(backend)
  const complaints = await runCase(test, adapter)
  return complaints.length === 0 ? { kind: 'passed' } : { kind: 'failed', complaints }
}
