/**
 * Subscriptions by subject pattern: a tree of tokens in which `*` and `>` are children like any other. Matching
 * costs the depth of the subject times at most three branches, however many subscriptions there are.
 */
import { assert } from '../base/assert.ts'

interface Node<T> {
  readonly children: Map<string, Node<T>>
  readonly values: Set<T>
}

export class SubjectTrie<T> {
  readonly #root: Node<T> = newNode()

  add(pattern: string, value: T): void {
    let node = this.#root
    for (const token of tokensOf(pattern)) {
      let child = node.children.get(token)
      if (child === undefined) {
        child = newNode()
        node.children.set(token, child)
      }
      node = child
    }
    node.values.add(value)
  }

  delete(pattern: string, value: T): void {
    const path = [this.#root]
    const tokens = tokensOf(pattern)
    for (const token of tokens) {
      const child = path[path.length - 1]!.children.get(token)
      if (child === undefined) return
      path.push(child)
    }
    path[tokens.length]!.values.delete(value)
    for (let depth = tokens.length; depth > 0; depth--) {
      const node = path[depth]!
      if (node.values.size > 0 || node.children.size > 0) return
      path[depth - 1]!.children.delete(tokens[depth - 1]!)
    }
  }

  /** Calls `visit` for every match: exact tokens before `*` before `>`, then in the order of adding. */
  match(subject: string, visit: (value: T) => void): void {
    visitMatches(this.#root, subject.split('.'), 0, visit)
  }

  get isEmpty(): boolean {
    return this.#root.children.size === 0
  }
}

/** The tokens of a pattern. A malformed one is a bug of the caller: subjects are built, not typed. */
function tokensOf(pattern: string): string[] {
  const tokens = pattern.split('.')
  tokens.forEach((token, index) => {
    assert(
      token !== '' && !/\s/.test(token),
      `a subject of non-empty tokens without blanks, found "${pattern}"`,
    )
    assert(
      token !== '>' || index === tokens.length - 1,
      `'>' only at the end of a subject, found "${pattern}"`,
    )
  })
  return tokens
}

function visitMatches<T>(
  node: Node<T>,
  tokens: readonly string[],
  depth: number,
  visit: (value: T) => void,
): void {
  if (depth === tokens.length) {
    for (const value of node.values) visit(value)
    return
  }
  const exact = node.children.get(tokens[depth]!)
  if (exact !== undefined) visitMatches(exact, tokens, depth + 1, visit)
  const any = node.children.get('*')
  if (any !== undefined) visitMatches(any, tokens, depth + 1, visit)
  const rest = node.children.get('>')
  if (rest !== undefined) for (const value of rest.values) visit(value)
}

function newNode<T>(): Node<T> {
  return { children: new Map(), values: new Set() }
}
