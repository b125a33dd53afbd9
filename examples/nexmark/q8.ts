/** Q8, new users: who registered and opened an auction within the same 10 s. */
import { type AggregateFunction, type Infer, job, t, tumbling } from 'sluice'
import type { Auction } from './model.ts'
import { deliver, events } from './nexmark.ts'

const newUser = t.object({ id: t.int64, name: t.string, stime: t.timestamp })
type NewUser = Infer<typeof newUser>

/** Either that a person registered, or that one opened an auction. */
const activity = t.object({ id: t.int64, name: t.nullable(t.string) })
type Activity = Infer<typeof activity>

const activities = t.object({ name: t.nullable(t.string), hasAuction: t.boolean })
type Activities = Infer<typeof activities>

const matched: AggregateFunction<Activity, Activities, NewUser | null, number> = {
  accumulatorType: activities,
  createAccumulator: () => ({ name: null, hasAuction: false }),
  add({ name }, found) {
    if (name === null) found.hasAuction = true
    else found.name = name
    return found
  },
  getResult: ({ name, hasAuction }, { key, start }) =>
    name !== null && hasAuction ? { id: key, name, stime: start } : null,
}

export default job('nexmark-q8', (env) => {
  const users = events(env)
    .filter(({ kind }) => kind !== 'bid')
    .map(
      (event): Activity =>
        event.kind === 'person'
          ? { id: event.id, name: event.name }
          : { id: (event as Auction).seller, name: null },
      { type: activity },
    )
    .keyBy(({ id }) => id)
    .window(tumbling('10s'))
    .aggregate(matched, { uid: 'matched', type: t.nullable(newUser) })
    .filter((user) => user !== null)
    .map((user) => user!, { type: newUser })
  deliver(env, users)
})
