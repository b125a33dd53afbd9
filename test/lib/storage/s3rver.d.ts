/** As much of s3rver (which has no types) as the tests use. */
declare module 's3rver' {
  export interface S3Context {
    readonly method: string
    readonly path: string
    readonly headers: Record<string, string | undefined>
    readonly query: Record<string, string>
    readonly res: { destroy(): void }
    status: number
    type: string
    body: unknown
  }

  export default class S3rver {
    constructor(options: {
      port: number
      address: string
      silent: boolean
      directory: string
      configureBuckets: readonly { name: string }[]
    })
    /** Replaced by a store in memory before `run`. */
    store: unknown
    readonly context: { store: unknown }
    readonly middleware: ((ctx: S3Context, next: () => Promise<void>) => Promise<void>)[]
    run(): Promise<{ port: number }>
    close(): Promise<void>
  }
}
