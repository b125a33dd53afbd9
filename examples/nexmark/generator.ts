/**
 * The event generator of Nexmark: event n is a function of n and the seed, so that any subtask can make any of them,
 * a restarted one makes the same again, and every run of a query can be compared with every other.
 *
 * Out of 50 events one is a new person, three are new auctions, the rest are bids. Half of the bids go to the hot
 * auction, the newest whose id is a multiple of 100; three quarters come from one hot bidder; others may name auctions
 * and people that appear only a few events later.
 */
import { Draws, SPACE, streamStart } from './draws.ts'
import type { Event } from './model.ts'
import {
  CHANNELS,
  CITIES,
  FIRST_NAMES,
  HOT_CHANNELS,
  LAST_NAMES,
  PADDING,
  PADDING_LENGTH,
  STATES,
} from './tables.ts'

export interface NexmarkOptions {
  /** Unsigned 32-bit; default 1. */
  readonly seed?: number
  /** Events per second of event time, an integer; says nothing about how fast they are made. Default 10 000. */
  readonly rate?: number
  /** When event 0 happens, ms since the epoch; default: 2015-07-15T00:00:00Z. */
  readonly baseTime?: number
  /** Events change places within groups of this size; default 1: they come in order. */
  readonly outOfOrderGroupSize?: number
}

const BASE_TIME = Date.UTC(2015, 6, 15)
const EVENTS_PER_EPOCH = 50
const PEOPLE_PER_EPOCH = 1
const AUCTIONS_PER_EPOCH = 3
const FIRST_ID = 1000
/** How far ahead of what exists references may run. */
const ID_LEAD = 10
const HOT_BLOCK = 100
const IN_FLIGHT_AUCTIONS = 100
const ACTIVE_PEOPLE = 1000
const FIRST_CATEGORY = 10
/** After so many events, IN_FLIGHT_AUCTIONS new auctions have been opened. */
const AUCTION_LIFE_EVENTS = Math.floor((IN_FLIGHT_AUCTIONS * EVENTS_PER_EPOCH) / AUCTIONS_PER_EPOCH)
const PERSON_BYTES = 200
const AUCTION_BYTES = 500
const BID_BYTES = 100
/** A prime, so that it permutes any group that is not a multiple of it. */
const SHUFFLE_STEP = 953

export class NexmarkGenerator {
  readonly #seed: number
  readonly #rate: number
  readonly #baseTime: number
  readonly #groupSize: number
  readonly #draws = new Draws()

  constructor({
    seed = 1,
    rate = 10_000,
    baseTime = BASE_TIME,
    outOfOrderGroupSize = 1,
  }: NexmarkOptions = {}) {
    if (outOfOrderGroupSize % SHUFFLE_STEP === 0) {
      throw new RangeError(
        `out-of-order group size: expected no multiple of ${SHUFFLE_STEP}, found ${outOfOrderGroupSize}`,
      )
    }
    this.#seed = seed
    this.#rate = rate
    this.#baseTime = baseTime
    this.#groupSize = outOfOrderGroupSize
  }

  /** The number of the event that is emitted in place `position`. */
  numberAt(position: number): number {
    const groupSize = this.#groupSize
    if (groupSize === 1) return position
    const place = position % groupSize
    return position - place + ((place * SHUFFLE_STEP) % groupSize)
  }

  event(n: number): Event {
    this.#draws.restart(streamStart(this.#seed, n))
    const epoch = Math.floor(n / EVENTS_PER_EPOCH)
    const place = n - epoch * EVENTS_PER_EPOCH
    const lastPerson = epoch
    const lastAuction =
      epoch * AUCTIONS_PER_EPOCH + Math.min(place - PEOPLE_PER_EPOCH, AUCTIONS_PER_EPOCH - 1)
    if (place >= PEOPLE_PER_EPOCH + AUCTIONS_PER_EPOCH) return this.#bid(n, lastPerson, lastAuction)
    return place < PEOPLE_PER_EPOCH ? this.#person(n, lastPerson) : this.#auction(n, lastPerson, lastAuction)
  }

