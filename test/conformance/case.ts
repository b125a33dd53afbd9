/**
 * Conformance cases as they stand in their files: data, read and checked for shape only. What a config means is up to
 * the adapters; the format is described in cases/SCHEMA.md.
 */
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'

/** Parsed JSON of which only the part in question is looked at. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json }
export type JsonObject = { readonly [key: string]: Json }

export interface Case {
  readonly suite: string
  readonly name: string
  readonly config: JsonObject
  readonly requires: readonly string[]
  /** How to compare; see compare.ts. */
  readonly order: string
  /** Scripted cases. */
  readonly script: readonly JsonObject[] | null
  readonly expect: readonly (readonly Json[])[] | null
  readonly after: JsonObject | null
  /** Pair cases. */
  readonly pairs: readonly { readonly in: Json; readonly out: Json }[] | null
}

export interface Suite {
  readonly name: string
  readonly cases: readonly Case[]
}

/** The arguments or the files are wrong; nothing was run. */
export class UsageError extends Error {}

/** The case asks for something the adapters do not know, or is malformed; it fails with this message. */
export class CaseError extends Error {}

/** Reads every suite of a directory, in the order of their file names. Throws UsageError. */
export function readSuites(directory: string): Suite[] {
  if (!isDirectory(directory)) throw new UsageError(`no such directory: ${directory}`)
  const names = readdirSync(directory)
    .filter((name) => name.endsWith('.json'))
    .sort()
  if (names.length === 0) throw new UsageError(`no suite files (*.json) in ${directory}`)
  return names.map((name) => readSuite(join(directory, name)))
}

function isDirectory(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false
}

function readSuite(path: string): Suite {
  const content = parse(path)
  if (!isObject(content) || typeof content.suite !== 'string' || !Array.isArray(content.cases)) {
    throw new UsageError(`${path} is not a suite file: expected {suite, version, cases}`)
  }
  if (content.version !== 1) throw new UsageError(`${path}: expected version 1, found ${content.version}`)
  const name = content.suite
  return {
    name,
    cases: content.cases.map((each: Json, index) => toCase(each, name, `${path}, case ${index}`)),
  }
}

function parse(path: string): Json {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as Json
  } catch (error) {
    throw new UsageError(`${path} cannot be read as JSON: ${(error as Error).message}`)
  }
}

function toCase(value: Json, suite: string, where: string): Case {
  if (!isObject(value) || typeof value.name !== 'string' || !isObject(value.config)) {
    throw new UsageError(`${where}: expected an object with name and config`)
  }
  const { script = null, expect = null, pairs = null } = value
  if (pairs === null && (!Array.isArray(script) || !Array.isArray(expect))) {
    throw new UsageError(`${where} ("${value.name}"): expected script and expect, or pairs`)
  }
  return {
    suite,
    name: value.name,
    config: value.config,
    requires: (value.requires ?? []) as string[],
    order: (value.order ?? 'strict') as string,
    script: script as Case['script'],
    expect: expect as Case['expect'],
    after: (value.after ?? null) as Case['after'],
    pairs: pairs as Case['pairs'],
  }
}

export function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** A field that must be an object. */
export function objectOf(config: JsonObject, field: string): JsonObject {
  const value = config[field]
  if (isObject(value)) return value
  throw new CaseError(`${field}: expected an object, found ${JSON.stringify(value)}`)
}

/** A field that must be a number. */
export function numberOf(config: JsonObject, field: string): number {
  const value = config[field]
  if (typeof value === 'number') return value
  throw new CaseError(`${field}: expected a number, found ${JSON.stringify(value)}`)
}

/** A field that must be a string. */
export function stringOf(config: JsonObject, field: string): string {
  const value = config[field]
  if (typeof value === 'string') return value
  throw new CaseError(`${field}: expected a string, found ${JSON.stringify(value)}`)
}

/** Refuses an object with a field not in the list: a setting that was overlooked must not pass. */
export function checkFields(config: JsonObject, what: string, known: readonly string[]): void {
  const unknown = Object.keys(config).filter((field) => !known.includes(field))
  if (unknown.length > 0)
    throw new CaseError(`${what}: unknown ${unknown.join(', ')} in ${JSON.stringify(config)}`)
}
