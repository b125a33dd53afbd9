/** A job graph for people: indented text for terminals, Mermaid for documents. */
import type { JobEdge, JobGraph, JobVertex } from './job-graph.ts'

/** One paragraph per vertex, sources first: its operators, and where its output goes. */
export function drawText(graph: JobGraph): string {
  const lines = [`job ${graph.jobName}  (fingerprint ${graph.fingerprint})`]
  for (const vertex of graph.vertices) {
    lines.push('', `${vertex.name}  x${vertex.parallelism}`)
    for (const { id, hasUid, operation } of vertex.operators) {
      lines.push(`    ${operation}  ${hasUid ? `uid ${id}` : `${id} (no uid)`}`)
    }
    for (const edge of graph.edges.filter(({ from }) => from === vertex.id)) {
      lines.push(`    ${labelOf(edge)} -> ${nameOf(graph, edge.to)}`)
    }
  }
  return lines.map(printable).join('\n')
}

export function drawMermaid(graph: JobGraph): string {
  const ids = new Map(graph.vertices.map((vertex, index) => [vertex.id, `v${index}`]))
  const box = (vertex: JobVertex): string => {
    const label = [...vertex.operators.map(({ name }) => name), `x${vertex.parallelism}`]
      .map(escaped)
      .join('<br/>')
    return `  ${ids.get(vertex.id)}["${label}"]`
  }
  const arrow = (edge: JobEdge): string =>
    `  ${ids.get(edge.from)} -- "${escaped(labelOf(edge))}" --> ${ids.get(edge.to)}`
  return ['flowchart LR', ...graph.vertices.map(box), ...graph.edges.map(arrow)].join('\n')
}

function labelOf({ partitioner, sideTag, input }: JobEdge): string {
  return [partitioner, sideTag === null ? '' : `side ${sideTag}`, input === 0 ? '' : `input ${input + 1}`]
    .filter((part) => part !== '')
    .join(', ')
}

function nameOf(graph: JobGraph, vertexId: string): string {
  return graph.vertices.find(({ id }) => id === vertexId)?.name ?? vertexId
}

/** Names come from users: one with line breaks or terminal codes in it must not pass for more than a name. */
function printable(text: string): string {
  return text.replaceAll(/[\p{Cc}\u2028\u2029]/gu, ' ')
}

/** Mermaid reads quotes and angle brackets in labels as markup. */
function escaped(text: string): string {
  return printable(text)
    .replaceAll('&', '&amp;')
    .replaceAll('"', '&quot;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
}
