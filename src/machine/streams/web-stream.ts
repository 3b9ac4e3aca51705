import { UmlcowError } from '../../errors.js'
import type { OpenOutput } from './open-output.js'

/** Write to a stream of the web. @param name  for messages @throws TypeError when it is locked */
export function openWebStream(stream: WritableStream<Uint8Array>, name: string): OpenOutput {
  if (stream.locked) throw new TypeError(`target: ${name} is locked: it has another writer`)
  const writer = stream.getWriter()
  return {
    facts: async () => null,
    write: (bytes) =>
      withErrors(name, async () => {
        await writer.ready
        await writer.write(bytes)
      }),
    end: () => withErrors(name, () => writer.close()),
    destroy(error) {
      // A stream that has failed cannot be aborted, and need not be.
      writer.abort(error).catch(() => {})
    },
    release: () => writer.releaseLock(),
  }
}

/** A reader that cancels may give any reason, even none. @throws an error in each case */
async function withErrors(name: string, run: () => Promise<void>): Promise<void> {
  try {
    await run()
  } catch (reason) {
    if (reason instanceof Error) throw reason
    throw new UmlcowError('CLOSED', `${name}: its reader has gone`, { cause: reason })
  }
}
