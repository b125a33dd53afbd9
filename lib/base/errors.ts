/**
 * The one error class of Sluice and the catalogue of its codes. A code is stable API: programs match on it,
 * people read the message. The exit code is what the command line ends with when the error reaches it.
 */

interface ErrorKind {
  /** What happened, in one clause; the message of an error adds which, where and what to do. */
  readonly text: string
  /** Whether the same request may succeed later without anybody changing anything. */
  readonly retryable: boolean
  readonly exitCode: number
}

export const EXIT = {
  ok: 0,
  failed: 1,
  usage: 2,
  notFound: 3,
  cannotConnect: 4,
  timeout: 5,
  incompatibleState: 6,
  natsServerMissing: 7,
  interrupted: 130,
  terminated: 143,
} as const

const kind = (text: string, exitCode: number, retryable = false): ErrorKind => ({ text, retryable, exitCode })

const ERROR_KINDS = {
  USAGE: kind('the command line is wrong', EXIT.usage),
  CONFIG_INVALID: kind('a configuration value is wrong', EXIT.usage),
  CONFIG_UNKNOWN_KEY: kind('a configuration key does not exist', EXIT.usage),
  JOB_MODULE_INVALID: kind('the job module does not export a job', EXIT.usage),
  JOB_MODULE_FAILED: kind('the job module could not be loaded', EXIT.failed),
  JOB_NOT_FOUND: kind('no such job', EXIT.notFound),
  JOB_FAILED: kind('the job failed', EXIT.failed),
  JOB_CANCELLED: kind('the job was cancelled', EXIT.failed),
  GRAPH_INVALID: kind('the job graph is not valid', EXIT.usage),
  GRAPH_MISMATCH: kind('the job built a different graph here than where it was submitted', EXIT.failed),
  SLOTS_UNAVAILABLE: kind('there are not enough free slots', EXIT.timeout, true),
  NODE_LOST: kind('a node stopped answering', EXIT.failed, true),
  SLOT_LOST: kind('a slot thread ended unexpectedly', EXIT.failed, true),
  NOT_LEADER: kind('another coordinator leads the cluster', EXIT.failed),
  ID_TAKEN: kind('another process already uses this id', EXIT.usage),
  USER_FUNCTION_FAILED: kind('a user function threw', EXIT.failed),
  TYPE_MISMATCH: kind('a value does not fit its declared type', EXIT.failed),
  DECODE_FAILED: kind('bytes could not be decoded', EXIT.failed),
  CHANNEL_BROKEN: kind('a data channel lost frames that cannot be sent again', EXIT.failed, true),
  RECORD_TOO_LARGE: kind('a record is larger than the limit', EXIT.failed),
  TIMESTAMP_MISSING: kind('a record has no timestamp', EXIT.failed),
  TIMESTAMP_INVALID: kind('a timestamp is not an integer number of milliseconds', EXIT.failed),
  STATE_INCOMPATIBLE: kind('saved state does not fit the job', EXIT.incompatibleState),
  STATE_TOO_LARGE: kind('keyed state passed its memory limit', EXIT.failed),
  CHECKPOINT_FAILED: kind('a checkpoint could not be completed', EXIT.failed, true),
  CHECKPOINT_SUBSUMED: kind('a newer checkpoint came before this one was through', EXIT.failed, true),
  CHECKPOINT_UNREADABLE: kind('a checkpoint to begin from is damaged or incomplete', EXIT.failed),
  CHECKPOINT_DAMAGED: kind('a checkpoint is damaged', EXIT.failed),
  STORAGE_FAILED: kind('storage could not be read or written', EXIT.failed, true),
  STORAGE_UNUSABLE: kind('storage cannot be used', EXIT.usage),
  BLOB_NOT_FOUND: kind('a stored object does not exist', EXIT.notFound),
  CANNOT_CONNECT: kind('the NATS server cannot be reached', EXIT.cannotConnect, true),
  NO_RESPONDERS: kind('nobody answers on this subject', EXIT.cannotConnect, true),
  TIMEOUT: kind('no answer arrived in time', EXIT.timeout, true),
  JOB_TAKEN_OVER: kind('a new leader has not heard of all of the job yet', EXIT.timeout, true),
  MAILBOX_FULL: kind('an actor mailbox is full', EXIT.failed, true),
  ACTOR_STOPPED: kind('the actor has stopped', EXIT.failed),
  PAYLOAD_TOO_LARGE: kind('a message is larger than the bus carries', EXIT.failed),
  BUS_OVERLOADED: kind('too many requests are waiting for an answer', EXIT.failed, true),
  BUS_CLOSED: kind('the bus is closed', EXIT.failed),
  NATS_SERVER_MISSING: kind('no nats-server program was found', EXIT.natsServerMissing),
  NATS_SERVER_UNSUITABLE: kind('the NATS server lacks something Sluice needs', EXIT.cannotConnect),
  CONNECTOR_FAILED: kind('a connector failed', EXIT.failed, true),
  UNSUPPORTED: kind('this is not supported', EXIT.usage),
  INTERNAL: kind('Sluice itself is at fault', EXIT.failed),
} as const satisfies Record<string, ErrorKind>

