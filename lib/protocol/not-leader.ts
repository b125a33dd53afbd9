/** The answer to an order of a leader that is none any more. */
import { SluiceError } from '../base/errors.ts'

export function notLeader(epoch: number, currentEpoch: number): SluiceError {
  return new SluiceError(
    'NOT_LEADER',
    `this comes from the leader of epoch ${epoch}, and that of epoch ${currentEpoch} has taken over`,
  )
}
