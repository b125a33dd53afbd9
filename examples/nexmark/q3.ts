/** Q3, local item suggestion: auctions of one category whose sellers live in one of three states, and who they are. */
import { job, t } from 'sluice'
import { auctionsOf, deliver, events, peopleOf } from './nexmark.ts'

const row = t.object({ name: t.string, city: t.string, state: t.string, id: t.int64 })

const CATEGORY = 10
const STATES = ['OR', 'ID', 'CA']

export default job('nexmark-q3', (env) => {
  const all = events(env)
  const people = peopleOf(all).filter(({ state }) => STATES.includes(state))
  const auctions = auctionsOf(all).filter(({ category }) => category === CATEGORY)
  // Either may come first. People go on selling, so they are kept for good; an auction only until its seller is known.
  const suggestions = people
    .keyBy(({ id }) => id)
    .connect(auctions.keyBy(({ seller }) => seller))
    .join(({ name, city, state }, { id }) => ({ name, city, state, id }), {
      uid: 'suggestions',
      unique: 'first',
      type: row,
    })
  deliver(env, suggestions)
})
