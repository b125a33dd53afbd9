/**
 * Whether the checkpoint storage of a job works, and is one and the same for the coordinator and the nodes that may
 * run the job: `file:///data` is another directory on each host unless somebody has seen to it, and a checkpoint whose
 * parts lie on different disks looks complete and cannot be read. So each writes something random, and the other reads
 * it back.
 *
 * A node that does not answer proves nothing, and is asked again when the job is to run there.
 */
import type { ActorContext } from '../lib/actor/behavior.ts'
import { type Clock, sleep } from '../lib/base/clock.ts'
import { asError, SluiceError } from '../lib/base/errors.ts'
import { newId } from '../lib/base/ids.ts'
import type { Subjects } from '../lib/bus/subjects.ts'
import { METADATA } from '../lib/checkpoint/checkpoint-files.ts'
import type { CheckpointPlace } from '../lib/checkpoint/checkpoint-storage.ts'
import type { SlotLocation } from '../lib/graph/execution-graph.ts'
import { slotName } from '../lib/protocol/dispatcher.ts'
import type { JobMasterProtocol } from '../lib/protocol/job-master.ts'
import type { SlotProtocol } from '../lib/protocol/slot.ts'
import type { BlobStore } from '../lib/storage/blob-store.ts'

export interface StorageProbeOptions {
  readonly jobId: string
  readonly storageUri: string
  /** What the job is to begin from, which its nodes must be able to read too. */
  readonly restore: CheckpointPlace | null
  readonly subjects: Subjects
  openStorage(uri: string): Promise<BlobStore>
}

type Host = Pick<ActorContext<JobMasterProtocol>, 'clock' | 'random' | 'ask' | 'log'>

/** Storage that has not worked for this long does not work. */
const PATIENCE_MS = 15_000
const RETRY_MS = 200
/** Of a node; those whose process is gone answer at once, or rather the bus does. */
const ANSWER_TIMEOUT_MS = 3000
/** Nobody has said anything about storage. */
const UNANSWERED = [
  'CANNOT_CONNECT',
  'TIMEOUT',
  'NO_RESPONDERS',
  'MAILBOX_FULL',
  'ACTOR_STOPPED',
  'BUS_OVERLOADED',
  'BUS_CLOSED',
]

export class StorageProbe {
  readonly #options: StorageProbeOptions
  readonly #host: Host
  /** Nodes that have passed. */
  readonly #passed = new Set<string>()

  constructor(options: StorageProbeOptions, host: Host) {
    this.#options = options
    this.#host = host
  }

  hasPassed(node: string): boolean {
    return this.#passed.has(node)
  }

  /** Whether it works here. Throws STORAGE_UNUSABLE, STORAGE_FAILED, CONFIG_INVALID. */
  checkHere(): Promise<void> {
    return this.#patiently((store) => store.check())
  }

  /** Throws STORAGE_UNUSABLE if the node of the slot uses another storage; not if it does not answer. */
  async checkNode(slot: SlotLocation): Promise<void> {
    const { log } = this.#host
    try {
      await this.#patiently((store) => this.#exchange(store, slot))
      this.#passed.add(slot.node)
    } catch (error) {
      if (!(error instanceof SluiceError) || !UNANSWERED.includes(error.code)) throw error
      log.info('a node says nothing about storage', { node: slot.node, error: error.message })
    }
  }

  async #exchange(store: BlobStore, { node, slot }: SlotLocation): Promise<void> {
    const { jobId, storageUri, restore, subjects } = this.#options
    const token = newId(this.#host.random)
    const path = `${jobId}/probe-${token}`
    const ref = { subject: subjects.control(slotName(node, slot)) }
    const message = { kind: 'probeStorage', storageUri, path, token, restore } as const
    try {
      await store.put(path, encode(token))
      await this.#host.ask<SlotProtocol, 'probeStorage'>(ref, message, ANSWER_TIMEOUT_MS)
      if (!(await holds(store, answerPath(path), token))) throw notShared(node, storageUri)
    } finally {
      await Promise.all([store.delete(path), store.delete(answerPath(path))]).catch(() => {})
    }
  }

  /** Tries again what may pass, within limits: storage may also just not answer. */
  async #patiently(work: (store: BlobStore) => Promise<void>): Promise<void> {
    const { clock } = this.#host
    const { storageUri } = this.#options
    const deadlineMs = clock.monotonic() + PATIENCE_MS
    for (;;) {
      try {
        await within(clock, deadlineMs - clock.monotonic(), storageUri, () => this.#withStore(work))
        return
      } catch (thrown) {
        const error = asError(thrown)
        const mayPass = error instanceof SluiceError && error.code === 'STORAGE_FAILED'
        if (!mayPass || clock.monotonic() + RETRY_MS >= deadlineMs) throw error
        await sleep(clock, RETRY_MS)
      }
    }
  }

  async #withStore(work: (store: BlobStore) => Promise<void>): Promise<void> {
    const store = await this.#options.openStorage(this.#options.storageUri)
    await work(store).finally(() => store.close())
  }
}

/** The other end: what a slot does when it is asked. Throws STORAGE_UNUSABLE, or as the store does. */
export async function answerProbe(
  { storageUri, path, token, restore }: SlotProtocol['probeStorage']['request'],
  node: string,
  openStorage: (uri: string) => Promise<BlobStore>,
): Promise<void> {
  const store = await openStorage(storageUri)
  try {
    if (!(await holds(store, path, token))) throw notShared(node, storageUri)
    await store.put(answerPath(path), encode(token))
  } finally {
    await store.close()
  }
  if (restore === null) return
  const source = await openStorage(restore.storageUri)
  try {
    const metadata = `${restore.folder}${METADATA}`
    if ((await source.list(metadata)).length === 0) throw notReadable(node, restore)
  } finally {
    await source.close()
  }
}

const answerPath = (path: string): string => `${path}-answer`
const encode = (text: string): Uint8Array => new TextEncoder().encode(text)

async function holds(store: BlobStore, path: string, token: string): Promise<boolean> {
  try {
    return new TextDecoder().decode(await store.get(path)) === token
  } catch (error) {
    if (error instanceof SluiceError && error.code === 'BLOB_NOT_FOUND') return false
    throw error
  }
}

function notShared(node: string, uri: string): SluiceError {
  return new SluiceError(
    'STORAGE_UNUSABLE',
    `the coordinator and node "${node}" do not share ${uri}: what one writes there the other does not find. ` +
      'Checkpoints need storage that all hosts see: a directory on a network file system, jetstream:bucket or s3://bucket',
  )
}

function notReadable(node: string, { storageUri, folder }: CheckpointPlace): SluiceError {
  return new SluiceError(
    'STORAGE_UNUSABLE',
    `the coordinator finds ${folder}${METADATA} in ${storageUri} and node "${node}" does not: ` +
      'what a job begins from must be where all hosts see it',
  )
}

/** Rejects with STORAGE_FAILED when `work` takes longer; it is left to itself then. */
async function within<T>(clock: Clock, ms: number, uri: string, work: () => Promise<T>): Promise<T> {
  let timer: { cancel(): void } | null = null
  const late = new Promise<never>((_resolve, reject) => {
    timer = clock.schedule(ms, () => {
      reject(new SluiceError('STORAGE_FAILED', `${uri} did not answer within ${PATIENCE_MS} ms`))
    })
  })
  try {
    return await Promise.race([work(), late])
  } finally {
    ;(timer as { cancel(): void } | null)?.cancel()
  }
}
