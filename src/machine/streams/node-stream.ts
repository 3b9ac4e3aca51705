import fs from 'node:fs'
import type { Writable } from 'node:stream'
import { hasCode, UmlcowError } from '../../errors.js'
import { fileError } from '../stores/file-store.js'
import { factsOfOutput } from '../stores/standard-output.js'
import type { OpenOutput } from './open-output.js'

/** Descriptors of streams that nobody ends: standard output and standard error. */
const standardDescriptors: readonly (number | null)[] = [1, 2]

/** The descriptor behind a stream; null for none. */
function descriptorOf(stream: object): number | null {
  return 'fd' in stream && typeof stream.fd === 'number' && stream.fd >= 0 ? stream.fd : null
}

/** Refuse a stream that takes nothing. One that has failed gives its own error later. @throws TypeError */
function refuseUseless(stream: NodeJS.WritableStream, name: string): void {
  const { writableCorked = 0, writableEnded, destroyed, errored } = stream as Partial<Writable>
  if (destroyed && !errored) throw new TypeError(`target: ${name} is destroyed already`)
  if (writableEnded) throw new TypeError(`target: ${name} has ended already`)
  // No write would ever end.
  if (writableCorked !== 0) throw new TypeError(`${name}: is corked`)
}

/** Write to a stream of Node. @param name  for messages @throws TypeError when it is corked, destroyed or ended */
export function openNodeStream(stream: NodeJS.WritableStream, name: string): OpenOutput {
  refuseUseless(stream, name)
  const isStandard = standardDescriptors.includes(descriptorOf(stream))
  const watch = watchStream(stream, name)
  return {
    async facts(what) {
      if (stream instanceof fs.WriteStream && stream.pending)
        await watch.unlessOver((done) => stream.once('ready', done))
      const fd = descriptorOf(stream)
      return fd === null ? null : factsOfOutput(fd, what)
    },
    write: (bytes) =>
      watch.unlessOver((resolve, reject) => {
        stream.write(bytes, (error) => (error ? reject(fileError(name, 'write', error)) : resolve()))
      }),
    async end() {
      await watch.unlessOver((done) => done())
      if (!isStandard) await endStream(stream, name)
    },
    destroy(error) {
      // The caller hears of the error by a rejection.
      stream.on('error', () => {})
      if (!isStandard && 'destroy' in stream && typeof stream.destroy === 'function') stream.destroy(error)
    },
    release: watch.stop,
  }
}

/** Call `done` at the end of a stream, good or bad. @returns a function that takes `done` off again */
function whenOver(stream: NodeJS.WritableStream, done: (error?: Error | null) => void): () => void {
  // Loaded on first use: it takes 3 ms, and the command never needs it.
  return process.getBuiltinModule('node:stream').finished(stream, { readable: false }, done)
}

async function endStream(stream: NodeJS.WritableStream, name: string): Promise<void> {
  try {
    await new Promise<void>((resolve, reject) => {
      whenOver(stream, (error) => (error ? reject(error) : resolve()))
      stream.end()
    })
  } catch (error) {
    throw overBy(name, error)
  }
}

function overBy(name: string, error: unknown): unknown {
  if (!hasCode(error, 'ERR_STREAM_PREMATURE_CLOSE')) return fileError(name, 'write', error)
  return new UmlcowError('ERR_STREAM_PREMATURE_CLOSE', `${name}: was destroyed before its end`, { cause: error })
}

type Start = (resolve: () => void, reject: (error: unknown) => void) => void

/** Watch a stream for its end: when its reader has gone, it may forget the callbacks of its writes. */
function watchStream(stream: NodeJS.WritableStream, name: string) {
  /** Why the stream takes no more bytes. */
  let over: unknown = null
  let fail = (_error: unknown) => {}
  const stop = whenOver(stream, (error) => {
    over = error ? overBy(name, error) : new UmlcowError('CLOSED', `${name}: has ended`)
    fail(over)
  })
  /** Wait for what `start` begins, or fail when the stream is over. */
  const unlessOver = (start: Start) =>
    new Promise<void>((resolve, reject) => {
      fail = reject
      if (over === null) start(resolve, reject)
      else reject(over)
    })
  return { unlessOver, stop }
}