  #timestamp(n: number): number {
    return this.#baseTime + Math.floor((n * 1000) / this.#rate)
  }

  #person(n: number, id: number): Event {
    const draws = this.#draws
    const firstName = FIRST_NAMES[draws.nextInt(FIRST_NAMES.length)]!
    const name = `${firstName} ${LAST_NAMES[draws.nextInt(LAST_NAMES.length)]!}`
    const emailAddress = `${draws.nextText(7, SPACE)}@${draws.nextText(5, SPACE)}.com`
    const creditCard = `${this.#fourDigits()} ${this.#fourDigits()} ${this.#fourDigits()} ${this.#fourDigits()}`
    const city = CITIES[draws.nextInt(CITIES.length)]!
    const state = STATES[draws.nextInt(STATES.length)]!
    const size = 8 + name.length + emailAddress.length + creditCard.length + city.length + state.length
    return {
      kind: 'person',
      id: FIRST_ID + id,
      name,
      emailAddress,
      creditCard,
      city,
      state,
      dateTime: this.#timestamp(n),
      extra: this.#padding(size, PERSON_BYTES),
    }
  }

  #auction(n: number, lastPerson: number, id: number): Event {
    const draws = this.#draws
    const dateTime = this.#timestamp(n)
    const seller = draws.nextInt(4) > 0 ? hot(lastPerson) : this.#activePerson(lastPerson)
    const category = FIRST_CATEGORY + draws.nextInt(5)
    const initialBid = draws.nextPrice()
    const horizonMs = this.#timestamp(n + AUCTION_LIFE_EVENTS) - dateTime
    const expires = dateTime + 1 + draws.nextIntLarge(Math.max(2 * horizonMs, 1))
    const itemName = draws.nextText(20, SPACE)
    const description = draws.nextText(100, SPACE)
    const reserve = initialBid + draws.nextPrice()
    return {
      kind: 'auction',
      id: FIRST_ID + id,
      itemName,
      description,
      initialBid,
      reserve,
      dateTime,
      expires,
      seller: FIRST_ID + seller,
      category,
      extra: this.#padding(8 + itemName.length + description.length + 40, AUCTION_BYTES),
    }
  }

  #bid(n: number, lastPerson: number, lastAuction: number): Event {
    const draws = this.#draws
    const auction = draws.nextInt(2) > 0 ? hot(lastAuction) : this.#recentAuction(lastAuction)
    const bidder = draws.nextInt(4) > 0 ? hot(lastPerson) + 1 : this.#activePerson(lastPerson)
    const price = draws.nextPrice()
    const isHotChannel = draws.nextInt(2) > 0
    const channel = isHotChannel
      ? HOT_CHANNELS[draws.nextInt(HOT_CHANNELS.length)]!
      : CHANNELS[draws.nextInt(CHANNELS.length)]!
    return {
      kind: 'bid',
      auction: FIRST_ID + auction,
      bidder: FIRST_ID + bidder,
      price,
      channel: channel.name,
      url: channel.url,
      dateTime: this.#timestamp(n),
      extra: this.#padding(32, BID_BYTES),
    }
  }

  /** One of the newest people, or of those about to register. */
  #activePerson(lastPerson: number): number {
    const count = lastPerson + 1
    const active = Math.min(count, ACTIVE_PEOPLE)
    return count - active + this.#draws.nextInt(active + ID_LEAD)
  }

  /** One of the newest auctions, or of those about to be opened. */
  #recentAuction(lastAuction: number): number {
    const first = Math.max(lastAuction - IN_FLIGHT_AUCTIONS, 0)
    return first + this.#draws.nextInt(lastAuction - first + 1 + ID_LEAD)
  }

  #fourDigits(): string {
    return String(10_000 + this.#draws.nextInt(10_000)).slice(1)
  }

  /** What brings a record of `size` bytes to about `averageSize`. */
  #padding(size: number, averageSize: number): string {
    if (size > averageSize) return ''
    const draws = this.#draws
    const wanted = averageSize - size
    const delta = Math.floor((2 * wanted + 5) / 10)
    const length = wanted - delta + (delta === 0 ? 0 : draws.nextInt(2 * delta))
    const begin = draws.nextInt(PADDING_LENGTH - length)
    return PADDING.substring(begin, begin + length)
  }
}

/** The hot person or auction of the time when `last` is the newest. */
function hot(last: number): number {
  return last - (last % HOT_BLOCK)
}
