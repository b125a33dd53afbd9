/** Stands between a client and a server, and breaks their connections when told to. */
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import type { Test } from 'tap'

export interface BreakingProxy {
  /** For clients. */
  readonly url: string
  /** Ends every connection at once, whatever is on its way. */
  breakAll(): void
}

export async function startBreakingProxy(t: Test, target: string): Promise<BreakingProxy> {
  const { hostname, port } = new URL(target)
  const sockets = new Set<Socket>()
  const keep = (socket: Socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
    socket.once('close', () => sockets.delete(socket))
  }
  const server = createServer((client) => {
    const upstream = connect({ host: hostname, port: Number(port) })
    keep(client)
    keep(upstream)
    client.pipe(upstream)
    upstream.pipe(client)
    client.once('close', () => upstream.destroy())
    upstream.once('close', () => client.destroy())
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const breakAll = () => {
    for (const socket of sockets) socket.destroy()
  }
  t.teardown(() => {
    server.close()
    breakAll()
  })
  return { url: `nats://127.0.0.1:${(server.address() as AddressInfo).port}`, breakAll }
}
