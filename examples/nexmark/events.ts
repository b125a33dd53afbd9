/** All events, as they are made: no query, but what each of them costs before it begins. */
import { job } from 'sluice'
import { deliver, events } from './nexmark.ts'

export default job('nexmark-events', (env) => deliver(env, events(env)))
