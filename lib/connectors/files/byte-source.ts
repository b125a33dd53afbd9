/** The bytes of a file from some position on, decompressed if its name says that it is compressed. */
import { createReadStream } from 'node:fs'
import { open } from 'node:fs/promises'
import { pipeline } from 'node:stream'
import { createGunzip } from 'node:zlib'
import { fileError } from './file-error.ts'
import { isCompressed } from './file-split.ts'

export interface ByteSource {
  /** Reads at most `length` bytes to `offset` in `into`; resolves with their number, 0 only at the end of the file. */
  read(into: Buffer, offset: number, length: number): Promise<number>
  close(): Promise<void>
}

const LINE_FEED = 10
const COUNT_CHUNK_BYTES = 256 * 1024

/** Rejects with CONNECTOR_FAILED naming the path; so do the source's methods. */
export function openByteSource(path: string, position: number): Promise<ByteSource> {
  return isCompressed(path) ? openGzipFile(path, position) : openPlainFile(path, position)
}

/** Line ends before `position`: for messages, which count lines from 1. */
export async function countLines(path: string, position: number): Promise<number> {
  const source = await openByteSource(path, 0)
  const chunk = Buffer.allocUnsafe(COUNT_CHUNK_BYTES)
  let lines = 0
  try {
    for (let left = position; left > 0; ) {
      const count = await source.read(chunk, 0, Math.min(left, chunk.length))
      if (count === 0) break
      for (let at = chunk.indexOf(LINE_FEED); at >= 0 && at < count; at = chunk.indexOf(LINE_FEED, at + 1))
        lines++
      left -= count
    }
  } finally {
    await source.close()
  }
  return lines
}

async function openPlainFile(path: string, position: number): Promise<ByteSource> {
  const handle = await open(path, 'r').catch((error) => Promise.reject(fileError('read', path, error)))
  return {
    async read(into, offset, length) {
      try {
        const { bytesRead } = await handle.read(into, offset, length, position)
        position += bytesRead
        return bytesRead
      } catch (error) {
        throw fileError('read', path, error)
      }
    },
    close: () => handle.close(),
  }
}

/** Compressed bytes cannot be entered in the middle: what precedes `position` is decompressed and thrown away. */
async function openGzipFile(path: string, position: number): Promise<ByteSource> {
  const gunzip = createGunzip()
  const file = createReadStream(path)
  // Errors of both come out of the iterator below.
  pipeline(file, gunzip, () => {})
  const chunks: AsyncIterator<Buffer> = gunzip[Symbol.asyncIterator]()
  let chunk: Buffer = Buffer.alloc(0)
  const next = async (): Promise<boolean> => {
    try {
      const result = await chunks.next()
      if (result.done === true) return false
      chunk = result.value
      return true
    } catch (error) {
      throw fileError('decompress', path, error)
    }
  }
  const source: ByteSource = {
    async read(into, offset, length) {
      while (chunk.length === 0) if (!(await next())) return 0
      const count = chunk.copy(into, offset, 0, length)
      chunk = chunk.subarray(count)
      return count
    },
    async close() {
      file.destroy()
      gunzip.destroy()
    },
  }
  try {
    for (let left = position; left > 0; ) {
      if (chunk.length === 0 && !(await next())) break
      const skipped = Math.min(left, chunk.length)
      chunk = chunk.subarray(skipped)
      left -= skipped
    }
  } catch (error) {
    await source.close()
    throw error
  }
  return source
}
