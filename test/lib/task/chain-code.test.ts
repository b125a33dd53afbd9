import t from 'tap'
import { FilterOperator, FlatMapOperator, MapOperator } from '../../../lib/operator/simple-operators.ts'
import { OneInputOperator, TwoInputOperator } from '../../../lib/operator/stream-operator.ts'
import { KeyContext } from '../../../lib/state/key-context.ts'
import { operatorInStack } from '../../../lib/task/chain-code.ts'
import { chainOf, feed, NotingWriter, TIME } from './chains.ts'

class Emitter extends OneInputOperator<string, string> {
  override processElement(value: string): void {
    this.output.collect(`main ${value}`)
    this.output.collectSide('a', value)
    this.output.collectSide('b', value)
    this.output.collectSide('nobody reads this', value)
  }
}

class Pair extends TwoInputOperator<string, string, string> {
  override processElement1(value: string): void {
    this.output.collect(`1 ${value}`)
  }
  override processElement2(value: string): void {
    this.output.collect(`2 ${value}`)
  }
}

t.test('chain code - records go down a line of inlined operators to the writer', async (t) => {
  const log: string[] = []
  const chain = chainOf([
    { operator: new MapOperator((n: number) => n + 1), main: { operators: [1] } },
    { operator: new FilterOperator((n: number) => n % 2 === 0), main: { operators: [2] } },
    {
      operator: new FlatMapOperator((n: number) => [n, n * 10]),
      main: { writers: [new NotingWriter('out', log)] },
    },
  ])
  feed(chain, [1, 2, 3])
  t.same(log, ['out 2', 'out 20', 'out 4', 'out 40'])
})

t.test('chain code - an output goes to several operators and writers, in order, computed once', async (t) => {
  const log: string[] = []
  let calls = 0
  const shared = new NotingWriter('shared', log)
  const chain = chainOf([
    {
      operator: new MapOperator((n: number) => {
        calls++
        return n
      }),
      main: { operators: [1, 2], writers: [shared] },
    },
    { operator: new MapOperator((n: number) => `one ${n}`), main: { writers: [shared] } },
    {
      operator: new MapOperator((n: number) => `two ${n}`),
      main: { writers: [new NotingWriter('other', log)] },
    },
  ])
  feed(chain, [1, 2])
  t.same(log, ['shared one 1', 'other two 1', 'shared 1', 'shared one 2', 'other two 2', 'shared 2'])
  t.equal(calls, 2)
})

t.test('chain code - side outputs go where they are read, and nowhere else', async (t) => {
  const log: string[] = []
  const chain = chainOf([
    {
      operator: new Emitter(),
      main: { writers: [new NotingWriter('main', log)] },
      sides: new Map([
        ['a', { operators: [1] }],
        ['b', { writers: [new NotingWriter('b', log)], operators: [1] }],
        ['"]; quote \\ \u2028', {}],
      ]),
    },
    {
      operator: new MapOperator((value: string) => `side ${value}`),
      main: { writers: [new NotingWriter('side', log)] },
    },
  ])
  feed(chain, ['x'])
  t.same(log, ['main main x', 'side side x', 'side side x', 'b x'])
})

t.test('chain code - the inputs of a two-input operator are told apart, each with its key', async (t) => {
  const log: string[] = []
  const context = new KeyContext(128)
  const keys: unknown[] = []
  const keyed = (prefix: string) => {
    const keyOf = (value: never): string => {
      const key = `${prefix}${String(value)}`
      keys.push(key)
      return key
    }
    return { keying: { keyOf, keyContext: context } }
  }
  const chain = chainOf(
    [{ operator: new Pair(), main: { writers: [new NotingWriter('out', log)] } }],
    [keyed('a'), keyed('b')],
  )
  feed(chain, ['x'], [], 0)
  t.equal(context.key, 'ax')
  feed(chain, ['y'], [], 1)
  t.equal(context.key, 'by')
  t.same(log, ['out 1 x', 'out 2 y'])
  t.same(keys, ['ax', 'by'])
})

t.test(
  'chain code - a keyed operator in the middle of a chain gets the key of what it is given',
  async (t) => {
    const context = new KeyContext(128)
    const seen: unknown[] = []
    const doubled = (value: string) => value.repeat(2)
    const watching = (value: string) => seen.push([value, context.key])
    const chain = chainOf([
      { operator: new MapOperator(doubled), main: { operators: [1] } },
      {
        operator: new MapOperator(watching),
        keying: { keyOf: (value: never) => `key of ${String(value)}`, keyContext: context },
      },
    ])
    feed(chain, ['a', 'b'])
    t.same(seen, [
      ['aa', 'key of aa'],
      ['bb', 'key of bb'],
    ])
  },
)

t.test('chain code - the time cell holds the timestamp of the record in hand', async (t) => {
  const seen: unknown[] = []
  const chain = chainOf([{ operator: new MapOperator((value: string) => seen.push([value, TIME[0]])) }])
  feed(chain, ['a', 'b', 'c'], [1, Number.NaN, 3])
  t.same(seen, [
    ['a', 1],
    ['b', Number.NaN],
    ['c', 3],
  ])
})

t.test('chain code - chains of one thread do not share code', async (t) => {
  const [a, b] = [1, 2].map(() => chainOf([{ operator: new MapOperator((n: number) => n) }]))
  t.not(a!.inputs[0], b!.inputs[0])
})

t.test(
  'chain code - an operator is found in a stack by its generated code, not by words that look like it',
  async (t) => {
    const of = (fn: () => void): string => {
      const chain = chainOf([
        { operator: new MapOperator((n: number) => n), main: { operators: [1] } },
        { operator: new MapOperator(() => fn()) },
      ])
      try {
        feed(chain, [1])
      } catch (error) {
        return (error as Error).stack!
      }
      return ''
    }
    const plain = of(() => {
      throw new Error('boom')
    })
    t.equal(operatorInStack(plain), 1)
    const misleading = of(() => {
      throw new Error('d_7 (eval at home) is\n    at d_0 of the rails, w_3 (really)')
    })
    t.equal(operatorInStack(misleading), 1)
    const named = of(function d_0() {
      throw new Error('a function of this name')
    })
    t.equal(operatorInStack(named), 1)
    t.equal(operatorInStack('Error: x\n    at d_0 (file:///job.ts:1:2)'), null)
    t.equal(operatorInStack('Error: x\n    at run (file:///job.ts:1:2)'), null)
  },
)
