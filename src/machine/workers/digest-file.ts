import { Worker } from 'node:worker_threads'
import type { Stretches } from '../../bytes/stretch-list.js'
import { interrupted, throwIfAborted, UmlcowError } from '../../errors.js'
import { withHoles } from '../../formats/manifest/holes.js'
import { createCopyPace } from '../copying/pace.js'
import { readStretches } from '../copying/read-stretches.js'
import { Sha256 } from '../digests/sha256.js'
import type { FileStore } from '../stores/file-store.js'

export interface DigestOptions {
  readonly signal?: AbortSignal | undefined
  readonly onPosition?: ((position: number) => void) | undefined
}

/** A worker thread takes longer to start than the digest of so many bytes. */
export const ownThreadFrom = 32 * 1024 * 1024

/**
 * Compute the SHA-256 digest of a file, with zeros between its stretches. A large file takes a thread of its own, so that
 * several files are digested at once, and others compress meanwhile.
 *
 * @returns hexadecimal digits
 * @throws  UmlcowError SHORT_READ when the file ends before a stretch does, INTERRUPTED
 */
export async function digestFile(store: FileStore, stretches: Stretches, options: DigestOptions): Promise<string> {
  throwIfAborted(options.signal)
  return store.size <= ownThreadFrom ? digestHere(store, stretches, options) : digestInThread(store, stretches, options)
}

async function digestHere(store: FileStore, stretches: Stretches, options: DigestOptions): Promise<string> {
  const pace = createCopyPace(options.signal, options.onPosition)
  const digest = new Sha256()
  for await (const part of withHoles({ stretches, data: readStretches(store, stretches, pace) }, store.size)) {
    if (typeof part !== 'number') digest.update(part)
    else for (let left = part; left > 0; ) left -= digest.addZeros(left)
  }
  options.onPosition?.(store.size)
  return digest.hex()
}

/** What the thread says: where it is, the digest, or where the file ended. */
type DigestMessage = { readonly position: number } | { readonly sha256: string } | { readonly end: number }

async function digestInThread(
  store: FileStore,
  stretches: Stretches,
  { signal, onPosition }: DigestOptions,
): Promise<string> {
  const worker = new Worker(new URL('./digest-worker.js', import.meta.url), {
    name: 'umlcow digest',
    execArgv: [],
    // A thread has the descriptors of its process.
    workerData: { fd: store.fd, size: store.size, stretches },
  })
  let stop = () => {}
  try {
    return await new Promise<string>((done, failed) => {
      stop = () => failed(interrupted(signal!))
      signal?.addEventListener('abort', stop, { once: true })
      worker.on('message', (message: DigestMessage) => {
        if ('position' in message) onPosition?.(message.position)
        else if ('sha256' in message) done(message.sha256)
        else failed(new UmlcowError('SHORT_READ', `${store.name}: ends at offset ${message.end}`))
      })
      worker.on('error', failed)
      worker.on('exit', () => failed(new Error('a worker thread of umlcow has ended')))
    })
  } finally {
    signal?.removeEventListener('abort', stop)
    // Wait for its end: it must not read a descriptor that is another file by then.
    await worker.terminate()
  }
}
