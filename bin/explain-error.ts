/** An error as people read it: what happened, where in their own code, what to do. And as programs do, with --json. */
import { inspect } from 'node:util'
import { type ErrorCode, EXIT, SluiceError, toErrorRecord } from '../lib/base/errors.ts'
import { paint } from './colors.ts'
import { userFrames } from './user-stack.ts'

export interface ExplainOptions {
  readonly isVerbose: boolean
  readonly hasColor: boolean
}

const LOST_HINT =
  'the log of the node says more; with -D restart.strategy=fixed-delay a job goes on in the slots that are left'

const HINTS: Partial<Record<ErrorCode, string>> = {
  CANNOT_CONNECT:
    'start a server with `sluice nats start`, or say where one is: --nats URL or NATS_URL; `sluice doctor` looks closer',
  NATS_SERVER_MISSING: '`sluice nats install` installs one, without administrator\u2019s rights where it can',
  JOB_NOT_FOUND: '`sluice jobs` lists the jobs the cluster knows',
  TIMEOUT: 'the cluster may be busy: wait longer with --timeout 30s',
  NODE_LOST: LOST_HINT,
  SLOT_LOST: LOST_HINT,
  INTERNAL: 'this looks like a bug in Sluice: -v shows where it happened',
}
const LOGIN_HINT =
  'check nats.user and nats.password, nats.token, nats.nkeySeedFile or nats.creds: `sluice config` shows them'

export function explainError(error: unknown, { isVerbose, hasColor }: ExplainOptions): string {
  const lines = [`${paint('red', 'error:', hasColor)} ${messageOf(error)}`]
  lines.push(...userFrames(error).map((frame) => `    ${frame}`))
  const hint = hintOf(error)
  if (hint !== undefined) lines.push(`${paint('cyan', 'hint:', hasColor)} ${hint}`)
  if (isVerbose) lines.push(inspect(error, { depth: 8, colors: hasColor }))
  return lines.join('\n')
}

/** `{"error": {"code", "message", "exitCode", "details", "frames", "hint"}}`; absent fields have nothing to say. */
export function errorObject(error: unknown, { isVerbose }: ExplainOptions): object {
  const { code, details, stack } = toErrorRecord(error)
  const frames = userFrames(error)
  const hint = hintOf(error)
  return {
    error: {
      code,
      message: messageOf(error),
      exitCode: exitCodeOf(error),
      ...(details === undefined ? {} : { details }),
      ...(frames.length === 0 ? {} : { frames }),
      ...(hint === undefined ? {} : { hint }),
      ...(isVerbose ? { stack } : {}),
    },
  }
}

export function exitCodeOf(error: unknown): number {
  return error instanceof SluiceError ? error.exitCode : EXIT.failed
}

function messageOf(error: unknown): string {
  return toErrorRecord(error).message
}

function hintOf(error: unknown): string | undefined {
  const { code, message, details } = toErrorRecord(error)
  if (code === 'USAGE' && details?.help !== undefined) return `see \`${details.help}\``
  if (code === 'CANNOT_CONNECT' && /authorization|authentication/i.test(message)) return LOGIN_HINT
  return HINTS[code]
}
