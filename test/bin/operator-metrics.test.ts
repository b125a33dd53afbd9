import t from 'tap'
import { operatorMetrics } from '../../bin/operator-metrics.ts'
import type { VertexDescription } from '../../lib/protocol/job-submission.ts'

const vertex = (...operators: (Record<string, number> | null)[]) =>
  ({
    subtasks: operators.map((each) => ({ metrics: each === null ? null : { operators: each } })),
  }) as unknown as VertexDescription

t.test('operator metrics - the sum over subtasks, of what is not zero, in order', async (t) => {
  const metrics = operatorMetrics([
    vertex({ 'w.late_records_dropped_total': 2, 'w.other': 0 }, { 'w.late_records_dropped_total': 3 }, null),
    vertex({ 'a.lookups.failed': 1 }),
  ])
  t.same(metrics, [
    { uid: 'a', name: 'lookups.failed', total: 1 },
    { uid: 'w', name: 'late_records_dropped_total', total: 5 },
  ])
  t.same(operatorMetrics([]), [])
})
