/**
 * Who may write first, on S3 servers that do not know conditional writes. Reads and writes alone cannot decide a
 * race without waiting, so this waits: whoever wants to write puts up a claim of its own, then looks for claims of
 * others. Two who do so cannot both see themselves alone, since one of them looks after the other has claimed (the
 * flag principle of mutual exclusion; S3 lists what has been written). Who is not alone takes the claim down and
 * tries again after a random pause; who is alone looks whether the blob exists, writes it, and takes the claim down.
 *
 * A claim whose owner died is removed by others once they have seen it for a minute by their own clocks. That is
 * the one assumption made: an owner that hangs for longer than that between its look and the end of its write
 * could overwrite somebody else's blob. The write is given up after half of that time.
 */
import type { Clock } from '../base/clock.ts'
import { sleep } from '../base/clock.ts'
import { newId } from '../base/ids.ts'
import type { Random } from '../base/prng.ts'

const CLAIM_MS = 60_000
const WRITE_MS_MAX = CLAIM_MS / 2
const TOTAL_MS_MAX = 3 * CLAIM_MS
const PAUSE_MS_MIN = 20
const PAUSE_MS_MAX = 1000

/** What the protocol needs of a server; `claims` are names under a folder of the blob's own. */
export interface ClaimBoard {
  put(claim: string): Promise<void>
  delete(claim: string): Promise<void>
  list(): Promise<readonly string[]>
  /** Whether the blob is there. */
  exists(): Promise<boolean>
  write(signal: AbortSignal): Promise<void>
}

export interface ClaimEnvironment {
  readonly clock: Clock
  readonly random: Random
}

/** Whether we wrote the blob; false: somebody else did. */
export async function writeFirst(
  board: ClaimBoard,
  { clock, random }: ClaimEnvironment,
  signal: AbortSignal,
): Promise<boolean> {
  const endMs = clock.monotonic() + TOTAL_MS_MAX
  const firstSeenMs = new Map<string, number>()
  for (let pauseMs = PAUSE_MS_MIN; clock.monotonic() < endMs; pauseMs = Math.min(PAUSE_MS_MAX, pauseMs * 2)) {
    signal.throwIfAborted()
    if (await board.exists()) return false
    const claim = newId(random)
    await board.put(claim)
    try {
      const others = (await board.list()).filter((other) => other !== claim)
      if (others.length === 0) return await writeAlone(board, clock, signal)
      await removeDead(board, others, firstSeenMs, clock.monotonic())
    } finally {
      // One that stays does no harm but delay: others remove it as that of a dead owner.
      await board.delete(claim).catch(() => {})
    }
    await sleep(clock, pauseMs * (0.5 + random.nextFloat()))
  }
  throw new Error(`others have claimed it for ${TOTAL_MS_MAX} ms without writing it`)
}

async function writeAlone(board: ClaimBoard, clock: Clock, signal: AbortSignal): Promise<boolean> {
  if (await board.exists()) return false
  const controller = new AbortController()
  const timer = clock.schedule(WRITE_MS_MAX, () =>
    controller.abort(new Error(`it took longer than ${WRITE_MS_MAX} ms`)),
  )
  try {
    await board.write(AbortSignal.any([signal, controller.signal]))
    return true
  } finally {
    timer.cancel()
  }
}

async function removeDead(
  board: ClaimBoard,
  others: readonly string[],
  firstSeenMs: Map<string, number>,
  nowMs: number,
): Promise<void> {
  for (const other of others) {
    const sinceMs = firstSeenMs.get(other)
    if (sinceMs === undefined) firstSeenMs.set(other, nowMs)
    else if (nowMs - sinceMs > CLAIM_MS) await board.delete(other)
  }
}
