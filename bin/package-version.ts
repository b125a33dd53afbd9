/** The version of this installation, from its package.json. */
import { readFileSync } from 'node:fs'

/** From the source it is one directory up, from the compiled program two. */
const path = import.meta.url.endsWith('.ts') ? '../package.json' : '../../package.json'

export const PACKAGE_VERSION: string = JSON.parse(
  readFileSync(new URL(path, import.meta.url), 'utf8'),
).version
