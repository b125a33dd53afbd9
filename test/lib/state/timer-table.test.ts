import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import fc from 'fast-check'
import type { KeyedStateBackend } from '../../../lib/state/keyed-state-backend.ts'
import type { StateTable } from '../../../lib/state/state-table.ts'
import { EVERY_KIND, newBackend, onEachBackend } from './backends.ts'
import { history, play, type Subject } from './table-model.ts'

function subject(backend: KeyedStateBackend): Subject {
  const { context } = backend
  const table = backend.timerTable('timers')
  return {
    table: table as unknown as StateTable<unknown>,
    isTimers: true,
    put(key, sub) {
      context.setMapKey(key, -1)
      table.register(sub, undefined)
    },
    mutate() {},
    remove(key, sub) {
      context.setMapKey(key, -1)
      table.delete(sub, undefined)
    },
    /** Firing removes all up to a time. */
    removeGroup: (_key, sub) =>
      void table.fire(
        sub,
        () => {},
        () => false,
      ),
    isInGroup: (row, _key, sub) => row.sub <= sub,
    subOf: (sub) => sub,
  }
}

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

/** Of arrays in use. Those of dead arrays are given back beside the program, some time after a collection. */
async function arrayBytes(enough: number): Promise<number> {
  for (let round = 0; ; round++) {
    collectGarbage()
    const bytes = process.memoryUsage().arrayBuffers
    if (bytes <= enough || round === 100) return bytes
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}

onEachBackend('timer table - a timeout that is put off again and again takes no room', async (t) => {
  const table = newBackend().timerTable('timers')
  const before = await arrayBytes(0)
  for (let i = 0; i < 500_000; i++) {
    table.register(1_000_000 + i, undefined)
    table.delete(1_000_000 + i, undefined)
  }
  table.register(5_000_000, undefined)
  const grown = (await arrayBytes(before + 2 ** 20)) - before
  t.ok(grown <= 2 ** 20, `${grown} bytes for one timer`)
  t.equal(table.size, 1)
  t.equal(table.nextTimestamp(), 5_000_000)
})

onEachBackend(
  'timer table - any history gives what a Map gives, and so does every snapshot of it',
  async (t) => {
    const noMutation = history.map((operations) => operations.filter(({ kind }) => kind !== 'mutate'))
    const property = fc.property(noMutation, (operations) => play(subject, operations))
    t.doesNotThrow(() => fc.assert(property, { numRuns: 500, seed: 4 }))
  },
  EVERY_KIND,
)

onEachBackend(
  'timer table - timers fire in order, those set and unset by timers included',
  async (t, kind) => {
    const backend = newBackend()
    const { context } = backend
    const table = backend.timerTable('timers')
    const at = (key: string) => {
      context.set(key, -1)
      return table
    }
    at('a').register(20, undefined)
    at('a').register(10, 'w2')
    at('b').register(10, 'w1')
    at('c').register(10, 'w2')
    at('d').register(30, undefined)
    at('d').register(40, undefined)
    const fired: string[] = []
    const onTimer = (timer: { timestamp: number; sub: unknown }) => {
      fired.push(`${timer.timestamp} ${context.mapKey} ${timer.sub ?? ''}`.trim())
      if (timer.timestamp === 10 && context.mapKey === 'a') {
        table.register(5, undefined)
        table.register(20, 'w3')
        at('d').delete(30, undefined)
      }
    }
    t.ok(table.fire(30, onTimer as never, () => false))
    const inOrder = ['10 a w2', '5 a', '10 c w2', '10 b w1', '20 a', '20 a w3']
    if (kind === 'heap') t.same(fired, inOrder)
    else {
      // Within a timestamp the order is that of the store, where timers have been there.
      t.same([...fired].sort(), [...inOrder].sort())
      t.equal(fired.indexOf('5 a'), fired.indexOf('10 a w2') + 1)
      t.same(
        fired.filter((each) => each !== '5 a').map((each) => each.slice(0, 2)),
        ['10', '10', '10', '20', '20'],
      )
    }
    t.equal(table.nextTimestamp(), 40)
    t.equal(table.size, 1)
  },
)

onEachBackend('timer table - firing pauses after so many timers and goes on where it was', async (t) => {
  const backend = newBackend()
  const { context } = backend
  const table = backend.timerTable('timers')
  for (let i = 0; i < 200; i++) {
    context.set(i, -1)
    table.register(i % 2, undefined)
  }
  const fired = new Set<unknown>()
  let pauses = 0
  while (
    !table.fire(
      1,
      (timer) => fired.add(timer.key),
      () => true,
    )
  ) {
    pauses++
    t.equal(table.size, 200 - fired.size)
  }
  t.equal(fired.size, 200)
  t.equal(pauses, 3)
  t.equal(table.nextTimestamp(), Number.POSITIVE_INFINITY)
})

onEachBackend(
  'timer table - a bucket emptied and filled again while it fires is fired to its end',
  async (t) => {
    const backend = newBackend()
    const { context } = backend
    const table = backend.timerTable('timers')
    context.set('a', -1)
    table.register(10, undefined)
    table.register(10, 'other')
    const fired: unknown[] = []
    table.fire(
      10,
      (timer) => {
        fired.push(timer.sub)
        if (fired.length > 1) return
        table.delete(10, 'other')
        table.register(10, 'other')
      },
      () => false,
    )
    t.same(fired, [undefined, 'other'])
    t.equal(table.size, 0)
  },
)
