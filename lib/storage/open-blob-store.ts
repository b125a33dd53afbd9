/** The blob store a URI names, checksums and retries around it: opened once per process, for whoever stores. */
import type { Clock } from '../base/clock.ts'
import { SluiceError } from '../base/errors.ts'
import type { Logger } from '../base/logger.ts'
import { type Random, systemRandom } from '../base/prng.ts'
import type { Bus } from '../bus/bus.ts'
import { NatsBus } from '../bus/nats-bus.ts'
import type { BlobStore } from './blob-store.ts'
import { ChecksummedBlobStore } from './checksummed-blob-store.ts'
import { FileBlobStore } from './file-blob-store.ts'
import { JetStreamBlobStore } from './jetstream-blob-store.ts'
import { MemoryBlobStore } from './memory-blob-store.ts'
import { RetryingBlobStore } from './retrying-blob-store.ts'
import { S3BlobStore } from './s3-blob-store.ts'
import { type Environment, type S3Credentials, withoutUserInfo } from './s3-location.ts'

export interface BlobStoreEnvironment {
  readonly clock: Clock
  readonly logger: Logger
  /** Default: seeded by the system. */
  readonly random?: Random
  /** For `jetstream:`; stays the caller's. */
  readonly bus?: Bus
  /** For `s3:`: where endpoint, region and credentials may come from. */
  readonly env?: Environment
  readonly s3Credentials?: S3Credentials
}

/**
 * `memory:`, `file:///directory`, `jetstream:bucket[/prefix]` or `s3://bucket[/prefix]?endpoint=...&region=...`.
 * Throws CONFIG_INVALID for a URI that is none of these; whether the store works is what its `check` says.
 */
export async function openBlobStore(uri: string, environment: BlobStoreEnvironment): Promise<BlobStore> {
  const { clock, logger, random = systemRandom() } = environment
  const store = await openPlain(uri, { ...environment, random })
  return new RetryingBlobStore(new ChecksummedBlobStore(store), { clock, logger, random })
}

async function openPlain(
  uri: string,
  environment: BlobStoreEnvironment & { random: Random },
): Promise<BlobStore> {
  const { clock, random, bus, env, s3Credentials } = environment
  switch (/^[a-z0-9]*:/.exec(uri)?.[0]) {
    case 'memory:':
      return new MemoryBlobStore(clock)
    case 'file:':
      return new FileBlobStore(uri, clock)
    case 'jetstream:':
      if (bus instanceof NatsBus) return new JetStreamBlobStore(uri, { bus, clock })
      throw new SluiceError(
        'CONFIG_INVALID',
        `storage in ${uri} needs a NATS server; name one, or choose file:///dir`,
      )
    case 's3:':
      return S3BlobStore.open(uri, {
        clock,
        random,
        ...(env === undefined ? {} : { env }),
        ...(s3Credentials === undefined ? {} : { credentials: s3Credentials }),
      })
    default:
      throw new SluiceError(
        'CONFIG_INVALID',
        'expected a storage URI: memory:, file:///directory, jetstream:bucket/prefix or s3://bucket/prefix, ' +
          `found ${JSON.stringify(withoutUserInfo(uri))}`,
      )
  }
}
