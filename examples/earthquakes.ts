/**
 * A week of earthquakes: on which days a region had a strong one, where it was, and how many there were that day.
 *
 *     sluice run examples/earthquakes.ts
 *
 * Reads a file here; the same job would read the USGS feed from a JetStream stream. See examples/data/README.md.
 */
import { boundedOutOfOrderness, csv, files, type Infer, job, t, tumbling } from 'sluice'

const Quake = t.object({
  id: t.string,
  time: t.timestamp,
  magnitude: t.float64,
  depth: t.float64,
  network: t.string,
  type: t.string,
  place: t.string,
})
type Quake = Infer<typeof Quake>

/** `9km NE of Aguanga, CA` lies in `CA`, which the feed also spells `California`. */
function regionOf({ place }: Quake): string {
  const region = place.slice(place.lastIndexOf(',') + 1).trim()
  return region === 'CA' ? 'California' : region
}

interface DayOfRegion {
  readonly day: string
  readonly region: string
  readonly quakes: number
  readonly strongest: Quake
}

export default job('earthquakes', (env) => {
  const quakes = env
    .source(files({ path: new URL('./data/earthquakes.csv', import.meta.url), format: csv(Quake) }), {
      uid: 'quakes',
    })
    .watermarks(boundedOutOfOrderness('1h', (quake) => quake.time))
    .filter((quake) => quake.type === 'earthquake', { uid: 'natural' })

  quakes
    .keyBy(regionOf)
    .window(tumbling('1d'))
    .aggregate(
      {
        createAccumulator: (): { quakes: number; strongest: Quake | null } => ({
          quakes: 0,
          strongest: null,
        }),
        add: (quake, day) => ({
          quakes: day.quakes + 1,
          strongest:
            day.strongest === null || quake.magnitude > day.strongest.magnitude ? quake : day.strongest,
        }),
        getResult: ({ quakes, strongest }, { key, start }): DayOfRegion => ({
          day: new Date(start).toISOString().slice(0, 10),
          region: key,
          quakes,
          strongest: strongest!,
        }),
      },
      { uid: 'per-day' },
    )
    .filter((day) => day.strongest.magnitude >= 5, { name: 'strong' })
    .map(
      ({ day, region, quakes, strongest }) =>
        `${day}  ${region.padEnd(24)} ${String(quakes).padStart(3)} quakes, up to ${strongest.magnitude.toFixed(1)}  ${strongest.place}`,
      { name: 'format' },
    )
    .print({ uid: 'out' })
})
