/**
 * The command of the conformance runner:
 *
 *     node --import tsx test/conformance/run.ts DIR [--suite NAME] [--case SUBSTRING]
 */
import { runConformance } from './runner.ts'

process.exitCode = await runConformance(process.argv.slice(2), (line) => process.stdout.write(`${line}\n`))
