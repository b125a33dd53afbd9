/** What a node says of itself to whoever would be called the same. */
import { SluiceError } from '../base/errors.ts'

export type NodeProtocol = {
  /** `incarnation`: new with each start of the process. */
  identify: { request: object; reply: { readonly incarnation: string } }
}

export const nodeName = (nodeId: string): string => `node-${nodeId}`

export function idTaken(nodeId: string): SluiceError {
  return new SluiceError(
    'ID_TAKEN',
    `another process is registered as node "${nodeId}" and answers; give this one another id (--id), or stop the other`,
  )
}
