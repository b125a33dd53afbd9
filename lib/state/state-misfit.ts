/**
 * Saved state that cannot be read as what a job declares. While a task is opened such misfits are gathered instead of
 * thrown, and those of all tasks put together, so that people learn of all of them at once. From then on, a state that
 * is declared late and does not fit is an error where it is declared.
 */
import { type ErrorRecord, SluiceError } from '../base/errors.ts'

/** `uid` is that of the operator; the rest as in SchemaMismatch. */
export interface StateMisfit {
  readonly uid: string
  readonly state: string
  readonly path: string
  readonly written: string
  readonly current: string
  readonly reason: string
}

export class StateMisfits {
  #gathered: Omit<StateMisfit, 'uid'>[] | null = null

  gather(): void {
    this.#gathered = []
  }

  /** Takes the error of a state that was to be restored, or throws it: if it is another, or nothing is gathered now. */
  add(error: unknown): void {
    const isMisfit = error instanceof SluiceError && error.code === 'STATE_INCOMPATIBLE'
    if (this.#gathered === null || !isMisfit) throw error
    this.#gathered.push(...misfitsOf(error))
  }

  /** What has been gathered; the next is thrown. */
  take(uid: string): StateMisfit[] {
    const gathered = this.#gathered ?? []
    this.#gathered = null
    return gathered.map((misfit) => ({ uid, ...misfit }))
  }
}

/** Each once, as one STATE_INCOMPATIBLE, with all of them in the details. */
export function misfitError(misfits: readonly StateMisfit[]): SluiceError {
  const each = [...new Map(misfits.map((misfit) => [JSON.stringify(misfit), misfit])).values()]
  const message = `saved state does not fit the job: ${each.map(describeMisfit).join('; ')}`
  return new SluiceError('STATE_INCOMPATIBLE', message, { details: { misfits: each } })
}

export function describeMisfit({ uid, state, path, written, current, reason }: StateMisfit): string {
  const place = `uid ${uid}, state "${state}"${path === '' ? '' : `, field ${path}`}`
  return written === '' ? `${place}: ${reason}` : `${place}: was ${written}, is ${current} (${reason})`
}

/** The misfits that an error, perhaps of another process, is about; empty: it is about something else. */
export function misfitsOfError({ details, cause }: ErrorRecord): readonly StateMisfit[] {
  const found = details?.misfits
  if (Array.isArray(found)) return found as StateMisfit[]
  return cause === undefined ? [] : misfitsOfError(cause)
}

function misfitsOf({ message, details }: SluiceError): Omit<StateMisfit, 'uid'>[] {
  const state = String(details.state)
  if (!Array.isArray(details.mismatches))
    return [{ state, path: '', written: '', current: '', reason: message }]
  return (details.mismatches as Omit<StateMisfit, 'uid' | 'state'>[]).map((mismatch) => ({
    state,
    ...mismatch,
  }))
}
