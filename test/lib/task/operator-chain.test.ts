import t from 'tap'
import { SluiceError } from '../../../lib/base/errors.ts'
import { ProcessOperator } from '../../../lib/operator/process-operators.ts'
import { MapOperator } from '../../../lib/operator/simple-operators.ts'
import { SinkOperator } from '../../../lib/operator/sink-operator.ts'
import { OneInputOperator } from '../../../lib/operator/stream-operator.ts'
import { TimestampsOperator } from '../../../lib/operator/timestamps-operator.ts'
import { ManualClock } from '../../../lib/testing/manual-clock.ts'
import { watermarkGenerator } from '../../../lib/time/watermark-strategy.ts'
import { chainOf, contextOf, feed, type Link, NotingOperator, NotingWriter } from './chains.ts'

/** A line of noting operators with the given names, and a writer at the end. */
function line(...names: string[]) {
  const log: string[] = []
  const operators = names.map((name) => new NotingOperator(name, log))
  const links = operators.map((operator, k): Link => {
    const isLast = k === names.length - 1
    return { operator, main: isLast ? { writers: [new NotingWriter('out', log)] } : { operators: [k + 1] } }
  })
  const chain = chainOf(links)
  const taken = () => log.splice(0)
  return { chain, operators, taken }
}

const boom = () => {
  throw new Error('boom')
}

t.test('operator chain - opens from last to first, finishes from first to last, closes all', async (t) => {
  const { chain, taken } = line('a', 'b', 'c')
  await chain.open()
  await chain.finish()
  await chain.close()
  await chain.close()
  t.same(taken(), [
    ...['c open', 'b open', 'a open'],
    ...['a finish', 'b finish', 'c finish'],
    ...['a close', 'b close', 'c close'],
  ])
})

t.test('operator chain - what could not be opened is closed too, what was not reached is not', async (t) => {
  const { chain, operators, taken } = line('a', 'b', 'c')
  operators[1]!.onOpen = boom
  await t.rejects(chain.open(), {
    code: 'USER_FUNCTION_FAILED',
    message: 'operator "b" (uid uid-b), subtask 2 of 4, while opening: boom',
  })
  await chain.close()
  t.same(taken(), ['c open', 'b open', 'b close', 'c close'])
})

t.test(
  'operator chain - closed while it is being opened, it opens no more and leaves nothing open',
  async (t) => {
    const { chain, operators, taken } = line('a', 'b', 'c')
    let opened: () => void = () => {}
    operators[1]!.onOpen = () =>
      new Promise<void>((resolve) => {
        opened = resolve
      })
    const opening = chain.open()
    await new Promise((resolve) => setImmediate(resolve))
    await chain.close()
    t.same(taken(), ['c open', 'b open', 'c close'])
    opened()
    await opening
    t.same(taken(), ['b close'])
  },
)

t.test('operator chain - all are closed even if one throws; the first error counts', async (t) => {
  const { chain, operators, taken } = line('a', 'b', 'c')
  await chain.open()
  taken()
  operators[0]!.close = boom
  operators[1]!.close = () => {
    throw new Error('second')
  }
  await t.rejects(chain.close(), { message: /operator "a".*while closing: boom/ })
  t.same(taken(), ['c close'])
})

t.test(
  'operator chain - a paused operator gets nothing but the same watermark until it has gone on',
  async (t) => {
    const { chain, operators, taken } = line('a', 'b', 'c')
    operators[1]!.pauses = 2
    chain.processWatermark(5)
    t.ok(chain.isPaused)
    t.same(taken(), ['a watermark 5', 'b pauses in 5'])
    t.notOk(chain.resume())
    t.ok(chain.resume())
    t.notOk(chain.isPaused)
    t.same(taken(), ['b pauses in 5', 'b watermark 5', 'c watermark 5', 'out watermark 5'])
  },
)

t.test('operator chain - idleness does not overtake the watermark an operator is paused in', async (t) => {
  const { chain, operators, taken } = line('a', 'b')
  operators[0]!.pauses = 1
  // A valve whose last channel falls idle sends both, one right after the other.
  chain.processWatermark(5)
  chain.processStatus(true)
  t.ok(chain.resume())
  t.same(taken(), ['a pauses in 5', 'a watermark 5', 'b watermark 5', 'out watermark 5', 'out status true'])
  operators[1]!.pauses = 1
  operators[0]!.emitWatermark(6)
  operators[0]!.emitStatus(true)
  operators[0]!.emitStatus(false)
  operators[0]!.emitWatermark(7)
  t.same(taken(), ['b pauses in 6'])
  t.ok(chain.resume())
  t.same(taken(), [
    'b watermark 6',
    'out watermark 6',
    'out status true',
    'out status false',
    'b watermark 7',
    'out watermark 7',
  ])
})

t.test('operator chain - branches pause each for itself', async (t) => {
  const log: string[] = []
  const [head, left, right, leaf] = ['head', 'left', 'right', 'leaf'].map(
    (name) => new NotingOperator(name, log),
  )
  const chain = chainOf([
    { operator: head!, main: { operators: [1, 2] } },
    { operator: left!, main: { operators: [3] } },
    { operator: right!, main: { writers: [new NotingWriter('out', log)] } },
    { operator: leaf! },
  ])
  left!.pauses = 1
  right!.pauses = 1
  leaf!.pauses = 1
  chain.processWatermark(1)
  while (!chain.resume());
  t.same(log, [
    'head watermark 1',
    'left pauses in 1',
    'right pauses in 1',
    'left watermark 1',
    'leaf pauses in 1',
    'right watermark 1',
    'out watermark 1',
    'leaf watermark 1',
  ])
})

