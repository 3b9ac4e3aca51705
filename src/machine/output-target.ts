import { orInterrupted } from '../errors.js'
import type { BlockStore } from '../stores/block-store.js'
import type { FileFacts } from './file-facts.js'
import { shownValue, textPath } from './option-rules.js'
import { sequentialStore } from './stores/sequential-store.js'
import type { OpenOutput } from './streams/open-output.js'
import { isOutputStream, nameOfStream, type OutputStream, openOutput } from './streams/output-stream.js'

/** A store that takes bytes once, from start to end, such as standard output. */
export interface PipeTarget {
  readonly pipe: BlockStore
  /** The file behind it, or null for none. No input may be that file. */
  readonly facts: FileFacts | null
}

/** Where an output goes: a path for a new file, or a pipe. */
export type OutputTarget = string | PipeTarget

/** How to write an output. */
export interface OutputOptions {
  /** The output that a terminal must not get; null for one that it may get. */
  readonly what: string | null
  readonly signal: AbortSignal | undefined
}

function isPipeTarget(target: unknown): target is PipeTarget {
  return typeof target === 'object' && target !== null && 'pipe' in target && typeof target.pipe === 'object'
}

/**
 * Carry out an operation with its output.
 *
 * A stream that gets the whole output is ended. One that gets a part of it is destroyed, so that its reader does not
 * take the part for the whole. One that gets nothing, because the operation refuses or is a dry run, stays as it is.
 *
 * @param target  what the caller of the library passed
 * @throws        TypeError, and what `run` and the stream throw
 */
export async function withOutput<T extends { readonly dryRun: boolean }>(
  target: OutputTarget | URL | OutputStream,
  options: OutputOptions,
  run: (target: OutputTarget) => Promise<T>,
): Promise<T> {
  if (isOutputStream(target)) return intoStream(target, options, run)
  if (isPipeTarget(target)) return run(target)
  if (typeof target === 'string' || (target as unknown) instanceof URL) return run(textPath('target', target))
  throw noTarget(target)
}

/** A caller may have a file in hand that umlcow cannot take as it is. */
function noTarget(target: unknown): TypeError {
  const isHandle = typeof target === 'object' && target !== null && 'createWriteStream' in target
  const way = isHandle ? '; pass the stream of its createWriteStream()' : ''
  return new TypeError(
    `target: expected a path as a string, a file: URL or a writable stream, got ${shownValue(target)}${way}`,
  )
}

async function intoStream<T extends { readonly dryRun: boolean }>(
  stream: OutputStream,
  { what, signal }: OutputOptions,
  run: (target: PipeTarget) => Promise<T>,
): Promise<T> {
  const output = openOutput(stream)
  let isTouched = false
  const pipe = streamStore(nameOfStream(stream), output, () => {
    isTouched = true
  })
  try {
    const facts = await orInterrupted(output.facts(what), signal)
    const result = await run({ pipe, facts })
    if (!result.dryRun) {
      isTouched = true
      await orInterrupted(output.end(), signal)
    }
    return result
  } catch (error) {
    if (isTouched) output.destroy(error)
    throw error
  } finally {
    output.release()
  }
}

function streamStore(name: string, output: OpenOutput, onWrite: () => void): BlockStore {
  return sequentialStore(name, async (bytes) => {
    onWrite()
    // A stream may keep what it gets, and umlcow fills its memory again.
    await output.write(Buffer.from(bytes))
    return bytes.length
  })
}
