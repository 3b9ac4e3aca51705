import type { OpenOutput } from './open-output.js'

/** Write to a stream of the web. @throws TypeError when it is locked */
export function openWebStream(stream: WritableStream<Uint8Array>): OpenOutput {
  const writer = stream.getWriter()
  return {
    facts: async () => null,
    async write(bytes) {
      await writer.ready
      await writer.write(bytes)
    },
    end: () => writer.close(),
    destroy(error) {
      // A stream that has failed cannot be aborted, and need not be.
      writer.abort(error).catch(() => {})
    },
    release: () => writer.releaseLock(),
  }
}
