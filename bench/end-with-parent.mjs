/**
 * Preloaded into every process the benchmarks start: it ends when its standard input does, which is when whoever
 * started it is gone, however that went. So nothing is left behind, not even by a parent that was killed.
 */
import { isMainThread } from 'node:worker_threads'

if (isMainThread) {
  process.stdin.on('end', () => process.exit(1))
  process.stdin.resume()
  process.stdin.unref?.()
}
