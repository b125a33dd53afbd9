import t from 'tap'
import type { StreamEnvironment } from '../../../lib/api/stream-environment.ts'
import type { WindowedStream } from '../../../lib/api/streams.ts'
import { outputTag } from '../../../lib/function/output-tag.ts'
import { SessionWindowOperator } from '../../../lib/operator/session-window-operator.ts'
import { SliceWindowOperator } from '../../../lib/operator/slice-window-operator.ts'
import { WindowOperator } from '../../../lib/operator/window-operator.ts'
import { countEvictor } from '../../../lib/window/evictor.ts'
import { countTrigger, purging } from '../../../lib/window/trigger.ts'
import { Window } from '../../../lib/window/window.ts'
import {
  globalWindow,
  session,
  sessionProcessingTime,
  sliding,
  tumbling,
  tumblingProcessingTime,
  type WindowAssigner,
} from '../../../lib/window/window-assigner.ts'
import { build, numbers } from '../../support/build-graph.ts'

const sum = {
  createAccumulator: () => 0,
  add: (n: number, total: number) => n + total,
  getResult: (total: number) => total,
}
const mergeable = { ...sum, merge: (a: number, b: number) => a + b }

function lastNode(define: (env: StreamEnvironment) => void) {
  return [...build(define).origin.nodes.values()].at(-1)!
}

function windowed(
  assigner: WindowAssigner<number>,
  finish: (stream: WindowedStream<number, number>) => void,
) {
  return lastNode((env) =>
    finish(
      env
        .source(numbers(1))
        .keyBy((n) => n)
        .window(assigner),
    ),
  )
}

t.test('windowed stream - the faster operators do the work where they can, and only there', async (t) => {
  const cases: [string, WindowAssigner<number>, (stream: WindowedStream<number, number>) => void, unknown][] =
    [
      ['tumbling reduce', tumbling('1s'), (s) => s.reduce((a) => a), SliceWindowOperator],
      ['tumbling aggregate', tumbling('1s'), (s) => s.aggregate(sum), SliceWindowOperator],
      ['sliding reduce', sliding('4s', '1s'), (s) => s.reduce((a) => a), SliceWindowOperator],
      ['sliding, can be merged', sliding('4s', '1s'), (s) => s.aggregate(mergeable), SliceWindowOperator],
      ['sliding, cannot be merged', sliding('4s', '1s'), (s) => s.aggregate(sum), WindowOperator],
      ['lateness', tumbling('1s'), (s) => s.allowedLateness('5s').reduce((a) => a), SliceWindowOperator],
      ['session', session('1s'), (s) => s.reduce((a) => a), SessionWindowOperator],
      ['session, lateness', session('1s'), (s) => s.allowedLateness(1).reduce((a) => a), WindowOperator],
      ['session, process', session('1s'), (s) => s.process({ process() {} }), WindowOperator],
      ['session of the clock', sessionProcessingTime('1s'), (s) => s.reduce((a) => a), WindowOperator],
      ['processing time', tumblingProcessingTime('1s'), (s) => s.reduce((a) => a), WindowOperator],
      ['a trigger', tumbling('1s'), (s) => s.trigger(countTrigger(2)).reduce((a) => a), WindowOperator],
      ['an evictor', tumbling('1s'), (s) => s.evictor(countEvictor(2)).reduce((a) => a), WindowOperator],
      ['with process', tumbling('1s'), (s) => s.reduce((a) => a, { process() {} }), WindowOperator],
      ['process', tumbling('1s'), (s) => s.process({ process() {} }), WindowOperator],
      ['global', globalWindow(), (s) => s.trigger(countTrigger(2)).reduce((a) => a), WindowOperator],
    ]
  for (const [name, assigner, finish, operator] of cases)
    t.equal(windowed(assigner, finish).newOperator().constructor, operator, name)
})

