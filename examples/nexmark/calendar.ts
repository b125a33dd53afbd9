/** Days and minutes as people write them, in UTC. Times come nearly sorted: the last text is mostly the next one. */
const DAY_MS = 86_400_000
const MINUTE_MS = 60_000
/** Length of `2015-07-15`, and where the `09:30` of `2015-07-15T09:30:00.000Z` begins and ends. */
const DAY_END = 10
const MINUTE_BEGIN = 11
const MINUTE_END = 16

let lastDay = Number.NaN
let lastDayText = ''
let lastMinute = Number.NaN
let lastMinuteText = ''

/** `2015-07-15`. */
export function dayOf(timestamp: number): string {
  const day = Math.floor(timestamp / DAY_MS)
  if (day !== lastDay) {
    lastDay = day
    lastDayText = new Date(day * DAY_MS).toISOString().slice(0, DAY_END)
  }
  return lastDayText
}

/** `09:30`. */
export function minuteOf(timestamp: number): string {
  const minute = Math.floor(timestamp / MINUTE_MS)
  if (minute !== lastMinute) {
    lastMinute = minute
    lastMinuteText = new Date(minute * MINUTE_MS).toISOString().slice(MINUTE_BEGIN, MINUTE_END)
  }
  return lastMinuteText
}
