/** A real NATS server for one test file, on a free port, stopped when the file's tests are over. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { homedir, tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'
import { systemClock } from '../../lib/base/clock.ts'
import { findNatsServer } from '../../lib/bus/find-nats-server.ts'
import { installCommand } from '../../lib/bus/install-nats-server.ts'
import {
  type NatsServerOptions,
  type NatsServerProcess,
  startNatsServer,
} from '../../lib/bus/start-nats-server.ts'

export type TestServerOptions = Partial<Omit<NatsServerOptions, 'configFile'>> & {
  /** The text of a configuration instead of options; the port is added. */
  readonly config?: string
}

/** Fails the test, with the line that installs one, when the machine has no nats-server. */
export async function startTestServer(t: Test, options: TestServerOptions = {}): Promise<NatsServerProcess> {
  const { config, ...rest } = options
  const storeDir = rest.storeDir ?? temporaryDirectory(t)
  const configFile = config === undefined ? undefined : join(storeDir, 'test.conf')
  if (configFile !== undefined) writeFileSync(configFile, `host: "127.0.0.1"\nport: -1\n${config}\n`)
  const server = await startNatsServer({
    binary: await natsServerBinary(),
    clock: systemClock,
    jetstream: false,
    ...rest,
    storeDir,
    ...(configFile === undefined ? {} : { configFile }),
  })
  t.teardown(() => server.stop())
  return server
}

export async function natsServerBinary(): Promise<string> {
  const { env } = process
  const cacheDir = join(env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'sluice')
  const found = await findNatsServer({ env, cacheDir })
  if (found !== undefined) return found.path
  const command = installCommand({ env, cacheDir, platform: process.platform })
  throw new Error(`these tests need a nats-server, and none was found; install it with: ${command}`)
}

/** Removed after the test, and after whatever was started in it. */
export function temporaryDirectory(t: Test): string {
  const directory = mkdtempSync(join(tmpdir(), 'sluice-test-'))
  t.teardown(() => rmSync(directory, { recursive: true, force: true }))
  return directory
}
