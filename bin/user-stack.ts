/** From the stacks of an error and its causes, the lines that lie in the user's own files. */
import { fileURLToPath } from 'node:url'

/** This installation: its own folders, compiled or not, and not what else lies in a clone, such as the examples. */
const ROOT = import.meta.url.endsWith('.ts') ? '../' : '../../'
const OWN = ['lib/', 'actors/', 'bin/', 'dist/'].map((folder) =>
  fileURLToPath(new URL(`${ROOT}${folder}`, import.meta.url)),
)
const FRAMES_MAX = 6
const CAUSES_MAX = 8

/** Of the innermost error that has any, the innermost first. */
export function userFrames(error: unknown): string[] {
  let found: string[] = []
  for (let depth = 0; error instanceof Error && depth < CAUSES_MAX; depth++) {
    const frames = framesOf(error.stack ?? '')
    if (frames.length > 0) found = frames
    error = error.cause
  }
  return found
}

function framesOf(stack: string): string[] {
  return stack
    .split('\n')
    .filter((line) => /^\s+at /.test(line))
    .map((line) => line.trim().replace(/file:\/\/[^()]*?(?=:\d+:\d+\)?$)/, pathOf))
    .filter(isUsers)
    .slice(0, FRAMES_MAX)
}

/** As people know it: a URL writes a space as %20. */
function pathOf(url: string): string {
  try {
    return fileURLToPath(url)
  } catch {
    return url
  }
}

/** `at name (/path/file.ts:1:2)`, `at /path/file.ts:1:2`. Generated code and Node's own have no path. */
function isUsers(line: string): boolean {
  const path = /(?:\(|at |async )((?:\/|[A-Za-z]:[\\/])[^()]*):\d+:\d+\)?$/.exec(line)?.[1]
  if (path === undefined || path.includes('/node_modules/')) return false
  return !OWN.some((folder) => path.startsWith(folder))
}
