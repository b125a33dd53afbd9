/**
 * Every subject of Sluice is built and parsed here, nowhere else. The plane comes early, so that a permission,
 * an export or an operator's view is one wildcard; the tenant is the NATS account and has no token; the attempt
 * is in every data subject, so that a zombie writes where nobody listens.
 *
 *     sluice.<cluster>.ctl.<who>.<verb>                       coordinator and nodes
 *     sluice.<cluster>.act.<job>.<uid>.<index>.<verb>         one subtask's mailbox; index `all` = every subtask
 *     sluice.<cluster>.dat.<job>.<attempt>.<edge>.<to>.<from> frames
 *     sluice.<cluster>.crd.<job>.<attempt>.<edge>.<from>.<to> credits and acknowledgements back
 *     sluice.<cluster>.kv.<job>.<uid>.<state>                 keyed state, answered by its owner
 *     sluice.<cluster>.evt|met|log|tap|dl.>                   events, metrics, logs, taps, dead letters
 */
import { SluiceError } from '../base/errors.ts'
import { TOKEN_PATTERN } from '../base/ids.ts'

/** Stands for any one token; a separate symbol, so that a uid spelt `*` is refused and not subscribed to. */
export const ANY = Symbol('any token')

export type SubjectToken = string | number | typeof ANY

/** Plane name -> its token in subjects and the names of the tokens after it; `rest` collects any number. */
const PLANES = {
  control: { token: 'ctl', fields: ['who', 'verb'] },
  actor: { token: 'act', fields: ['job', 'uid', 'index', 'verb'] },
  data: { token: 'dat', fields: ['job', 'attempt', 'edge', 'to', 'from'] },
  credit: { token: 'crd', fields: ['job', 'attempt', 'edge', 'from', 'to'] },
  state: { token: 'kv', fields: ['job', 'uid', 'state'] },
  event: { token: 'evt', fields: [] },
  metric: { token: 'met', fields: [] },
  log: { token: 'log', fields: [] },
  tap: { token: 'tap', fields: [] },
  deadLetter: { token: 'dl', fields: [] },
} as const

export type Plane = keyof typeof PLANES

/** A subject taken apart: named fields where the plane fixes them, `rest` otherwise. */
export type ParsedSubject = {
  [P in Plane]: { readonly plane: P; readonly cluster: string; readonly rest: readonly string[] } & Readonly<
    Record<(typeof PLANES)[P]['fields'][number], string>
  >
}[Plane]

export type Subjects = ReturnType<typeof subjects>

/** The subjects of one cluster. Every builder throws CONFIG_INVALID for a token that cannot be one. */
export function subjects(cluster: string) {
  const root = `sluice.${checkToken('cluster', cluster)}`
  const build = (plane: Plane, names: readonly string[], tokens: readonly SubjectToken[]): string =>
    [root, PLANES[plane].token, ...tokens.map((token, i) => checkToken(names[i] ?? plane, token))].join('.')
  const named = (plane: Plane, ...tokens: SubjectToken[]) => build(plane, PLANES[plane].fields, tokens)
  const open = (plane: Plane, tokens: readonly SubjectToken[]) => build(plane, [], tokens)
  return {
    /** An actor of the control plane, or one verb of it. */
    control: (who: SubjectToken, ...verb: [verb?: SubjectToken]) => named('control', who, ...given(verb)),
    /** A subtask's actor (index `'all'`: the address all subtasks of the operator listen on), or one verb. */
    actor: (job: SubjectToken, uid: SubjectToken, index: SubjectToken, ...verb: [verb?: SubjectToken]) =>
      named('actor', job, uid, index, ...given(verb)),
    data: (
      job: SubjectToken,
      attempt: SubjectToken,
      edge: SubjectToken,
      to: SubjectToken,
      from: SubjectToken,
    ) => named('data', job, attempt, edge, to, from),
    credit: (
      job: SubjectToken,
      attempt: SubjectToken,
      edge: SubjectToken,
      from: SubjectToken,
      to: SubjectToken,
    ) => named('credit', job, attempt, edge, from, to),
    state: (job: SubjectToken, uid: SubjectToken, state: SubjectToken) => named('state', job, uid, state),
    event: (...tokens: [SubjectToken, ...SubjectToken[]]) => open('event', tokens),
    metric: (...tokens: [SubjectToken, ...SubjectToken[]]) => open('metric', tokens),
    log: (...tokens: [SubjectToken, ...SubjectToken[]]) => open('log', tokens),
    tap: (...tokens: [SubjectToken, ...SubjectToken[]]) => open('tap', tokens),
    deadLetter: (...tokens: [SubjectToken, ...SubjectToken[]]) => open('deadLetter', tokens),
    /** Everything under a plane, or under the first tokens of it: `under('data', job)`. */
    under: (plane: Plane, ...tokens: SubjectToken[]) => `${named(plane, ...tokens)}.>`,
    /** Everything of the cluster. */
    all: `${root}.>`,
  }
}

/** Takes a subject of any cluster apart; undefined when it is none of ours. */
export function parseSubject(subject: string): ParsedSubject | undefined {
  const [first, cluster, planeToken, ...rest] = subject.split('.')
  if (first !== 'sluice' || cluster === undefined || rest.length === 0) return undefined
  for (const plane of Object.keys(PLANES) as Plane[]) {
    if (PLANES[plane].token !== planeToken) continue
    const names: readonly string[] = PLANES[plane].fields
    if (names.length > rest.length) return undefined
    const fields = Object.fromEntries(names.map((name, i) => [name, rest[i]!]))
    return { plane, cluster, ...fields, rest: rest.slice(names.length) } as ParsedSubject
  }
  return undefined
}

/** The last token: the verb of a control or actor subject. */
export function verbOf(subject: string): string {
  return subject.slice(subject.lastIndexOf('.') + 1)
}

function given(verb: [verb?: SubjectToken]): SubjectToken[] {
  return verb[0] === undefined ? [] : [verb[0]]
}

function checkToken(name: string, token: SubjectToken): string {
  if (token === ANY) return '*'
  const text = String(token)
  if (TOKEN_PATTERN.test(text)) return text
  throw new SluiceError(
    'CONFIG_INVALID',
    `expected 1 to 64 letters, digits, '_' or '-' as ${name}, found ${JSON.stringify(text)}`,
  )
}
