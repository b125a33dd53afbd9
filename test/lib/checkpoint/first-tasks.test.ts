import t from 'tap'
import { firstTasks, taskId } from '../../../lib/checkpoint/first-tasks.ts'
import type { JobEdge, JobGraph } from '../../../lib/graph/job-graph.ts'
import { graphOf } from '../scheduler/job-play.ts'

/** Two sources into `join`, and on to `sink`. */
function diamond(): JobGraph {
  const edge = (from: string, to: string) => ({ id: `${from}-${to}`, from, to }) as JobEdge
  const edges = [edge('left', 'join'), edge('right', 'join'), edge('join', 'sink')]
  return { ...graphOf(['*left:2', '*right:1', 'join:2', 'sink:1']), edges }
}

const firstOf = (...finished: string[]) =>
  firstTasks(diamond(), new Set(finished)).map(({ vertexId, index }) => taskId(vertexId, index))

t.test('first tasks - the sources, as long as they run', async (t) => {
  t.same(firstOf(), ['left/0', 'left/1', 'right/0'])
  t.same(firstOf('left/0', 'right/0'), ['left/1'])
})

t.test('first tasks - what is behind a vertex of which nothing runs any more', async (t) => {
  t.same(firstOf('left/0', 'left/1', 'right/0'), ['join/0', 'join/1'])
  t.same(firstOf('left/0', 'left/1', 'right/0', 'join/1'), ['join/0'])
  t.same(firstOf('left/0', 'left/1', 'right/0', 'join/0', 'join/1'), ['sink/0'])
  t.same(firstOf('left/0', 'left/1', 'right/0', 'join/0', 'join/1', 'sink/0'), [])
})

t.test(
  'first tasks - what is behind subtasks of which none runs any more, though others of the vertex do',
  async (t) => {
    const edges = [{ id: 'e', from: 'read', to: 'write', partitioner: 'forward' }] as JobEdge[]
    const graph = { ...graphOf(['*read:3', 'write:3']), edges }
    const first = firstTasks(graph, new Set(['read/0', 'read/2', 'write/2']))
    t.same(first, [
      { vertexId: 'read', index: 1 },
      { vertexId: 'write', index: 0 },
    ])
  },
)
