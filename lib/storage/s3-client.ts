/**
 * The AWS SDK: imported when the first `s3:` store is opened, since it is an optional peer dependency. It knows
 * every way AWS hands out credentials (profiles, roles of instances and pods, SSO), which a small client does not.
 *
 * An error of the SDK carries the response, and with it headers and keys; so none of them is passed on, only a
 * {@link S3Failure} made from its name and message.
 */
import type { S3 } from '@aws-sdk/client-s3'
import { asError, SluiceError } from '../base/errors.ts'
import type { S3Credentials, S3Location } from './s3-location.ts'

type S3Module = typeof import('@aws-sdk/client-s3')

/** A socket that is silent for this long is given up. */
const SOCKET_SILENCE_MS_MAX = 30_000
const CONNECT_MS_MAX = 10_000
/** Requests at once; more wait in the client. */
const SOCKETS_MAX = 16

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
