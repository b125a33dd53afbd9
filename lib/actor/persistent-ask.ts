/**
 * An ask that is repeated until it is answered: for requests that must get through and may be served twice. The
 * receiver recognises repetitions by what is in the message (a sequence number, an id).
 */
import { type Clock, sleep } from '../base/clock.ts'
import { SluiceError } from '../base/errors.ts'
import type { ActorRef, AskKind, MessageOf, Protocol, ReplyOf } from './actor-ref.ts'

export interface PersistentAskOptions {
  readonly clock: Clock
  /** Of one try; default 2000. */
  readonly timeoutMs?: number
  /** Between two tries, at first; grows to ten times this. Default 50. */
  readonly retryMs?: number
  /** Asked before each try; once true the ask ends with undefined. There is no other bound. */
  isObsolete(): boolean
}

interface Asker {
  ask<P extends Protocol<P>, K extends AskKind<P>>(
    ref: ActorRef<P>,
    message: MessageOf<P, K>,
    timeoutMs: number,
  ): Promise<ReplyOf<P, K>>
}

/** The answer; undefined if the question became obsolete first. Errors that are not worth a retry are thrown. */
export async function askPersistently<P extends Protocol<P>, K extends AskKind<P>>(
  asker: Asker,
  ref: ActorRef<P>,
  message: MessageOf<P, K>,
  options: PersistentAskOptions,
): Promise<ReplyOf<P, K> | undefined> {
  const { timeoutMs = 2000, retryMs: firstRetryMs = 50 } = options
  let retryMs = firstRetryMs
  while (!options.isObsolete()) {
    try {
      return await asker.ask(ref, message, timeoutMs)
    } catch (error) {
      if (!(error instanceof SluiceError) || !error.retryable) throw error
      await sleep(options.clock, retryMs)
      retryMs = Math.min(retryMs * 2, firstRetryMs * 10)
    }
  }
  return undefined
}
