import fc from 'fast-check'
import t from 'tap'
import { JoinOperator, type JoinOptions, UniqueJoinOperator } from '../../../lib/operator/join-operator.ts'
import type { StreamOperator } from '../../../lib/operator/stream-operator.ts'
import { OperatorHarness } from '../../../lib/testing/operator-harness.ts'
import { t as types } from '../../../lib/types/t.ts'
import { runs } from '../types/schema-arbitrary.ts'
import { brief } from './brief.ts'

const KEYED_BY_LETTER = [(text: string) => text[0]!, (text: string) => text[0]!] as never
const OPTIONS: JoinOptions<string, string, string> = {
  types: [types.string, types.string],
  combine: (a, b) => `${a}+${b}`,
  where: null,
  whereFirst: null,
  whereSecond: null,
}

const join = () => new JoinOperator(OPTIONS)
const uniqueJoin = () => new UniqueJoinOperator(OPTIONS)

const open = (
  operator: () => StreamOperator<string>,
  restore?: Awaited<ReturnType<OperatorHarness<string>['snapshot']>>,
) =>
  OperatorHarness.open<string>({
    operator,
    keySelectors: KEYED_BY_LETTER,
    ...(restore === undefined ? {} : { restore }),
  })

/** Feeds records (letter, side, whether to go on from a snapshot); what came out with each. */
async function feed(
  operator: () => StreamOperator<string>,
  records: readonly (readonly [string, number, boolean])[],
): Promise<unknown[][]> {
  const outputs: unknown[][] = []
  let harness = await open(operator)
  for (const [id, [letter, side, isRestored]] of records.entries()) {
    harness.element(`${letter}${id}`, id, side)
    outputs.push(brief(harness.takeOutput()))
    if (isRestored) harness = await open(operator, await harness.snapshot())
  }
  return outputs
}

const streams = (letters: string[]) =>
  fc.array(fc.tuple(fc.constantFrom(...letters), fc.nat(1), fc.boolean()), { maxLength: 40, size: 'max' })

t.test('join - each pair of equal keys once, with the later of the two', async (t) => {
  const property = fc.asyncProperty(streams(['a', 'b']), async (records) => {
    const expected = records.map(([letter, side], id) =>
      records.slice(0, id).flatMap(([otherLetter, otherSide], other) => {
        if (otherLetter !== letter || otherSide === side) return []
        return side === 1 ? `${letter}${other}+${letter}${id}` : `${letter}${id}+${letter}${other}`
      }),
    )
    return JSON.stringify(await feed(join, records)) === JSON.stringify(expected)
  })
  await t.resolves(fc.assert(property, runs(60)))
})

t.test('unique join - gives what the join gives, of the second side keeping only what waits', async (t) => {
  const letters = ['a', 'b', 'c', 'd', 'e']
  const property = fc.asyncProperty(streams(letters), async (records) => {
    const seen = new Set<string>()
    const unique = records.filter(([letter, side]) => side === 1 || (!seen.has(letter) && seen.add(letter)))
    return JSON.stringify(await feed(uniqueJoin, unique)) === JSON.stringify(await feed(join, unique))
  })
  await t.resolves(fc.assert(property, runs(60)))
  const harness = await open(uniqueJoin)
  harness.element('a1', 1, 1)
  harness.element('a2', 2, 1)
  t.equal(harness.keyed!.size, 1, 'two wait')
  harness.element('a3', 3, 0)
  harness.element('a4', 4, 1)
  t.same(brief(harness.takeOutput()), ['a3+a1', 'a3+a2', 'a3+a4'])
  t.equal(harness.keyed!.size, 1, 'none waits any more')
})

t.test('unique join - a second record of the unique side counts for what comes after it', async (t) => {
  t.same(
    await feed(uniqueJoin, [
      ['a', 0, false],
      ['a', 1, false],
      ['a', 0, true],
      ['a', 1, false],
    ]),
    [[], ['a0+a1'], [], ['a2+a3']],
  )
})

t.test('join - pairs may be left out', async (t) => {
  const where = (a: string, b: string) => Number(a[1]) < Number(b[1])
  for (const operator of [
    () => new JoinOperator({ ...OPTIONS, where }),
    () => new UniqueJoinOperator({ ...OPTIONS, where }),
  ]) {
    const harness = await open(operator)
    harness.element('a1', 1, 1)
    harness.element('a5', 2, 0)
    harness.element('a7', 3, 1)
    harness.element('a2', 4, 1)
    t.same(brief(harness.takeOutput()), ['a5+a7'])
  }
})

t.test('join - records of either side may be left out', async (t) => {
  const whereFirst = (a: string) => Number(a.slice(1)) % 3 !== 0
  const whereSecond = (b: string) => Number(b.slice(1)) % 5 !== 0
  const all = streams(['a', 'b', 'c', 'd'])
  for (const [plain, choosy] of [
    [join, () => new JoinOperator({ ...OPTIONS, whereFirst, whereSecond })],
    [uniqueJoin, () => new UniqueJoinOperator({ ...OPTIONS, whereFirst, whereSecond })],
  ] as const) {
    const property = fc.asyncProperty(all, async (records) => {
      const seen = new Set<string>()
      const unique = records.filter(([letter, side]) => side === 1 || (!seen.has(letter) && seen.add(letter)))
      const pairs = (await feed(plain, unique)) as string[][]
      const expected = pairs.map((made) =>
        made.filter((pair) => whereFirst(pair.split('+')[0]!) && whereSecond(pair.split('+')[1]!)),
      )
      return JSON.stringify(await feed(choosy, unique)) === JSON.stringify(expected)
    })
    await t.resolves(fc.assert(property, runs(60)))
  }
})

t.test('unique join - of a record that joins nothing it is known that it came', async (t) => {
  const harness = await open(() => new UniqueJoinOperator({ ...OPTIONS, whereFirst: () => false }))
  harness.element('a1', 1, 1)
  harness.element('a2', 2, 0)
  t.equal(harness.keyed!.size, 1, 'what waited for it waits no more')
  harness.element('a3', 3, 1)
  t.equal(harness.keyed!.size, 1, 'nor does what comes later')
  t.same(brief(harness.takeOutput()), [])
})

t.test('join - with a time-to-live a record that waited too long meets nobody', async (t) => {
  for (const operator of [
    () => new JoinOperator({ ...OPTIONS, ttl: 10 }),
    () => new UniqueJoinOperator({ ...OPTIONS, ttl: 10 }),
  ]) {
    const harness = await open(operator)
    harness.element('a1', undefined, 1)
    harness.element('b1', undefined, 0)
    harness.processingTime(9)
    harness.element('a2', undefined, 1)
    harness.processingTime(10)
    harness.element('a3', undefined, 0)
    harness.element('b2', undefined, 1)
    t.same(brief(harness.takeOutput()), ['a3+a2'])
  }
})
