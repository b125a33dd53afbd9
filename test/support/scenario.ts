/**
 * Scenarios as text: one command per paragraph, below it, indented, what it is expected to lead to. A line that begins
 * with `#` is a comment; the first one of a file says what the scenario shows.
 *
 *     # a job that finishes
 *     submit
 *       request 2
 *
 * With SCENARIO_REWRITE=1 in the environment files are written anew with what was found: read the difference well.
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'

/** Carries out one command of a scenario; returns a line for each thing that came of it. */
export type Play = (command: string) => string[]

interface Step {
  readonly comments: readonly string[]
  /** Empty in a paragraph of comments. */
  readonly command: string
  readonly expected: readonly string[]
}

/** One test for each file of a folder beside this one; `begin` makes what a file is played on. */
export function playScenarios(folder: string, begin: () => Play): void {
  const dir = fileURLToPath(new URL(`../scenarios/${folder}`, import.meta.url))
  for (const file of readdirSync(dir).sort()) {
    const path = join(dir, file)
    const steps = readSteps(readFileSync(path, 'utf8'))
    const what = steps[0]?.comments[0]?.replace(/^# */, '') ?? file
    t.test(`${folder.replaceAll('-', ' ')} - ${what} (${file})`, async (t) => {
      const play = begin()
      const found = steps.map((step) => ({
        ...step,
        expected: step.command === '' ? [] : play(step.command),
      }))
      if (process.env.SCENARIO_REWRITE === '1') writeFileSync(path, writeSteps(found))
      else t.equal(writeSteps(found), writeSteps(steps))
    })
  }
}

function readSteps(text: string): Step[] {
  return text
    .split(/\n\s*\n/)
    .filter((paragraph) => paragraph.trim() !== '')
    .map((paragraph) => {
      const lines = paragraph.split('\n').filter((line) => line.trim() !== '')
      const comments = lines.filter((line) => line.startsWith('#'))
      const [command = '', ...expected] = lines
        .filter((line) => !line.startsWith('#'))
        .map((line) => line.trim())
      return { comments, command, expected }
    })
}

function writeSteps(steps: readonly Step[]): string {
  const paragraphs = steps.map(({ comments, command, expected }) =>
    [...comments, ...(command === '' ? [] : [command]), ...expected.map((line) => `  ${line}`)].join('\n'),
  )
  return `${paragraphs.join('\n\n')}\n`
}
