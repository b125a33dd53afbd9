/**
 * Runs one case against what its adapter built. A scripted case drives a subject step by step, a pair case calls a
 * function; the verdict is a list of complaints, empty if the case passed.
 */
import { type Case, CaseError, isObject, type Json, type JsonObject } from './case.ts'
import { isEqual, isSameOutput } from './compare.ts'
import { toJson } from './literals.ts'

/** Something a script can be played to: one operator or one brain, in the state the script has brought it to. */
export interface Subject {
  /** Does what a step says; returns what that put out, as it would stand in a case. */
  step(step: JsonObject): readonly Json[] | Promise<readonly Json[]>
  /** What holds after a step. `expected`: the facts that are asked for. */
  facts?(expected: JsonObject): JsonObject | Promise<JsonObject>
  close?(): void | Promise<void>
}

/** One way of doing what a case's config says; a case passes if it does in all of them. */
export interface Variant {
  /** What tells it from the others; empty if it is the only one. */
  readonly name: string
  open(): Subject | Promise<Subject>
}

export interface Adapter {
  /** The ways to run a scripted case. Throws CaseError for what it does not know. */
  readonly variants?: (config: JsonObject) => readonly Variant[]
  /** The function of a pair case; called once per case, so that stateful ones begin anew. */
  readonly pairFunction?: (config: JsonObject) => (input: Json) => unknown
  /** Brings expected and found outputs, one list per step, into a common form where the format leaves a choice. */
  readonly normalize?: (steps: readonly (readonly Json[])[]) => readonly (readonly Json[])[]
  /** As `normalize`, for the facts after a step. */
  readonly normalizeFacts?: (facts: JsonObject) => JsonObject
}

/** What a step put out, and the facts after it, if the case asks for any. */
interface Found {
  readonly outputs: readonly Json[]
  readonly facts: JsonObject | null
}

export async function runCase(test: Case, adapter: Adapter): Promise<string[]> {
  try {
    return test.pairs === null ? await runScripts(test, adapter) : runPairs(test, adapter)
  } catch (error) {
    return [error instanceof CaseError ? error.message : String((error as Error).stack ?? error)]
  }
}

function runPairs(test: Case, { pairFunction }: Adapter): string[] {
  if (pairFunction === undefined) throw new CaseError(`suite ${test.suite} has no pair cases that we know of`)
  const newFunction = () => pairFunction(test.config)
  const shared = test.config.stateful === true ? newFunction() : null
  return test.pairs!.flatMap((pair, index) => {
    const found = toJson((shared ?? newFunction())(pair.in))
    return isEqual(pair.out, found) ? [] : [complaint(`pair ${index}`, pair.in, pair.out, found)]
  })
}

async function runScripts(test: Case, adapter: Adapter): Promise<string[]> {
  if (adapter.variants === undefined)
    throw new CaseError(`suite ${test.suite} has no scripted cases that we know of`)
  if (test.script!.length !== test.expect!.length) {
    throw new CaseError(`script has ${test.script!.length} steps, expect has ${test.expect!.length}`)
  }
  const complaints: string[] = []
  for (const variant of adapter.variants(test.config)) {
    const found = await runScript(test, await variant.open())
    const prefix = variant.name === '' ? '' : `${variant.name}: `
    const wrong = [...compareSteps(test, adapter, found), ...compareFacts(test, adapter, found)]
    complaints.push(...wrong.map((each) => prefix + each))
  }
  return complaints
}

async function runScript(test: Case, subject: Subject): Promise<Found[]> {
  const found: Found[] = []
  try {
    for (const [index, step] of test.script!.entries()) {
      const outputs = await subject.step(step)
      found.push({ outputs, facts: await factsAfter(test, index, subject) })
    }
  } finally {
    await subject.close?.()
  }
  return found
}

async function factsAfter(test: Case, index: number, subject: Subject): Promise<JsonObject | null> {
  const expected = test.after?.[index]
  if (!isObject(expected)) return null
  const facts = await subject.facts?.(expected)
  if (facts === undefined) throw new CaseError(`facts after a step are not supported in suite ${test.suite}`)
  return Object.fromEntries(Object.keys(expected).map((name) => [name, facts[name] ?? null]))
}

function compareSteps(test: Case, { normalize }: Adapter, all: readonly Found[]): string[] {
  const outputs = all.map((each) => each.outputs)
  const expected = normalize?.(test.expect!) ?? test.expect!
  const found = normalize?.(outputs) ?? outputs
  return test.script!.flatMap((step, index) =>
    isSameOutput(expected[index]!, found[index]!, test.order)
      ? []
      : [complaint(`step ${index}`, step, expected[index]!, found[index]!)],
  )
}

function compareFacts(test: Case, { normalizeFacts }: Adapter, all: readonly Found[]): string[] {
  const normal = (facts: JsonObject) => normalizeFacts?.(facts) ?? facts
  return all.flatMap(({ facts }, index) => {
    if (facts === null) return []
    const [expected, found] = [normal(test.after![index] as JsonObject), normal(facts)]
    return isEqual(expected, found)
      ? []
      : [complaint(`after step ${index}`, test.script![index]!, expected, found)]
  })
}

function complaint(where: string, input: Json, expected: Json, found: Json): string {
  const [before, after] = [JSON.stringify(expected), JSON.stringify(found)]
  return `${where} ${JSON.stringify(input)}\n      expected ${before}\n      found    ${after}`
}
