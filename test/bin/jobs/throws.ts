/** Fails at one record, in a function of its own. */
import { blackholeSink, generator, job } from 'sluice'

interface Row {
  readonly id: number
  readonly text: string | undefined
}

function lengthOf(row: Row): number {
  return row.text!.length // it throws here
}

export default job('throws', (env) => {
  const rows = generator<Row>({
    generate: (id) => ({ id, text: id === 17 ? undefined : 'x' }),
    count: 100,
    name: 'rows',
  })
  env
    .source(rows, { uid: 'rows' })
    .map((row) => lengthOf(row), { uid: 'parse', name: 'length' })
    .sinkTo(blackholeSink(), { uid: 'out' })
})
