/** Every suite of cases/ that has an adapter: one test a suite, one assertion a case. */
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { readSuites } from './case.ts'
import { backendsOf, describeRun, runOrSkip, suiteSkipReason } from './suites.ts'

for (const { name, cases } of readSuites(join(dirname(fileURLToPath(import.meta.url)), 'cases'))) {
  if (suiteSkipReason(name) !== null) continue
  for (const backend of backendsOf(name)) {
    t.test(`conformance - ${describeRun(name, backend)}`, async (t) => {
      for (const each of cases) {
        const result = await runOrSkip(each, backend)
        if (result.kind !== 'skipped') t.same(result, { kind: 'passed' }, each.name)
      }
    })
  }
}