t.test('windowed stream - the operation says everything that makes a difference', async (t) => {
  const node = windowed(sliding('4s', '1s'), (s) =>
    s
      .trigger(purging(countTrigger(3)))
      .evictor(countEvictor(2))
      .allowedLateness(500)
      .reduce((a) => a),
  )
  t.match(
    node.operation,
    /^window\(sliding\(4000ms, 1000ms.*trigger .*count.*evictor .*lateness 500ms\)\.reduce$/,
  )
  t.equal(node.name, node.operation)
})

t.test('windowed stream - options and process functions are told apart', async (t) => {
  const named = windowed(tumbling('1s'), (s) => s.reduce((a) => a, { name: 'short' }))
  t.equal(named.name, 'short')
  const both = windowed(tumbling('1s'), (s) =>
    s.aggregate(
      sum,
      (_key, _context, elements, out) => {
        for (const element of elements) out.collect(element)
      },
      { name: 'long' },
    ),
  )
  t.equal(both.name, 'long')
  t.ok(both.newOperator() instanceof WindowOperator)
})

t.test('windowed stream - what cannot work is refused at once', async (t) => {
  const refuse = (
    message: RegExp,
    assigner: WindowAssigner<number>,
    finish: Parameters<typeof windowed>[1],
  ) => t.throws(() => windowed(assigner, finish), { code: 'GRAPH_INVALID', message })
  refuse(/session.*merge.*no merge method/, session('1s'), (s) => s.aggregate(sum))
  const { onMerge: _, ...rigid } = countTrigger<number>(2)
  refuse(/cannot be used with session.*they merge/, session('1s'), (s) => s.trigger(rigid))
  refuse(/lateness must not be negative/, tumbling('1s'), (s) => s.allowedLateness(-1))
  t.throws(() => windowed(tumbling('1s'), (s) => s.allowedLateness('soon')), { code: 'CONFIG_INVALID' })
  t.doesNotThrow(() => windowed(session('1s'), (s) => s.aggregate(mergeable)))
})

t.test('windowed stream - windows without a size, a slide or a gap are refused', async (t) => {
  const refuse = (message: RegExp, make: () => unknown) => t.throws(make, { code: 'GRAPH_INVALID', message })
  refuse(/size must be positive, found 0/, () => tumbling(0))
  refuse(/size must be positive, found "-1s"/, () => sliding('-1s', '1s'))
  refuse(/slide must be positive, found 0/, () => sliding('1s', 0))
  refuse(/size must be positive/, () => tumblingProcessingTime(0))
  refuse(/gap must be positive, found -5/, () => session(-5))
  refuse(/offset.*smaller than the slide/, () => tumbling('1s', { offset: '2s' }))
  const counted = (size: number, slide?: number) =>
    lastNode((env) =>
      env
        .source(numbers(1))
        .keyBy((n) => n)
        .countWindow(size, slide)
        .reduce((a) => a),
    )
  refuse(/count windows need a size of at least one.*found size 0/, () => counted(0))
  refuse(/found size 2.5/, () => counted(2.5))
  refuse(/slide from 1 to that size, found size 3, slide 4/, () => counted(3, 4))
  refuse(/found size 3, slide 0/, () => counted(3, 0))
})

t.test('windowed stream - a merging assigner whose own trigger cannot merge is refused', async (t) => {
  const { onMerge: _, ...rigid } = countTrigger<number>(2)
  const own: WindowAssigner<number> = {
    name: 'visits',
    timeDomain: 'event',
    isMerging: true,
    fixedSizeMs: null,
    assign: (_value, timestamp) => [new Window(timestamp, timestamp + 5)],
    defaultTrigger: () => rigid,
  }
  t.throws(() => windowed(own, (s) => s.reduce((a) => a)), {
    code: 'GRAPH_INVALID',
    message: /visits.*they merge/,
  })
})

t.test(
  'windowed stream - count windows are those of all time with a trigger, sliding ones with an evictor',
  async (t) => {
    const operationOf = (size: number, slide?: number) =>
      lastNode((env) =>
        env
          .source(numbers(1))
          .countWindowAll(size, slide)
          .reduce((a) => a),
      ).operation
    t.equal(operationOf(3), 'windowAll(global, trigger purging count 3).reduce')
    t.equal(operationOf(3, 2), 'windowAll(global, trigger count 2, evictor count 3).reduce')
  },
)

t.test('windowed stream - the whole stream is aggregated in two steps where nobody can tell', async (t) => {
  const nodesOf = (finish: (stream: WindowedStream<number, number>) => void) =>
    [...build((env) => finish(env.source(numbers(1)).windowAll(tumbling('1s')))).origin.nodes.values()]
      .length - 1
  t.equal(
    nodesOf((s) => s.reduce((a) => a)),
    2,
  )
  t.equal(
    nodesOf((s) => s.aggregate(mergeable)),
    2,
  )
  t.equal(
    nodesOf((s) => s.aggregate(sum)),
    1,
    'what cannot be merged',
  )
  t.equal(
    nodesOf((s) => s.allowedLateness(5).reduce((a) => a)),
    1,
    'a result for each late record',
  )
  t.equal(
    nodesOf((s) => s.lateOutput(outputTag('late')).reduce((a) => a)),
    1,
    'late records one by one',
  )
  t.equal(
    nodesOf((s) => s.trigger(countTrigger(2)).reduce((a) => a)),
    1,
    'a trigger counts records',
  )
  t.equal(
    nodesOf((s) => s.process(() => {})),
    1,
  )
})

t.test('windowed stream - keyed windows are aggregated in two phases where that is asked for', async (t) => {
  const nodesOf = (twoPhase: boolean | undefined) => {
    const { origin } = build((env) => {
      const windows = env
        .source(numbers(1))
        .keyBy((n) => n)
        .window(sliding('2s', '1s'))
      windows.reduce((a, b) => a + b, twoPhase === undefined ? {} : { twoPhase })
    })
    return [...origin.nodes.values()].map(({ operation }) => operation)
  }
  t.match(nodesOf(true), [/./, /^pre-aggregate\(sliding/, /^window\(sliding/])
  t.equal(nodesOf(false).length, 2)
  t.equal(nodesOf(undefined).length, 2)
})

t.test('windowed stream - two phases that are not possible are refused, with the reason', async (t) => {
  const refused: [RegExp, (windows: WindowedStream<number, number>) => void, WindowAssigner<number>?][] = [
    [/has no merge method/, (s) => s.aggregate(sum, { twoPhase: true })],
    [
      /process function/,
      (s) =>
        s.reduce(
          (a) => a,
          () => {},
          { twoPhase: true } as never,
        ),
    ],
    [/a trigger has to see/, (s) => s.trigger(countTrigger(2)).reduce((a) => a, { twoPhase: true })],
    [/an evictor has to see/, (s) => s.evictor(countEvictor(2)).reduce((a) => a, { twoPhase: true })],
    [/every late record/, (s) => s.lateOutput(outputTag('late')).reduce((a) => a, { twoPhase: true })],
    [/not session/, (s) => s.aggregate(mergeable, { twoPhase: true }), session('1s')],
    [
      /not tumbling.*processing time/,
      (s) => s.reduce((a) => a, { twoPhase: true }),
      tumblingProcessingTime('1s'),
    ],
  ]
  for (const [message, use, assigner = tumbling('1s')] of refused) {
    t.throws(() => windowed(assigner, use), { code: 'GRAPH_INVALID', message }, String(message))
  }
})

t.test('windowed stream - settings of one use do not leak into the next', async (t) => {
  const names: string[] = []
  build((env) => {
    const base = env
      .source(numbers(1))
      .keyBy((n) => n)
      .window(tumbling('1s'))
    base
      .allowedLateness('1s')
      .lateOutput(outputTag('late'))
      .reduce((a) => a)
    const plain = base.reduce((a) => a)
    names.push(...env.graph.nodes.slice(1).map(({ operation }) => operation))
    t.ok(plain)
  })
  t.match(names[0], /lateness/)
  t.notMatch(names[1], /lateness/)
})
