import fs from 'node:fs'
import { hasCode } from '../../errors.js'

function readNext(fd: number, target: Buffer): Promise<number> {
  return new Promise((resolve, reject) => {
    fs.read(fd, target, 0, target.length, null, (error, count) => (error ? reject(error) : resolve(count)))
  })
}

/**
 * Read the list of the kernel's locks while the caller does other work.
 *
 * @returns the text of /proc/locks; null where it is absent or hidden; any other error
 */
export async function readLocks(): Promise<string | Error | null> {
  const text: string[] = []
  const bytes = Buffer.allocUnsafe(64 * 1024)
  let fd = -1
  try {
    // Synchronous, so that the first read has begun when this returns its promise.
    fd = fs.openSync('/proc/locks', 'r')
    for (;;) {
      const count = await readNext(fd, bytes)
      if (count === 0) return text.join('')
      text.push(bytes.toString('latin1', 0, count))
    }
  } catch (error) {
    return hasCode(error, 'ENOENT', 'EACCES', 'EPERM') ? null : (error as Error)
  } finally {
    if (fd >= 0) fs.closeSync(fd)
  }
}