export type ErrorCode = keyof typeof ERROR_KINDS

/** Plain data that survives any bus: what an actor sends when a request failed. */
export interface ErrorRecord {
  readonly code: ErrorCode
  readonly message: string
  readonly stack?: string
  readonly details?: Record<string, unknown>
  readonly cause?: ErrorRecord
}

export class SluiceError extends Error {
  override readonly name = 'SluiceError'
  readonly code: ErrorCode
  readonly details: Record<string, unknown>

  constructor(
    code: ErrorCode,
    message: string,
    options: { cause?: unknown; details?: Record<string, unknown> } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    this.details = options.details ?? {}
  }

  get exitCode(): number {
    return ERROR_KINDS[this.code].exitCode
  }

  get retryable(): boolean {
    return ERROR_KINDS[this.code].retryable
  }
}

/** Depth at which a chain of causes is cut when it is turned into a record: cycles and jokes end here. */
const CAUSE_DEPTH_MAX = 8

/** Longer messages and stacks, those with a whole document in them, are cut: a record has to fit into a message. */
const MESSAGE_CHARACTERS_MAX = 8_192
const STACK_CHARACTERS_MAX = 16_384

/** Any thrown value as plain data, stack and causes included. */
export function toErrorRecord(thrown: unknown, depth = 0): ErrorRecord {
  const error = asError(thrown)
  const cause = error.cause
  const isNamed = error instanceof SluiceError || error.name === 'Error'
  return {
    code: error instanceof SluiceError ? error.code : 'INTERNAL',
    message: cut(isNamed ? error.message : `${error.name}: ${error.message}`, MESSAGE_CHARACTERS_MAX),
    ...(error.stack === undefined ? {} : { stack: cut(error.stack, STACK_CHARACTERS_MAX) }),
    ...(error instanceof SluiceError && Object.keys(error.details).length > 0
      ? { details: error.details }
      : {}),
    ...(cause === undefined || depth >= CAUSE_DEPTH_MAX ? {} : { cause: toErrorRecord(cause, depth + 1) }),
  }
}

function cut(text: string, charactersMax: number): string {
  if (text.length <= charactersMax) return text
  return `${text.slice(0, charactersMax)} ... (${text.length - charactersMax} characters more)`
}

/** The error a record describes, with the stack of the place where it was thrown. */
export function fromErrorRecord(record: ErrorRecord): SluiceError {
  const known = Object.hasOwn(ERROR_KINDS, record.code) ? record.code : 'INTERNAL'
  const error = new SluiceError(known, record.message, {
    ...(record.cause === undefined ? {} : { cause: fromErrorRecord(record.cause) }),
    ...(record.details === undefined ? {} : { details: record.details }),
  })
  if (record.stack !== undefined) error.stack = record.stack
  return error
}

/** JavaScript lets people throw anything; from here on it is an `Error`. */
export function asError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown))
}
