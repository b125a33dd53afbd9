/**
 * Runs modules in a process of their own, since jobs print: `run-blocks.ts OUT FILE...` writes to OUT, per file, what
 * was printed, or the error. A file after `--build` has the graph of its job built.
 */
import { writeFileSync } from 'node:fs'
import { pathToFileURL } from 'node:url'
import { buildJob, graphSettings, isJobDefinition } from '../../lib/api/job.ts'
import { VirtualCluster } from '../../lib/testing/virtual-cluster.ts'

const [out, ...files] = process.argv.slice(2)
const results: Record<string, { printed: string; error?: string }> = {}
const write = process.stdout.write.bind(process.stdout)

async function run(file: string, isBuilding: boolean): Promise<string> {
  let printed = ''
  process.stdout.write = (text: string | Uint8Array) => {
    printed += String(text)
    return true
  }
  try {
    const { default: job } = (await import(pathToFileURL(file).href)) as { default?: unknown }
    if (!isJobDefinition(job)) return printed
    if (isBuilding) buildJob(job, graphSettings(job, {}))
    else {
      const cluster = await VirtualCluster.start({ slots: 4 })
      await (await cluster.submit(job)).waitForEnd()
      await cluster.close()
    }
    return printed
  } finally {
    process.stdout.write = write
  }
}

let isBuilding = false
for (const file of files) {
  if (file === '--build') {
    isBuilding = true
    continue
  }
  try {
    results[file] = { printed: await run(file, isBuilding) }
  } catch (error) {
    results[file] = { printed: '', error: String((error as Error).stack) }
  }
}
writeFileSync(out!, JSON.stringify(results))
process.exit(0)
