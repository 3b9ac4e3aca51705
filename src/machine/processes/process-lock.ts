import net from 'node:net'
import { hasCode } from '../../errors.js'

export interface HostLock {
  release(): Promise<void>
}

/** Bytes of an abstract name after its NUL. Node 20 pads shorter ones and later releases do not, so all have this many. */
const nameLength = 107

/**
 * Take a lock that ends with this process, by kill -9 too: a socket in Linux's abstract namespace, which only one
 * process of a network namespace can listen on.
 *
 * @returns null when somebody has it
 * @see     native-free-notes/locks.md
 */
export function takeLock(name: string): Promise<HostLock | null> {
  if (process.platform !== 'linux') return Promise.resolve({ release: async () => {} })
  const server = net.createServer((connection) => connection.destroy())
  return new Promise((resolve, reject) => {
    server.on('error', (error) => {
      if (hasCode(error, 'EADDRINUSE')) resolve(null)
      else reject(error)
    })
    // `exclusive`: the workers of a cluster would share it otherwise.
    server.listen({ path: `\0${name.padEnd(nameLength, ' ')}`, exclusive: true }, () => {
      server.unref()
      resolve({ release: () => new Promise((done) => server.close(() => done())) })
    })
  })
}
