/** Q13, side input: every bid with a value looked up in a small table that each subtask holds. */
import { type Infer, job, type RichMap, t } from 'sluice'
import type { Bid } from './model.ts'
import { bids, deliver } from './nexmark.ts'

const row = t.object({
  auction: t.int64,
  bidder: t.int64,
  price: t.int64,
  dateTime: t.timestamp,
  value: t.string,
})
type Row = Infer<typeof row>

const TABLE_SIZE = 10_000

class TableLookup implements RichMap<Bid, Row> {
  readonly #table = new Map<number, string>()

  /** The table's lines are "k,k" for all k: no file is needed to know them. One would be read here, asynchronously. */
  open(): void {
    for (let key = 0; key < TABLE_SIZE; key++) this.#table.set(key, String(key))
  }

  map({ auction, bidder, price, dateTime }: Bid): Row {
    return { auction, bidder, price, dateTime, value: this.#table.get(auction % TABLE_SIZE)! }
  }
}

export default job('nexmark-q13', (env) => {
  deliver(env, bids(env).map(new TableLookup(), { type: row }))
})
