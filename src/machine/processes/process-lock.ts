import net from 'node:net'
import { hasCode } from '../../errors.js'
import { refuseWithoutLocks } from '../platform.js'

export interface HostLock {
  release(): Promise<void>
}

/**
 * Bytes of an abstract name after its NUL. Node 20 pads a shorter name, later releases do not: so every name has this
 * length.
 */
const nameLength = 107

/**
 * Take a lock that ends with this process, even after kill -9.
 *
 * The lock is a socket in Linux's abstract namespace: only one process of a network namespace can listen on it.
 *
 * @returns null when another process has it
 * @throws  UmlcowError PLATFORM on any system but Linux
 * @see     native-free-notes/locks.md
 */
export async function takeLock(name: string): Promise<HostLock | null> {
  refuseWithoutLocks()
  const server = net.createServer((connection) => connection.destroy())
  return new Promise((resolve, reject) => {
    server.on('error', (error) => {
      if (hasCode(error, 'EADDRINUSE')) resolve(null)
      else reject(error)
    })
    // Without `exclusive`, the workers of a cluster would share the socket.
    server.listen({ path: `\0${name.padEnd(nameLength, ' ')}`, exclusive: true }, () => {
      server.unref()
      resolve({ release: () => new Promise((done) => server.close(() => done())) })
    })
  })
}
