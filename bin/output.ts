/**
 * Where words go. Data is for stdout, one way for people and one, with --json, for programs; everything said about it
 * goes to stderr. So `id=$(sluice run job.ts --detached)` and `sluice jobs --json | jq` need no filter.
 */

export interface OutputOptions {
  readonly isJson: boolean
  readonly isQuiet: boolean
  readonly hasColor: boolean
}

export class Output {
  readonly isJson: boolean
  readonly isQuiet: boolean
  readonly hasColor: boolean

  constructor({ isJson, isQuiet, hasColor }: OutputOptions) {
    this.isJson = isJson
    this.isQuiet = isQuiet
    this.hasColor = hasColor
  }

  /** The result: `value` for programs, `text` for people. */
  data(value: unknown, text: string): void {
    process.stdout.write(`${this.isJson ? JSON.stringify(value, plainValue) : text}\n`)
  }

  /** Something happened, in a command that goes on; programs get it as a line of its own. */
  event(value: { readonly event: string } & Record<string, unknown>): void {
    if (this.isJson) process.stdout.write(`${JSON.stringify(value, plainValue)}\n`)
  }

  /** A remark for people. */
  note(text: string): void {
    if (!this.isQuiet && !this.isJson) process.stderr.write(`${text}\n`)
  }
}

/** JSON lacks bigint and infinity. */
function plainValue(_key: string, value: unknown): unknown {
  if (typeof value === 'bigint') return Number.isSafeInteger(Number(value)) ? Number(value) : String(value)
  return value
}
