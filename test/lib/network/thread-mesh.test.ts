import { MessageChannel, type MessagePort } from 'node:worker_threads'
import t from 'tap'
import type { ChannelAddress } from '../../../lib/network/frame-port.ts'
import { ThreadMesh } from '../../../lib/network/thread-mesh.ts'

const ADDRESS: ChannelAddress = { jobId: 'job', attempt: 0, edgeId: 'e0', from: 0, to: 1 }

/** The ports of a mesh keep no process alive; while tests wait for them something has to. */
const keepAlive = setInterval(() => {}, 1000)
t.teardown(() => clearInterval(keepAlive))

function connected() {
  const { port1, port2 } = new MessageChannel()
  const [a, b] = [new ThreadMesh(), new ThreadMesh()]
  a.connect(1, port1)
  b.connect(0, port2)
  return { a, b, port1, port2 }
}

/** The next frame of a channel. */
function nextFrame(mesh: ThreadMesh, slot: number, address = ADDRESS): Promise<Uint8Array> {
  return new Promise((resolve) => {
    const stop = mesh.portTo(slot).receive(address, 'data', (frame) => {
      stop()
      resolve(frame)
    })
  })
}

function closed(port: MessagePort): Promise<void> {
  return new Promise((resolve) => port.once('close', () => resolve()))
}

t.test('thread mesh - frames are handed over, not copied, each to its channel', async (t) => {
  const { a, b, port1, port2 } = connected()
  const other = { ...ADDRESS, edgeId: 'e1' }
  const [first, second] = [nextFrame(b, 0), nextFrame(b, 0, other)]
  const frame = Uint8Array.of(1, 2, 3)
  a.portTo(1).send(other, 'data', Uint8Array.of(9))
  a.portTo(1).send(ADDRESS, 'credit', Uint8Array.of(8))
  a.portTo(1).send({ ...ADDRESS, attempt: 1 }, 'data', Uint8Array.of(7))
  a.portTo(1).send(ADDRESS, 'data', frame)
  t.same([...(await first)], [1, 2, 3])
  t.same([...(await second)], [9])
  t.equal(frame.length, 0, 'the sender has it no more')
  t.ok(a.portTo(1).isReliable)
  const ends = [closed(port1), closed(port2)]
  a.close()
  b.close()
  await Promise.all(ends)
})

t.test('thread mesh - what goes to a slot that is not there is lost without a noise', async (t) => {
  const mesh = new ThreadMesh()
  t.doesNotThrow(() => mesh.portTo(5).send(ADDRESS, 'data', Uint8Array.of(1)))
  mesh.close()
})

t.test('thread mesh - a new line to a slot replaces the one to a thread that has ended', async (t) => {
  const { a, port2 } = connected()
  const again = new MessageChannel()
  const replacement = new ThreadMesh()
  const gone = closed(port2)
  a.connect(1, again.port1)
  replacement.connect(0, again.port2)
  await gone
  const frame = nextFrame(replacement, 0)
  a.portTo(1).send(ADDRESS, 'data', Uint8Array.of(5))
  t.same([...(await frame)], [5])
  const ends = [closed(again.port1), closed(again.port2)]
  a.close()
  replacement.close()
  await Promise.all(ends)
})
