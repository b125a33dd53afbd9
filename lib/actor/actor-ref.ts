/**
 * Addresses of actors, and the types of what may be said to them. A protocol is one type: message kind -> what
 * goes in and, if the kind may be asked, what comes back. Everything else is inferred from it.
 *
 *     type Counter = {
 *       add: { request: { by: number } }
 *       get: { request: object; reply: { total: number } }
 *     }
 *     const counter = system.ref<Counter>(subjects.control('counter'))
 *     system.tell(counter, { kind: 'add', by: 2 })
 *     const { total } = await system.ask(counter, { kind: 'get' }, 1000)
 */

/** What a protocol declares for one kind of message. Fields are plain data: they cross threads and hosts. */
export interface Exchange {
  readonly request: object
  readonly reply?: unknown
}

/** The constraint on protocols; written so that both type aliases and interfaces meet it. */
export type Protocol<P> = { readonly [K in keyof P]: Exchange }

/** The address of an actor. Plain, printable, and fit to be sent in messages; `protocol` exists for the compiler. */
export interface ActorRef<P> {
  readonly subject: string
  readonly protocol?: P
}

/** A message of kind `K`: its kind is the last token of the subject it is sent to. */
export type MessageOf<P extends Protocol<P>, K extends keyof P> = { readonly kind: K } & Readonly<
  P[K]['request']
>

/** Any message of the protocol. */
export type Message<P extends Protocol<P>> = { [K in keyof P & string]: MessageOf<P, K> }[keyof P & string]

/** The kinds that have a reply. */
export type AskKind<P extends Protocol<P>> = {
  [K in keyof P & string]: P[K] extends { readonly reply: unknown } ? K : never
}[keyof P & string]

export type ReplyOf<P extends Protocol<P>, K extends keyof P> = P[K] extends { readonly reply: infer R }
  ? R
  : undefined

/** Any reply of the protocol. */
export type Reply<P extends Protocol<P>> = { [K in keyof P]: ReplyOf<P, K> }[keyof P]

/** The protocol of code that treats all actors alike. */
export type AnyProtocol = { readonly [kind: string]: Exchange }
