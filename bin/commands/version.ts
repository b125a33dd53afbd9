/** Prints versions. */
import { PACKAGE_VERSION } from '../package-version.ts'
import type { VerbSpec } from '../verb.ts'

export const versionVerb: VerbSpec = {
  async run({ out }) {
    const versions = {
      sluice: PACKAGE_VERSION,
      node: process.versions.node,
      platform: process.platform,
      arch: process.arch,
    }
    out.data(
      versions,
      `sluice ${versions.sluice}, node ${versions.node}, ${versions.platform} ${versions.arch}`,
    )
    return undefined
  },
}
