import t from 'tap'
import { blackholeSink } from '../../../lib/connectors/blackhole.ts'
import { outputTag } from '../../../lib/function/output-tag.ts'
import { drawMermaid, drawText } from '../../../lib/graph/draw-graph.ts'
import type { JobGraph } from '../../../lib/graph/job-graph.ts'
import { graphOf, numbers } from '../../support/build-graph.ts'

function example(): JobGraph {
  return graphOf((env) => {
    const words = env.source(numbers(1), { name: 'words', uid: 'words' }).map((n) => n, { name: 'clean' })
    const counts = words.keyBy((n) => n).reduce((a) => a, { name: 'count', parallelism: 2, uid: 'count' })
    counts.sinkTo(blackholeSink(), { name: 'out', parallelism: 2 })
    counts
      .sideOutput(outputTag('late'))
      .connect(words)
      .map({ map1: (n) => n, map2: (n) => n }, { name: 'both' })
  })
}

t.test('draw graph - as text: each vertex, its operators and where its output goes', async (t) => {
  const graph = example()
  const text = drawText(graph)
    .replace(graph.fingerprint, 'FINGERPRINT')
    .replaceAll(/op-[0-9a-f]{12}/g, 'OP')
  t.equal(
    text,
    `job test  (fingerprint FINGERPRINT)

words -> clean  x1
    source(collection)  uid words
    map  OP (no uid)
    hash -> count -> out
    forward, input 2 -> both

count -> out  x2
    reduce  uid count
    sink(blackhole)  OP (no uid)
    rebalance, side late -> both

both  x1
    co-map  OP (no uid)`,
  )
})

t.test('draw graph - as Mermaid: boxes and arrows', async (t) => {
  t.equal(
    drawMermaid(example()),
    `flowchart LR
  v0["words<br/>clean<br/>x1"]
  v1["count<br/>out<br/>x2"]
  v2["both<br/>x1"]
  v0 -- "hash" --> v1
  v1 -- "rebalance, side late" --> v2
  v0 -- "forward, input 2" --> v2`,
  )
})

t.test('draw graph - names that are no names break neither', async (t) => {
  const name = 'evil"]; <script>&\u001b[31m\r\n  v9["`x`\u0000'
  const graph = graphOf((env) => env.source(numbers(1), { name }).print({ name, startNewChain: true }))
  const text = drawText(graph)
  t.equal(text.split('\n').length, 8)
  const mermaid = drawMermaid(graph)
  t.equal(mermaid.split('\n').length, 4)
  for (const drawn of [text, mermaid]) {
    // biome-ignore lint/suspicious/noControlCharactersInRegex: that there is none is the point
    t.notMatch(drawn, /[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/)
  }
  t.notMatch(mermaid, /<script>|evil"/)
  t.match(mermaid, /evil&quot;\]; &lt;script&gt;&amp;/)
})
