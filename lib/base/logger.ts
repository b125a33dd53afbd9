/**
 * Structured logs: an event text plus fields, one line per entry, to stderr (data goes to stdout). JSON lines
 * for machines, aligned text for people. Field values whose names look like secrets are never written.
 */
import type { Clock } from './clock.ts'
import { toErrorRecord } from './errors.ts'

export const LOG_LEVELS = ['debug', 'info', 'warn', 'error', 'silent'] as const
export type LogLevel = (typeof LOG_LEVELS)[number]
export type LogFields = Record<string, unknown>

export interface Logger {
  debug(event: string, fields?: LogFields): void
  info(event: string, fields?: LogFields): void
  warn(event: string, fields?: LogFields): void
  error(event: string, fields?: LogFields): void
  /** A logger that adds `fields` to every entry: job, vertex, subtask and the like. */
  child(fields: LogFields): Logger
}

export interface LogEntry {
  readonly timeMs: number
  readonly level: LogLevel
  readonly event: string
  readonly fields: LogFields
}

/** Where entries end up; tests keep them in a list, processes write lines. */
export type LogSink = (entry: LogEntry) => void

const SECRET_NAME = /pass(word)?|token|secret|seed|creds|nkey|authorization/i

export function createLogger(clock: Clock, level: LogLevel, sink: LogSink, fields: LogFields = {}): Logger {
  const threshold = LOG_LEVELS.indexOf(level)
  const write = (entryLevel: LogLevel, event: string, entryFields: LogFields = {}) => {
    if (LOG_LEVELS.indexOf(entryLevel) < threshold) return
    sink({ timeMs: clock.now(), level: entryLevel, event, fields: { ...fields, ...entryFields } })
  }
  return {
    debug: (event, more) => write('debug', event, more),
    info: (event, more) => write('info', event, more),
    warn: (event, more) => write('warn', event, more),
    error: (event, more) => write('error', event, more),
    child: (more) => createLogger(clock, level, sink, { ...fields, ...more }),
  }
}

export const silentLogger: Logger = {
  debug: () => {},
  info: () => {},
  warn: () => {},
  error: () => {},
  child: () => silentLogger,
}

/** One entry as a JSON line. */
export function formatJson(entry: LogEntry): string {
  const fields = Object.fromEntries(
    Object.entries(entry.fields).map(([name, value]) => [name, printable(name, value)]),
  )
  return JSON.stringify({
    time: new Date(entry.timeMs).toISOString(),
    level: entry.level,
    event: entry.event,
    ...fields,
  })
}

/** One entry as a line for people: `12:00:01.250 WARN  node lost  node=n1`. */
export function formatText(entry: LogEntry): string {
  const time = new Date(entry.timeMs).toISOString().slice(11, 23)
  const fields = Object.entries(entry.fields).map(([name, value]) => {
    const shown = printable(name, value)
    return `${name}=${typeof shown === 'string' ? shown : JSON.stringify(shown)}`
  })
  return [`${time} ${entry.level.toUpperCase().padEnd(5)} ${entry.event}`, ...fields].join('  ')
}

/** The sink of processes: lines on stderr. */
export function stderrSink(format: 'json' | 'text'): LogSink {
  const line = format === 'json' ? formatJson : formatText
  return (entry) => {
    process.stderr.write(`${line(entry)}\n`)
  }
}

function printable(name: string, value: unknown): unknown {
  if (SECRET_NAME.test(name)) return '[hidden]'
  if (value instanceof Error) {
    const { code, message, stack, cause } = toErrorRecord(value)
    return { code, message, stack, ...(cause === undefined ? {} : { cause }) }
  }
  if (typeof value === 'bigint') return `${value}`
  return value
}
