/**
 * Mean temperatures per room and five seconds, of sensors that never stop: a job to describe, stop and go on with.
 *
 *     sluice run examples/sensors.ts --detached
 *     sluice run examples/sensors.ts -- 2000        only so many readings
 */
import { boundedOutOfOrderness, generator, job, t, tumbling } from 'sluice'

const Reading = t.object({ room: t.string, celsius: t.float64, at: t.timestamp })

const ROOMS = ['attic', 'cellar', 'kitchen', 'study']
const READINGS_PER_SECOND = 200
const FIRST_MS = Date.UTC(2026, 0, 1)

/** The same reading for the same number, whenever it is asked for: that is how a source goes back after a failure. */
function reading(index: number) {
  const room = index % ROOMS.length
  const minutes = index / READINGS_PER_SECOND / 60
  return {
    room: ROOMS[room]!,
    celsius: 12 + 4 * room + 3 * Math.sin(minutes + room),
    at: FIRST_MS + Math.floor((index * 1000) / READINGS_PER_SECOND),
  }
}

export default job('sensors', (env) => {
  const count = env.args[0] === undefined ? Number.POSITIVE_INFINITY : Number(env.args[0])
  env
    .source(
      generator({
        generate: reading,
        count,
        ratePerSecond: READINGS_PER_SECOND,
        type: Reading,
        name: 'sensors',
      }),
      { uid: 'sensors', watermarks: boundedOutOfOrderness('1s', (each) => each.at) },
    )
    .keyBy(({ room }) => room)
    .window(tumbling('5s'))
    .aggregate(
      {
        createAccumulator: () => ({ sum: 0, count: 0 }),
        add: ({ celsius }, total) => ({ sum: total.sum + celsius, count: total.count + 1 }),
        getResult: ({ sum, count }, { key, end }) =>
          `${new Date(end).toISOString()}  ${key.padEnd(8)} ${(sum / count).toFixed(2)} °C`,
      },
      { uid: 'means' },
    )
    .print({ uid: 'out' })
})
