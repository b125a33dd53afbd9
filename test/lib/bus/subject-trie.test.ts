import fc from 'fast-check'
import t from 'tap'
import { SubjectTrie } from '../../../lib/bus/subject-trie.ts'

/** The definition of a match, without a tree. */
function matches(pattern: string, subject: string): boolean {
  const [tokens, names] = [pattern.split('.'), subject.split('.')]
  if (tokens.at(-1) === '>') return names.length >= tokens.length && startsWith(names, tokens.slice(0, -1))
  return names.length === tokens.length && startsWith(names, tokens)
}

function startsWith(names: string[], tokens: string[]): boolean {
  return tokens.every((token, i) => token === '*' || token === names[i])
}

const name = fc.constantFrom('a', 'b', 'c')
const subject = fc.array(name, { minLength: 1, maxLength: 4 }).map((tokens) => tokens.join('.'))
const pattern = fc
  .tuple(fc.array(fc.constantFrom('a', 'b', '*'), { minLength: 1, maxLength: 4 }), fc.boolean())
  .map(([tokens, isOpen]) => [...tokens.slice(isOpen ? 1 : 0), ...(isOpen ? ['>'] : [])].join('.'))

t.test('subject trie - matches what the definition matches, after additions and removals', async (t) => {
  fc.assert(
    fc.property(
      fc.array(pattern, { maxLength: 12 }),
      fc.array(fc.nat(11)),
      subject,
      (patterns, removals, subject) => {
        const trie = new SubjectTrie<number>()
        for (const [i, pattern] of patterns.entries()) trie.add(pattern, i)
        const removed = new Set(removals.filter((i) => i < patterns.length))
        for (const i of removed) trie.delete(patterns[i]!, i)
        const found: number[] = []
        trie.match(subject, (i) => found.push(i))
        const expected = patterns.flatMap((pattern, i) =>
          !removed.has(i) && matches(pattern, subject) ? [i] : [],
        )
        if (found.sort().join() !== expected.sort().join()) throw new Error(`${found} instead of ${expected}`)
      },
    ),
    { numRuns: 2000 },
  )
  t.pass()
})

t.test('subject trie - nothing is left when everything is removed', async (t) => {
  const trie = new SubjectTrie<string>()
  for (const pattern of ['a.b.c', 'a.b', 'a.>', 'a.*.c']) trie.add(pattern, pattern)
  for (const pattern of ['a.b.c', 'a.b', 'a.>', 'a.*.c']) trie.delete(pattern, pattern)
  t.ok(trie.isEmpty)
  trie.delete('never.added', 'x')
})

t.test('subject trie - a malformed pattern is a bug', async (t) => {
  const trie = new SubjectTrie<string>()
  for (const pattern of ['', 'a..b', 'a.>.b', 'a b', '.a', 'a.'])
    t.throws(() => trie.add(pattern, 'x'), pattern)
})
