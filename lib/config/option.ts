/**
 * One configuration option: its key, what it accepts, what it is when nobody says anything, and one line about it.
 * Values come as text (flags, environment) or as they are (configuration files); `parse` takes both.
 */
import {
  type ByteSize,
  type Duration,
  formatBytes,
  formatDuration,
  parseByteSize,
  parseDuration,
} from '../base/units.ts'

export type OptionKind = 'string' | 'number' | 'boolean' | 'duration' | 'bytes' | 'enum'

/** Facts of the host and the run that some defaults are made of. */
export interface DefaultPlace {
  readonly hostname: string
  readonly pid: number
  readonly home: string
  readonly env: Readonly<Record<string, string | undefined>>
  readonly cluster: string
}

export interface Option<V, K extends OptionKind = OptionKind> {
  readonly kind: K
  readonly doc: string
  /** Completes "expected ...". */
  readonly expected: string
  readonly isSecret: boolean
  /** Environment variables that are honoured besides `SLUICE_<KEY>`. */
  readonly environment: readonly string[]
  defaultValue(place: DefaultPlace): V
  /** The value in base units, or undefined if `value` is not one. */
  parse(value: unknown): V | undefined
  /** For people. */
  show(value: V): string
}

/** What a configuration file may say. */
export type OptionInput<O> =
  O extends Option<infer V, infer K>
    ? K extends 'duration'
      ? Duration
      : K extends 'bytes'
        ? ByteSize
        : Exclude<V, undefined>
    : never

interface Spec<F> {
  readonly doc: string
  /** Undefined: the option has no value unless it is given one. */
  readonly fallback: F | ((place: DefaultPlace) => F)
  readonly environment?: readonly string[]
}

interface Bounds {
  readonly min?: number
  readonly max?: number
}

export function text<F extends string | undefined>(
  spec: Spec<F> & {
    readonly isSecret?: boolean
    readonly pattern?: RegExp
    readonly expected?: string
    show?(value: string): string
  },
): Option<string | F, 'string'> {
  const {
    pattern = /./,
    expected = 'text that is not empty',
    isSecret = false,
    show = (value) => value,
  } = spec
  const parse = (value: unknown) => (typeof value === 'string' && pattern.test(value) ? value : undefined)
  return option<string | F, 'string'>(
    'string',
    { ...spec, isSecret },
    expected,
    parse,
    isSecret ? () => '[hidden]' : show,
  )
}

/** `isInteger: false` admits fractions and, if there is no `max`, `Infinity`. */
export function number<F extends number | undefined>(
  spec: Spec<F> & Bounds & { readonly isInteger?: boolean },
): Option<number | F, 'number'> {
  const { min = Number.NEGATIVE_INFINITY, max = Number.POSITIVE_INFINITY, isInteger = true } = spec
  const parse = (value: unknown) => {
    const parsed = typeof value === 'string' && value.trim() !== '' ? Number(value) : value
    if (typeof parsed !== 'number' || !(parsed >= min && parsed <= max)) return undefined
    return isInteger && !Number.isSafeInteger(parsed) ? undefined : parsed
  }
  const expected = `${isInteger ? 'an integer' : 'a number'}${range(spec, String)}`
  return option<number | F, 'number'>('number', spec, expected, parse, String)
}

const WORDS = new Map<unknown, boolean>([
  [true, true],
  ['true', true],
  ['yes', true],
  ['1', true],
  [false, false],
  ['false', false],
  ['no', false],
  ['0', false],
])

export function flag(spec: Spec<boolean>): Option<boolean, 'boolean'> {
  return option('boolean', spec, 'true or false', (value) => WORDS.get(value), String)
}

/** Milliseconds. `fallback`, `min` and `max` as people write them. */
export function duration(
  spec: Omit<Spec<never>, 'fallback'> & { readonly fallback: Duration; readonly min?: Duration },
): Option<number, 'duration'> {
  const min = parseDuration(spec.min ?? 0)
  const expected = `a duration such as '500ms', '5s' or '1.5m', or milliseconds${range({ min }, formatDuration)}`
  const parse = (value: unknown) => quantity(value, parseDuration, min)
  return option(
    'duration',
    { ...spec, fallback: parseDuration(spec.fallback) },
    expected,
    parse,
    formatDuration,
  )
}

/** Bytes. */
export function bytes(
  spec: Omit<Spec<never>, 'fallback'> & { readonly fallback: ByteSize; readonly min?: ByteSize },
): Option<number, 'bytes'> {
  const min = parseByteSize(spec.min ?? 1)
  const expected = `a size such as '512kb' or '64mb', or bytes${range({ min }, formatBytes)}`
  const parse = (value: unknown) => quantity(value, parseByteSize, min)
  return option('bytes', { ...spec, fallback: parseByteSize(spec.fallback) }, expected, parse, formatBytes)
}

export function oneOf<const V extends string>(
  choices: readonly V[],
  spec: Spec<NoInfer<V>>,
): Option<V, 'enum'> {
  const parse = (value: unknown) => choices.find((choice) => choice === value)
  return option<V, 'enum'>('enum', spec, `one of ${choices.join(', ')}`, parse, String)
}

function option<V, K extends OptionKind>(
  kind: K,
  spec: Spec<V> & { readonly isSecret?: boolean },
  expected: string,
  parse: (value: unknown) => Exclude<V, undefined> | undefined,
  show: (value: Exclude<V, undefined>) => string,
): Option<V, K> {
  const { doc, fallback, isSecret = false, environment = [] } = spec
  return {
    kind,
    doc,
    expected,
    isSecret,
    environment,
    defaultValue: (place) => (fallback instanceof Function ? fallback(place) : fallback),
    parse,
    show: (value) => (value === undefined ? '' : show(value as Exclude<V, undefined>)),
  }
}

function quantity(
  value: unknown,
  parse: (value: string | number) => number,
  min: number,
): number | undefined {
  if (typeof value !== 'string' && typeof value !== 'number') return undefined
  try {
    const parsed = parse(value)
    return parsed >= min ? parsed : undefined
  } catch {
    return undefined
  }
}

function range({ min, max }: Bounds, show: (limit: number) => string): string {
  if (min !== undefined && max !== undefined) return ` from ${show(min)} to ${show(max)}`
  if (min !== undefined && min > 0) return `, at least ${show(min)}`
  return min === 0 ? ', not negative' : ''
}
