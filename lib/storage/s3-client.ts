/**
 * The way to an S3 server: where it is, by URI and environment; who we are; and errors that say what went wrong
 * without what must stay secret. The AWS SDK is an optional peer dependency, imported when the first `s3:` store
 * is opened: it knows every way AWS hands out credentials (profiles, roles of instances and pods, SSO), which a
 * small client does not.
 *
 * An error of the SDK carries the response, and with it headers and keys; so none of them is passed on, only a
 * {@link S3Failure} made from its name and message.
 */
import type { S3 } from '@aws-sdk/client-s3'
import { asError, SluiceError } from '../base/errors.ts'
import { didYouMean } from '../base/nearest-name.ts'
import { checkBlobPath } from './blob-store.ts'

export type S3Module = typeof import('@aws-sdk/client-s3')
export type Environment = Readonly<Record<string, string | undefined>>

export interface S3Credentials {
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly sessionToken?: string
}

export interface S3Location {
  readonly bucket: string
  /** Empty, or ending with a slash. */
  readonly prefix: string
  readonly endpoint: string | undefined
  readonly region: string | undefined
  readonly isPathStyle: boolean
}

/** A socket that is silent for this long is given up. */
const SOCKET_SILENCE_MS_MAX = 30_000
const CONNECT_MS_MAX = 10_000
/** Requests at once; more wait in the client. */
const SOCKETS_MAX = 16
const PARAMETERS = ['endpoint', 'region', 'pathStyle']

export class S3Failure extends Error {
  override readonly name = 'S3Failure'
  /** S3's error code, or the name of what the client threw. */
  readonly code: string
  /** HTTP status; undefined when there was no response. */
  readonly status: number | undefined

  constructor(code: string, message: string, status: number | undefined) {
    super(
      message === '' || message === 'UnknownError'
        ? code
        : code === 'Error'
          ? message
          : `${code}: ${message}`,
    )
    this.code = code
    this.status = status
  }
}

export function toS3Failure(thrown: unknown): S3Failure {
  const error = asError(thrown) as Error & { code?: unknown; $metadata?: { httpStatusCode?: number } }
  const code = typeof error.code === 'string' ? error.code : error.name
  return new S3Failure(code, error.message, error.$metadata?.httpStatusCode)
}

/** `load` is for tests. Throws STORAGE_UNUSABLE with the line that installs what is missing. */
export async function loadS3(load = () => import('@aws-sdk/client-s3')): Promise<S3Module> {
  try {
    return await load()
  } catch (error) {
    throw new SluiceError(
      'STORAGE_UNUSABLE',
      `storage on S3 needs the package @aws-sdk/client-s3, which cannot be loaded (${asError(error).message}); ` +
        'install it with: npm install @aws-sdk/client-s3',
      { cause: error },
    )
  }
}

/**
 * `s3://bucket[/prefix][?endpoint=http://host:9000&region=eu-west-1&pathStyle=false]`. What the URI does not say
 * comes from AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL, AWS_REGION and AWS_DEFAULT_REGION. With an endpoint the bucket
 * is part of the path unless `pathStyle=false`. Throws CONFIG_INVALID, never repeating what may be a secret.
 */
export function parseS3Uri(uri: string, env: Environment): S3Location {
  const url = parseUrl(uri, 's3://bucket/prefix?endpoint=https://host&region=eu-west-1')
  const unknown = [...url.searchParams.keys()].find((name) => !PARAMETERS.includes(name))
  if (unknown !== undefined) {
    throw new SluiceError(
      'CONFIG_INVALID',
      `expected the parameters ${PARAMETERS.join(', ')} in an s3: URI, found "${unknown}".${didYouMean(unknown, PARAMETERS)}`,
    )
  }
  const prefix = url.pathname.replace(/^\/+|\/+$/g, '')
  if (prefix !== '') checkBlobPath(prefix)
  const { searchParams } = url
  const endpoint = searchParams.get('endpoint') ?? env.AWS_ENDPOINT_URL_S3 ?? env.AWS_ENDPOINT_URL
  if (endpoint !== undefined) parseUrl(endpoint, 'https://host:9000 as endpoint')
  const isAws = endpoint === undefined
  return {
    bucket: url.host,
    prefix: prefix === '' ? '' : `${prefix}/`,
    endpoint,
    region:
      searchParams.get('region') ??
      env.AWS_REGION ??
      env.AWS_DEFAULT_REGION ??
      (isAws ? undefined : 'us-east-1'),
    isPathStyle: !isAws && searchParams.get('pathStyle') !== 'false',
  }
}

function parseUrl(text: string, expected: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url !== undefined && (url.username !== '' || url.password !== '')) {
    throw new SluiceError(
      'CONFIG_INVALID',
      'expected no credentials in a storage URI: put them into AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY',
    )
  }
  if (url !== undefined && url.host !== '' && /^(s3|https?):$/.test(url.protocol)) return url
  throw new SluiceError('CONFIG_INVALID', `expected a URI such as ${expected}, found ${JSON.stringify(text)}`)
}

/** Without credentials here or in the environment the SDK looks in all the places it knows. */
export function createS3({ S3 }: S3Module, location: S3Location, credentials: S3Credentials | undefined): S3 {
  return new S3({
    ...(location.region === undefined ? {} : { region: location.region }),
    ...(location.endpoint === undefined ? {} : { endpoint: location.endpoint }),
    ...(credentials === undefined ? {} : { credentials }),
    forcePathStyle: location.isPathStyle,
    // Retries are RetryingBlobStore's: one hidden in here could be refused by its own first attempt (putIfAbsent).
    maxAttempts: 1,
    // Servers other than AWS's do not know the checksums the SDK adds by itself; blobs bring their own.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    requestHandler: {
      connectionTimeout: CONNECT_MS_MAX,
      socketTimeout: SOCKET_SILENCE_MS_MAX,
      httpAgent: { keepAlive: true, maxSockets: SOCKETS_MAX },
      httpsAgent: { keepAlive: true, maxSockets: SOCKETS_MAX },
    },
  })
}

export function credentialsFrom(env: Environment): S3Credentials | undefined {
  const { AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN } = env
  if (!AWS_ACCESS_KEY_ID || !AWS_SECRET_ACCESS_KEY) return undefined
  return {
    accessKeyId: AWS_ACCESS_KEY_ID,
    secretAccessKey: AWS_SECRET_ACCESS_KEY,
    ...(AWS_SESSION_TOKEN ? { sessionToken: AWS_SESSION_TOKEN } : {}),
  }
}
