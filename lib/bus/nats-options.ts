/**
 * How to reach and enter a NATS server, as plain data from configuration, environment or a URL, and its
 * translation for the NATS client. Files are read here and once, so that a wrong path fails naming the option
 * and not as a reconnect loop. Secrets never get into an error text.
 */
import { readFileSync } from 'node:fs'
import {
  type ConnectionOptions,
  credsAuthenticator,
  nkeyAuthenticator,
  type TlsOptions,
} from '@nats-io/transport-node'
import { asError, SluiceError } from '../base/errors.ts'

export interface NatsOptions {
  /** `nats://host:4222`, `tls://host`, `host:port`; user and password, or a token, may precede the host. */
  readonly servers: string | readonly string[]
  /** Shown in the server's monitoring. */
  readonly name?: string
  readonly user?: string
  readonly password?: string
  readonly token?: string
  /** The seed itself (`SU...`), or the file it is in. */
  readonly nkeySeed?: string
  readonly nkeySeedFile?: string
  /** File with a user's JWT and seed, as `nsc` and Synadia hand it out. */
  readonly credsFile?: string
  readonly tls?: NatsTlsOptions
  /** Time for the first connection, over all servers. Default 5000. */
  readonly connectTimeoutMs?: number
  /** First token of reply subjects, where permissions give each user its own. Default `_INBOX`. */
  readonly inboxPrefix?: string
}

/** Present, even if empty: the connection must be encrypted. Files are PEM. */
export interface NatsTlsOptions {
  readonly caFile?: string
  readonly certFile?: string
  readonly keyFile?: string
  /** Handshake before the server's greeting; the server must be configured so (2.10.4 and later). */
  readonly handshakeFirst?: boolean
  /** Accepts any certificate. For tests on one host only. */
  readonly insecure?: boolean
}

export const CONNECT_TIMEOUT_MS = 5000
const RECONNECT_WAIT_MS = 250
const PING_INTERVAL_MS = 10_000

/** Throws CONFIG_INVALID naming the option that is wrong. */
export function toConnectionOptions(options: NatsOptions): ConnectionOptions {
  const servers = serversOf(options).map(parseServer)
  const credentials = withUrlCredentials(options, servers)
  checkCombination(credentials)
  const tls = tlsOf(options.tls, servers)
  const timeoutMs = options.connectTimeoutMs ?? CONNECT_TIMEOUT_MS
  return {
    servers: servers.map((server) => server.address),
    timeout: Math.max(1, Math.floor(timeoutMs / servers.length)),
    maxReconnectAttempts: -1,
    reconnectTimeWait: RECONNECT_WAIT_MS,
    pingInterval: PING_INTERVAL_MS,
    ignoreAuthErrorAbort: true,
    ...(options.name === undefined ? {} : { name: options.name }),
    ...(options.inboxPrefix === undefined ? {} : { inboxPrefix: options.inboxPrefix }),
    ...(tls === undefined ? {} : { tls }),
    ...authenticationOf(credentials),
  }
}

/** The servers as they may be shown: without what stands before the `@`. */
export function shownServers(options: NatsOptions): string[] {
  return serversOf(options).map((server) => server.replace(/^([a-z]+:\/\/)?.*@/i, '$1'))
}

function serversOf(options: NatsOptions): string[] {
  const servers = typeof options.servers === 'string' ? options.servers.split(',') : [...options.servers]
  const trimmed = servers.map((server) => server.trim()).filter((server) => server !== '')
  if (trimmed.length === 0)
    throw invalid('servers', 'expected at least one NATS URL such as nats://localhost:4222')
  return trimmed
}

interface Server {
  readonly address: string
  readonly isTls: boolean
  readonly user: string | undefined
  readonly password: string | undefined
}

function parseServer(server: string): Server {
  const match = /^(?:([a-z]+):\/\/)?(?:(.*)@)?([^@/]+)\/?$/i.exec(server)
  const scheme = match?.[1]?.toLowerCase() ?? 'nats'
  if (match === null || (scheme !== 'nats' && scheme !== 'tls')) {
    const shown = shownServers({ servers: [server] })[0]
    throw invalid(
      'servers',
      `expected nats://host:port, tls://host:port or host:port, found ${JSON.stringify(shown)}`,
    )
  }
  const [user, ...password] = match[2] === undefined ? [] : match[2].split(':')
  return {
    address: match[3]!,
    isTls: scheme === 'tls',
    user: user === undefined ? undefined : unescapeUrl(user),
    password: password.length === 0 ? undefined : unescapeUrl(password.join(':')),
  }
}

