/** What Nexmark's generator picks from: names, places, channels with their urls, padding. The same for every seed. */
import { Draws, UNDERSCORE } from './draws.ts'

export const STATES = ['AZ', 'CA', 'ID', 'OR', 'WA', 'WY']
export const CITIES = [
  'Phoenix',
  'Sacramento',
  'Fresno',
  'Boise',
  'Salem',
  'Eugene',
  'Spokane',
  'Tacoma',
  'Olympia',
  'Cheyenne',
]
export const FIRST_NAMES = [
  'Anna',
  'Boris',
  'Clara',
  'Dmitri',
  'Elena',
  'Farid',
  'Greta',
  'Hugo',
  'Ines',
  'Jonas',
  'Kira',
]
export const LAST_NAMES = [
  'Archer',
  'Baker',
  'Cooper',
  'Draper',
  'Fisher',
  'Mason',
  'Potter',
  'Turner',
  'Walker',
]

const URL_SEED = 0x5eed0001
const PADDING_SEED = 0x5eed0002
export const PADDING_LENGTH = 2 ** 20

export interface Channel {
  readonly name: string
  readonly url: string
}

const urlDraws = new Draws(URL_SEED)

export const HOT_CHANNELS: readonly Channel[] = ['Google', 'Facebook', 'Baidu', 'Apple'].map((name) => ({
  name,
  url: drawUrl(),
}))

export const CHANNELS: readonly Channel[] = Array.from({ length: 10_000 }, (_, i) => {
  const url = drawUrl()
  const hasId = urlDraws.nextInt(10) > 0
  return {
    name: flat(`channel-${i}`),
    url: hasId ? flat(`${url}&channel_id=${Math.abs(reversedBits(i))}`) : url,
  }
})

/** Letters without meaning; records take pieces of it, which V8 makes without copying. */
export const PADDING = drawPadding()

function drawUrl(): string {
  const directory = () => urlDraws.nextText(5, UNDERSCORE)
  return flat(`https://www.nexmark.com/${directory()}/${directory()}/${directory()}/item.htm?query=1`)
}

/** V8 leaves a text put together from parts in its parts; whoever writes it out would visit them each time. */
function flat(text: string): string {
  return Buffer.from(text, 'latin1').toString('latin1')
}

/** The 32 bits of `value` in reverse order, as a signed integer. */
function reversedBits(value: number): number {
  let reversed = 0
  for (let bit = 0; bit < 32; bit++) reversed = (reversed << 1) | ((value >>> bit) & 1)
  return reversed
}

/** Six letters out of each number drawn. */
function drawPadding(): string {
  const draws = new Draws(PADDING_SEED)
  const letters = Buffer.alloc(PADDING_LENGTH)
  let rest = 0
  for (let i = 0; i < PADDING_LENGTH; i++) {
    if (i % 6 === 0) rest = draws.next()
    letters[i] = 97 + (rest % 26)
    rest = Math.floor(rest / 26)
  }
  return letters.toString('latin1')
}
