/**
 * Makes this thread able to import jobs: TypeScript as it is, and `sluice` as this very installation, wherever the job
 * lies and whatever is installed beside it. Each thread has to do so for itself, before it imports anything else.
 */
import { existsSync } from 'node:fs'
import { register as registerHook } from 'node:module'
import { register as registerTypeScript } from 'tsx/esm/api'

const extension = existsSync(new URL('../index.ts', import.meta.url)) ? 'ts' : 'js'

registerTypeScript()
registerHook('./resolve-sluice.mjs', {
  parentURL: import.meta.url,
  data: {
    sluice: new URL(`../index.${extension}`, import.meta.url).href,
    'sluice/testing': new URL(`../testing/index.${extension}`, import.meta.url).href,
  },
})
