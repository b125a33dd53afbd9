/**
 * Runs one case against what its adapter built. A scripted case drives a subject step by step, a pair case calls a
 * function; the verdict is a list of complaints, empty if the case passed.
 */
import { type Case, CaseError, type Json, type JsonObject } from './case.ts'
import { isEqual, isSameOutput } from './compare.ts'
import { toJson } from './literals.ts'

/** Something a script can be played to: one operator or one brain, in the state the script has brought it to. */
export interface Subject {
  /** Does what a step says; returns what that put out, as it would stand in a case. */
  step(step: JsonObject): readonly Json[] | Promise<readonly Json[]>
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
  if (test.after !== null) throw new CaseError(`facts after a step are not supported in suite ${test.suite}`)
  if (test.script!.length !== test.expect!.length) {
    throw new CaseError(`script has ${test.script!.length} steps, expect has ${test.expect!.length}`)
  }
  const complaints: string[] = []
  for (const variant of adapter.variants(test.config)) {
    const found = await runScript(test.script!, await variant.open())
    const prefix = variant.name === '' ? '' : `${variant.name}: `
    complaints.push(...compareSteps(test, adapter, found).map((each) => prefix + each))
  }
  return complaints
}

async function runScript(script: readonly JsonObject[], subject: Subject): Promise<(readonly Json[])[]> {
  const found: (readonly Json[])[] = []
  try {
    for (const step of script) found.push(await subject.step(step))
  } finally {
    await subject.close?.()
  }
  return found
}

function compareSteps(test: Case, { normalize }: Adapter, outputs: readonly (readonly Json[])[]): string[] {
  const expected = normalize?.(test.expect!) ?? test.expect!
  const found = normalize?.(outputs) ?? outputs
  return test.script!.flatMap((step, index) =>
    isSameOutput(expected[index]!, found[index]!, test.order)
      ? []
      : [complaint(`step ${index}`, step, expected[index]!, found[index]!)],
  )
}

function complaint(where: string, input: Json, expected: Json, found: Json): string {
  const [before, after] = [JSON.stringify(expected), JSON.stringify(found)]
  return `${where} ${JSON.stringify(input)}\n      expected ${before}\n      found    ${after}`
}