t.test(
  'operator chain - an operator that reads side outputs of two operators gets the watermark of each',
  async (t) => {
    const log: string[] = []
    const [a, b] = ['a', 'b'].map((name) => new NotingOperator(name, log))
    const side = new NotingWriter('side', log)
    const chain = chainOf([
      { operator: a!, main: { operators: [1] }, sides: new Map([['late', { writers: [side] }]]) },
      { operator: b!, main: { writers: [new NotingWriter('out', log)] } },
    ])
    a!.onElement = (value) => a!.emitSide('late', value)
    feed(chain, ['x'])
    chain.processWatermark(3)
    t.same(log, ['side x', 'a watermark 3', 'b watermark 3', 'out watermark 3', 'side watermark 3'])
  },
)

t.test('operator chain - is ready when all of its operators are', async (t) => {
  const { chain, operators } = line('a', 'b')
  t.equal(chain.whenReady(), undefined)
  operators[1]!.ready = Promise.reject(new Error('disk full'))
  await t.rejects(chain.whenReady()!, {
    message: 'operator "b" (uid uid-b), subtask 2 of 4, while writing: disk full',
  })
  operators[1]!.ready = Promise.resolve()
  await chain.whenReady()
})

t.test('operator chain - an error is put down to the operator whose code threw it', async (t) => {
  const explode = (value: unknown) => {
    if (value === 'bomb') throw new TypeError('boom')
    return value
  }
  for (const k of [0, 1, 2]) {
    const links = [0, 1, 2].map(
      (i): Link => ({
        operator: new MapOperator(i === k ? explode : (value: unknown) => value),
        main: { operators: i < 2 ? [i + 1] : [] },
      }),
    )
    const chain = chainOf(links)
    const error = t.throws(() => feed(chain, ['fine', 'bomb']))
    const attributed = chain.attribute(error, 'record 7')
    t.match(attributed, {
      code: 'USER_FUNCTION_FAILED',
      message: `operator "operator ${k}" (uid uid-operator ${k}), subtask 2 of 4, record 7: boom`,
      details: { operator: `operator ${k}`, subtask: 1 },
    })
    t.equal(attributed.cause, error)
    t.equal(chain.attribute(attributed, 'again'), attributed, 'once is enough')
  }
})

t.test(
  'operator chain - in a watermark, in a sink, in an emission: the operator that was at work',
  async (t) => {
    class OnWatermark extends OneInputOperator<unknown, unknown> {
      override processElement(): void {}
      override processWatermark(): boolean {
        throw new Error('in time')
      }
    }
    const sink = {
      name: 'sink',
      createWriter: () => ({ write: boom, flush() {}, close() {} }),
    }
    const chain = chainOf([
      { operator: new MapOperator((value: unknown) => value), main: { operators: [1, 2] } },
      { operator: new OnWatermark() },
      { operator: new SinkOperator(sink) },
    ])
    await chain.open()
    t.match(
      chain.attribute(
        t.throws(() => chain.processWatermark(1)),
        '',
      ),
      { details: { operator: 'operator 1' } },
    )
    t.match(
      chain.attribute(
        t.throws(() => feed(chain, [1])),
        '',
      ),
      { details: { operator: 'operator 2' } },
    )
    class Failing extends NotingWriter {
      override collect = boom
    }
    const emitting = chainOf([
      { operator: new MapOperator((value: unknown) => value), main: { operators: [1] } },
      {
        operator: new ProcessOperator({ processElement: (value, _context, out) => out.collect(value) }),
        main: { writers: [new Failing('out', [])] },
      },
    ])
    t.match(
      emitting.attribute(
        t.throws(() => feed(emitting, [1])),
        '',
      ),
      { details: { operator: 'operator 1' } },
    )
  },
)

t.test('operator chain - in a timer of an operator in the middle', async (t) => {
  const clock = new ManualClock()
  const failures: Error[] = []
  const strategy = watermarkGenerator<unknown>(() => ({ onEvent() {}, onPeriodicEmit: boom }))
  const links: Link[] = [
    { operator: new MapOperator((value: unknown) => value), main: { operators: [1] } },
    { operator: new TimestampsOperator(strategy) },
  ]
  const chain = chainOf(links, undefined, (name, k) =>
    contextOf(name, clock, {
      processingTime: {
        now: () => clock.now(),
        callAt: (timestamp, callback) =>
          clock.schedule(timestamp - clock.now(), () => {
            try {
              chain.call(k, callback)
            } catch (error) {
              failures.push(error as Error)
            }
          }),
      },
    }),
  )
  await chain.open()
  await clock.advance(1000)
  t.match(failures[0], {
    message: 'operator "operator 1" (uid uid-operator 1), subtask 2 of 4, in a timer: boom',
  })
  await chain.close()
})

t.test('operator chain - where nothing tells whose error it was, none is accused', async (t) => {
  const chain = chainOf([
    {
      operator: new MapOperator(() => {
        throw 'no error at all'
      }),
      main: { operators: [1] },
    },
    { operator: new MapOperator((value: unknown) => value) },
  ])
  let thrown: unknown
  try {
    feed(chain, [1])
  } catch (error) {
    thrown = error
  }
  const error = chain.attribute(thrown, 'record 0')
  t.equal(
    error.message,
    'one of the operators "operator 0", "operator 1", subtask 2 of 4, record 0: no error at all',
  )
  t.same(error.details, { subtask: 1 })
  const single = chainOf([{ operator: new MapOperator((value: unknown) => value) }])
  t.match(single.attribute('text', 'x'), { details: { operator: 'operator 0' } })
  const coded = single.attribute(new SluiceError('TIMESTAMP_MISSING', 'no time'), 'x')
  t.equal(coded.code, 'TIMESTAMP_MISSING')
})
