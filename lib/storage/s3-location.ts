/**
 * Where an S3 server is and who we are, by URI and environment. Nothing here repeats what may be a secret, and
 * nothing needs the AWS SDK, whose types would else be needed by everybody who opens a store.
 */
import { SluiceError } from '../base/errors.ts'
import { didYouMean } from '../base/nearest-name.ts'
import { checkBlobPath } from './blob-store.ts'

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

const PARAMETERS = ['endpoint', 'region', 'pathStyle']

/**
 * `s3://bucket[/prefix][?endpoint=http://host:9000&region=eu-west-1&pathStyle=false]`. What the URI does not say
 * comes from AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL, AWS_REGION and AWS_DEFAULT_REGION. With an endpoint the bucket
 * is part of the path unless `pathStyle=false`. Throws CONFIG_INVALID.
 */
export function parseS3Uri(uri: string, env: Environment): S3Location {
  const { host, pathname, searchParams } = parseUrl(
    uri,
    's3://bucket/prefix?endpoint=https://host&region=eu-west-1',
  )
  const unknown = [...searchParams.keys()].find((name) => !PARAMETERS.includes(name))
  if (unknown !== undefined) {
    throw new SluiceError(
      'CONFIG_INVALID',
      `expected the parameters ${PARAMETERS.join(', ')} in an s3: URI, found "${unknown}".${didYouMean(unknown, PARAMETERS)}`,
    )
  }
  const prefix = pathname.replace(/^\/+|\/+$/g, '')
  if (prefix !== '') checkBlobPath(prefix)
  const endpoint = searchParams.get('endpoint') ?? env.AWS_ENDPOINT_URL_S3 ?? env.AWS_ENDPOINT_URL
  if (endpoint !== undefined) parseUrl(endpoint, 'https://host:9000 as endpoint')
  const region = searchParams.get('region') ?? env.AWS_REGION ?? env.AWS_DEFAULT_REGION
  return {
    bucket: host,
    prefix: prefix === '' ? '' : `${prefix}/`,
    endpoint,
    // Servers other than AWS's have no regions, but want to see one.
    region: region ?? (endpoint === undefined ? undefined : 'us-east-1'),
    isPathStyle: endpoint !== undefined && searchParams.get('pathStyle') !== 'false',
  }
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

/** For error messages: what stands before an @ may be a password, and may contain slashes. */
export function withoutUserInfo(uri: string): string {
  return uri.replace(/\/\/.*@/, '//')
}

function parseUrl(text: string, expected: string): URL {
  if (text.split('?')[0]!.includes('@')) {
    throw new SluiceError(
      'CONFIG_INVALID',
      'expected no credentials in a storage URI: put them into AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY',
    )
  }
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url !== undefined && url.host !== '' && /^(s3|https?):$/.test(url.protocol)) return url
  throw new SluiceError(
    'CONFIG_INVALID',
    `expected a URI such as ${expected}, found ${JSON.stringify(withoutUserInfo(text))}`,
  )
}
