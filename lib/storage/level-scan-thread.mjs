/**
 * The thread beside a LevelDB store that walks over ranges. Iterators of classic-level are asynchronous, and whoever
 * scans is not: it sleeps on a shared cell until the answer is there. After each page the next one is read ahead.
 */
import { workerData } from 'node:worker_threads'
import { ClassicLevel } from 'classic-level'

const { location, port, cell } = workerData
const answered = new Int32Array(cell)
const database = new ClassicLevel(location, { keyEncoding: 'view', valueEncoding: 'view' })
const scans = new Map()

function answer(message) {
  port.postMessage(message)
  Atomics.add(answered, 0, 1)
  Atomics.notify(answered, 0)
}

async function handle(request) {
  switch (request.kind) {
    case 'open': {
      const { from, to, pageRows } = request
      const iterator = database.iterator({ gte: from, lt: to, fillCache: false, highWaterMarkBytes: 2 ** 18 })
      scans.set(request.scan, { iterator, pageRows })
      answer({ scan: request.scan, rows: null })
      return
    }
    case 'next': {
      const { iterator, pageRows } = scans.get(request.scan)
      answer({ scan: request.scan, rows: await iterator.nextv(pageRows) })
      return
    }
    case 'close': {
      const { iterator } = scans.get(request.scan)
      scans.delete(request.scan)
      await iterator.close()
      return
    }
    case 'end':
      await Promise.all([...scans.values()].map(({ iterator }) => iterator.close()))
      await database.close()
      answer({ scan: -1, rows: null })
      port.close()
  }
}

port.on('message', (request) => {
  handle(request).catch((error) => answer({ scan: request.scan ?? -1, error: String(error.message) }))
})

try {
  await database.open({ multithreading: true })
  answer({ scan: -1, rows: null })
} catch (error) {
  answer({ scan: -1, error: `${error.message}${error.cause ? `: ${error.cause.message}` : ''}` })
}
