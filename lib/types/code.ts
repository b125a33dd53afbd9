/**
 * The one place where Sluice turns text into code: `new Function` for the codecs generated from a schema.
 *
 * Why generate: a generic encoder that walks a schema per record sees every shape of every job in the same
 * lines of code, so V8 optimises none of them; code of one type's own is three to ten times faster.
 *
 * Why it is safe: the text consists of fixed fragments, numbers, and names from the schema. Names enter it
 * only through {@link quote}, {@link property} and {@link key}; values only as constants by reference. A
 * runtime that forbids code from text (`--disallow-code-generation-from-strings`) cannot run Sluice.
 */

/** A string literal. */
export function quote(text: string): string {
  return JSON.stringify(text)
}

const IDENTIFIER = /^[A-Za-z_$][A-Za-z0-9_$]*$/

/** The value of a field of the object in variable `object`; never one that every object inherits. */
export function property(object: string, name: string): string {
  const access = IDENTIFIER.test(name) ? `${object}.${name}` : `${object}[${quote(name)}]`
  return name in Object.prototype
    ? `(Object.hasOwn(${object}, ${quote(name)}) ? ${access} : undefined)`
    : access
}

/** A field's name in an object literal. (`__proto__` would be special; schema.ts refuses it.) */
export function key(name: string): string {
  return IDENTIFIER.test(name) ? name : quote(name)
}

/** Gathers the lines of a piece of code and the values it refers to. */
export class Code {
  readonly #lines: string[] = []
  readonly #constants: unknown[] = []
  #names = 0

  line(text: string): void {
    this.#lines.push(text)
  }

  /** A variable name not used before. */
  fresh(): string {
    return `x${this.#names++}`
  }

  /** The name by which the code may refer to a value from outside. */
  constant(value: unknown): string {
    const known = this.#constants.indexOf(value)
    return `k${known >= 0 ? known : this.#constants.push(value) - 1}`
  }

  /** Lines gathered since the last take: how a part is written before the lines that precede it. */
  take(): string {
    return this.#lines.splice(0).join('\n')
  }

  /** What the code `return ${expression}` gives. */
  evaluate<T>(expression: string): T {
    const names = this.#constants.map((_, i) => `k${i}`)
    const body = `'use strict'\nreturn ${expression}`
    return new Function(...names, body)(...this.#constants) as T
  }
}

/** Where in a value a piece of code is, as an expression that yields the path: for error messages. */
export class PathCode {
  static readonly root = new PathCode('""')
  /** A JavaScript expression. */
  readonly expression: string

  private constructor(expression: string) {
    this.expression = expression
  }

  field(name: string): PathCode {
    const isRoot = this === PathCode.root
    return new PathCode(isRoot ? quote(name) : `${this.expression} + ${quote(`.${name}`)}`)
  }

  /** `index` is the name of the variable that counts. */
  item(index: string): PathCode {
    return new PathCode(`${this.expression} + "[" + ${index} + "]"`)
  }

  part(name: 'key' | 'value'): PathCode {
    return new PathCode(`${this.expression} + "{${name}}"`)
  }
}
