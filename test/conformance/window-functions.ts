/** What window cases compute, once per firing, out of a key, the numbers of the window's elements and its bounds. */
import { CaseError, checkFields, type JsonObject } from './case.ts'
import type { Element } from './window-parts.ts'

export interface Bounds {
  readonly start: number
  readonly end: number
}

/** The results of one firing, given all elements in the order they arrived. */
export type WindowResults = (key: string, elements: readonly Element[], bounds: Bounds) => readonly unknown[]

export interface Totals {
  readonly count: number
  readonly sum: number
}

/** The one result of a function that needs no more of the elements than their count and sum. */
export type OfTotals = (key: string, totals: Totals, bounds: Bounds) => unknown

export interface CaseFunction {
  readonly type: string
  readonly isIncremental: boolean
  readonly results: WindowResults
  /** Null where the function needs the elements themselves. */
  readonly ofTotals: OfTotals | null
}

const OF_TOTALS: Readonly<Record<string, OfTotals>> = {
  sum: (key, { sum }) => [key, sum],
  count: (key, { count }) => [key, count],
  'sum-bounds': (key, { sum }, { start, end }) => [`${key}-${sum}`, start, end],
  'count-bounds': (key, { count }, { start, end }) => [key, count, start, end],
}

const OF_ELEMENTS: Readonly<Record<string, WindowResults>> = {
  list: (key, elements) => [[key, elements.map(([, value]) => value)]],
  each: (_key, elements) => elements,
}

export function functionOf(config: JsonObject): CaseFunction {
  checkFields(config, 'fn', ['type', 'incremental'])
  const type = String(config.type)
  const ofTotals = OF_TOTALS[type] ?? null
  const results = ofTotals === null ? OF_ELEMENTS[type] : totalled(ofTotals)
  if (results === undefined) throw new CaseError(`unknown window function ${JSON.stringify(config)}`)
  return {
    type,
    isIncremental: config.incremental === true,
    ofTotals,
    results: (key, elements, bounds) => (elements.length === 0 ? [] : results(key, elements, bounds)),
  }
}

function totalled(ofTotals: OfTotals): WindowResults {
  return (key, elements, bounds) => {
    const sum = elements.reduce((total, [, value]) => total + value, 0)
    return [ofTotals(key, { count: elements.length, sum }, bounds)]
  }
}
