import fc from 'fast-check'
import t from 'tap'
import { type LeaseWorld, simulateLeases } from './lease-simulation.ts'

/** A tenth of the lease as margin covers clocks that run 5.2 % too fast and 5.2 % too slow. */
const COVERED_DRIFT = 0.05

const world = (driftMax: number): fc.Arbitrary<LeaseWorld> =>
  fc.record({
    seed: fc.integer(),
    candidateCount: fc.integer({ min: 1, max: 5 }),
    driftMax: fc.constant(driftMax),
    lossRate: fc.constantFrom(0, 0.02, 0.1, 0.3),
    duplicateRate: fc.constantFrom(0, 0.2),
    freezeRate: fc.constantFrom(0, 0.1),
    deathRate: fc.constantFrom(0, 0.05),
    resignRate: fc.constantFrom(0, 0.05),
    leases: fc.constant(30),
  })

t.test(
  'leader lease - L1, L2: never two leaders, growing epochs, and a leader when things calm down',
  async (t) => {
    let terms = 0
    fc.assert(
      fc.property(world(COVERED_DRIFT), (settings) => {
        const report = simulateLeases(settings)
        terms += report.terms
        if (report.violations.length > 0) throw new Error(report.violations.join('\n'))
        // Answers from the bad times (up to 3 leases), a freeze (3), a lease, a resignation and some requests.
        if (report.calmAfterMs === undefined) throw new Error('nobody leads')
        return report.calmAfterMs < 9000
      }),
      { numRuns: 1500 },
    )
    t.ok(terms > 1000, `${terms} leaderships`)
  },
)

t.test('leader lease - a single candidate in a calm world leads once and for ever', async (t) => {
  const calm = { lossRate: 0, duplicateRate: 0, freezeRate: 0, deathRate: 0, resignRate: 0 }
  for (const candidateCount of [1, 5]) {
    // Stragglers do not count as calm: none of them is as long as a lease here.
    const report = simulateLeases({ ...calm, seed: 1, candidateCount, driftMax: 0, leases: 0 })
    t.same(report.violations, [])
    t.equal(report.terms, 1)
  }
})

t.test(
  'leader lease - the simulation finds two leaders where clocks differ more than the margin covers',
  async (t) => {
    let found = 0
    for (let seed = 0; seed < 200; seed++) {
      const faults = { lossRate: 0.3, duplicateRate: 0.2, freezeRate: 0.1, deathRate: 0, resignRate: 0 }
      const report = simulateLeases({ ...faults, seed, candidateCount: 5, driftMax: 0.3, leases: 30 })
      if (report.violations.some((violation) => violation.includes('begins to lead while'))) found++
    }
    t.ok(found > 0, `in ${found} of 200 worlds`)
  },
)
