/**
 * Times in cases: integers, or `MIN` and `MAX`, which stand for the ends of 64-bit time and are infinities here.
 * Literals close to the ends cannot be told from them in doubles; cases that need those carry the tag int64.
 */
import { CaseError, type Json } from './case.ts'

export function parseTime(literal: Json | undefined): number {
  if (typeof literal === 'number') return literal
  if (literal === 'MAX') return Number.POSITIVE_INFINITY
  if (literal === 'MIN') return Number.NEGATIVE_INFINITY
  throw new CaseError(`time ${JSON.stringify(literal)}: only integers, "MIN" and "MAX" can be represented`)
}

/** The way a result stands in a case: infinities become literals, at any depth; undefined becomes null. */
export function toJson(value: unknown): Json {
  switch (typeof value) {
    case 'number':
      return Number.isFinite(value) ? value : value > 0 ? 'MAX' : value < 0 ? 'MIN' : 'NaN'
    case 'bigint':
      return `${value}n`
    case 'object':
      if (value === null) return null
      if (Array.isArray(value)) return value.map(toJson)
      return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, toJson(each)]))
    case 'undefined':
      return null
    default:
      return value as Json
  }
}
