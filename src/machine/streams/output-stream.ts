import fs from 'node:fs'
import { printablePath } from '../../bytes/escape.js'
import { openNodeStream } from './node-stream.js'
import type { OpenOutput } from './open-output.js'
import { openWebStream } from './web-stream.js'

/** A stream that takes an output: one of Node, or one of the web. */
export type OutputStream = NodeJS.WritableStream | WritableStream<Uint8Array>

/** Name a stream in messages. */
export function nameOfStream(stream: OutputStream): string {
  if ('fd' in stream && stream.fd === 1) return 'standard output'
  const hasPath = stream instanceof fs.WriteStream && stream.path !== undefined && stream.path !== ''
  return hasPath ? printablePath(stream.path) : 'the stream'
}

function isWebStream(target: object): target is WritableStream<Uint8Array> {
  return 'getWriter' in target && typeof target.getWriter === 'function'
}

/** True for a stream of Node or of the web that can be written. */
export function isOutputStream(target: unknown): target is OutputStream {
  if (typeof target !== 'object' || target === null) return false
  const members = target as { readonly [name: string]: unknown }
  return isWebStream(target) || ['write', 'end', 'once'].every((name) => typeof members[name] === 'function')
}

/** Take a stream over. @throws TypeError when a stream of the web is locked */
export function openOutput(stream: OutputStream): OpenOutput {
  return isWebStream(stream)
    ? openWebStream(stream, nameOfStream(stream))
    : openNodeStream(stream, nameOfStream(stream))
}