function unescapeUrl(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

/** `user:password@` and `token@` of a URL as if they had been given as options. */
function withUrlCredentials(options: NatsOptions, servers: readonly Server[]): NatsOptions {
  const given = servers.filter((server) => server.user !== undefined)
  const first = given[0]
  if (first === undefined) return options
  if (given.some((server) => server.user !== first.user || server.password !== first.password)) {
    throw invalid('servers', 'expected the same user and password in every URL')
  }
  if (options.user !== undefined || options.password !== undefined || options.token !== undefined) {
    throw invalid(
      'servers',
      'a URL has a user or token, and so have the options user, password or token; give one',
    )
  }
  return first.password === undefined
    ? { ...options, token: first.user! }
    : { ...options, user: first.user!, password: first.password }
}

function checkCombination(options: NatsOptions): void {
  if ((options.user === undefined) !== (options.password === undefined)) {
    throw invalid(
      options.user === undefined ? 'user' : 'password',
      'user and password must be given together',
    )
  }
  const ways = (['user', 'token', 'nkeySeed', 'nkeySeedFile', 'credsFile'] as const).filter(
    (name) => options[name] !== undefined,
  )
  if (ways.length > 1) throw invalid(ways[1]!, `give one way to log in, found ${ways.join(' and ')}`)
}

function authenticationOf(options: NatsOptions): ConnectionOptions {
  if (options.user !== undefined) return { user: options.user, pass: options.password! }
  if (options.token !== undefined) return { token: options.token }
  if (options.credsFile !== undefined) {
    const authenticator = credsAuthenticator(readOption('credsFile', options.credsFile))
    tryAuthenticator('credsFile', 'a creds file with a JWT and a seed', authenticator)
    return { authenticator }
  }
  if (options.nkeySeed === undefined && options.nkeySeedFile === undefined) return {}
  const name = options.nkeySeed === undefined ? 'nkeySeedFile' : 'nkeySeed'
  const text = options.nkeySeed ?? new TextDecoder().decode(readOption(name, options.nkeySeedFile!))
  const authenticator = nkeyAuthenticator(new TextEncoder().encode(text.trim()))
  tryAuthenticator(name, 'the seed of a user nkey (SU...)', authenticator)
  return { authenticator }
}

/** Signs something once, so that a damaged seed is found here. The reason is withheld: it may quote the seed. */
function tryAuthenticator(
  name: keyof NatsOptions,
  expected: string,
  authenticator: (nonce?: string) => unknown,
): void {
  try {
    authenticator('nonce')
  } catch {
    throw invalid(name, `expected ${expected}, found something that cannot be used as one`)
  }
}

function tlsOf(tls: NatsTlsOptions | undefined, servers: readonly Server[]): TlsOptions | undefined {
  if (tls === undefined) return servers.some((server) => server.isTls) ? {} : undefined
  if ((tls.certFile === undefined) !== (tls.keyFile === undefined)) {
    throw invalid(
      tls.certFile === undefined ? 'tls.certFile' : 'tls.keyFile',
      'certFile and keyFile belong together',
    )
  }
  const pem = (name: 'caFile' | 'certFile' | 'keyFile', key: string) =>
    tls[name] === undefined ? {} : { [key]: new TextDecoder().decode(readOption(`tls.${name}`, tls[name])) }
  return {
    ...pem('caFile', 'ca'),
    ...pem('certFile', 'cert'),
    ...pem('keyFile', 'key'),
    ...(tls.handshakeFirst === true ? { handshakeFirst: true } : {}),
    ...(tls.insecure === true ? { rejectUnauthorized: false } : {}),
  }
}

function readOption(name: string, path: string): Uint8Array {
  try {
    return readFileSync(path)
  } catch (error) {
    throw invalid(name, `cannot read ${path}: ${asError(error).message}`)
  }
}

function invalid(name: string, what: string): SluiceError {
  return new SluiceError('CONFIG_INVALID', `nats.${name}: ${what}`)
}
