/** Identifiers that appear in subjects, file names and on screens: short, lower case, without look-alikes. */
import { customAlphabet, customRandom } from 'nanoid'
import type { Random } from './prng.ts'

const ALPHABET = '23456789abcdefghjkmnpqrstuvwxyz'
const ID_LENGTH = 12

const fresh = customAlphabet(ALPHABET, ID_LENGTH)

/** A new id of 12 characters (59 bits). With `random` given it is reproducible. */
export function newId(random?: Random): string {
  if (random === undefined) return fresh()
  const bytes = (count: number) => Uint8Array.from({ length: count }, () => random.nextInt(256))
  return customRandom(ALPHABET, ID_LENGTH, bytes)()
}

/** What a uid, job name token, node id or cluster name may look like: safe as one subject token. */
export const TOKEN_PATTERN = /^[A-Za-z0-9_-]{1,64}$/

/** A free-form name as a subject token: other characters become '-', the length is cut to 64. */
export function toToken(name: string): string {
  const token = name.replace(/[^A-Za-z0-9_-]+/g, '-').slice(0, 64)
  return token === '' ? '-' : token
}
