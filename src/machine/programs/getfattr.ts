import fs from 'node:fs'
import { printablePath } from '../../bytes/escape.js'
import { UmlcowError } from '../../errors.js'
import type { HostPath } from '../host-files.js'
import { joinPath } from '../path-bytes.js'
import { fileError } from '../stores/file-store.js'
import { findProgram } from './find-program.js'
import { AttributeParser, type OnAttributes } from './getfattr-output.js'
import { runProgram } from './run-program.js'

/**
 * How a search for extended attributes ended.
 *
 * `missing`: this machine has no getfattr. `incomplete`: some files could not be looked at; the text says why.
 */
export type AttributeSearch = 'complete' | 'missing' | { readonly incomplete: string }

/** The directory that getfattr searches. Its path ends with a dot, so that getfattr enters it. */
const top = '/proc/self/fd/3/.'
const programArguments = ['-R', '-P', '-h', '-d', '-e', 'hex', '--absolute-names', '-m', '-', '--', top]

/** getfattr prints this for each file on a file system without attributes: nothing can be lost there. */
const withoutAttributes = ': Operation not supported'

/** Characters of standard error that one chunk may add to a line, and that a message shows. */
const keptLength = 500

/**
 * Find all files of a tree that have extended attributes, with the host's getfattr: one process for the whole tree. It
 * follows no links. getfattr gets the open directory, so a name of the tree cannot become an option.
 *
 * @param onFile  called for each file that has some, in any order
 * @throws        UmlcowError INTERRUPTED
 */
export async function findAttributes(
  directory: HostPath,
  onFile: OnAttributes,
  signal: AbortSignal | undefined,
): Promise<AttributeSearch> {
  const program = await findProgram('getfattr')
  if (program === null) return 'missing'
  try {
    return await run(program, directory, onFile, signal)
  } catch (error) {
    // The search only warns. The reading of the tree reports what is wrong with the tree.
    if (!(error instanceof UmlcowError) || error.code === 'INTERRUPTED') throw error
    return { incomplete: error.message }
  }
}

async function run(
  program: string,
  directory: HostPath,
  onFile: OnAttributes,
  signal: AbortSignal | undefined,
): Promise<AttributeSearch> {
  const output = new AttributeParser(top, onFile)
  const failures = new Failures()
  const errors: unknown[] = []
  const onStdout = (chunk: Buffer) => {
    try {
      if (errors.length === 0) output.push(chunk)
    } catch (error) {
      errors.push(error)
    }
  }
  const fd = openTop(directory)
  try {
    const onStderr = (chunk: Buffer) => failures.push(chunk)
    const status = await runProgram(program, programArguments, { signal, descriptors: [fd], onStdout, onStderr })
    if (errors.length > 0) throw errors[0]
    if (failures.first !== null) return { incomplete: failures.first }
    if (typeof status === 'string') return { incomplete: `getfattr was ended by ${status}` }
    return output.finish() ? 'complete' : { incomplete: 'getfattr printed lines that umlcow cannot read' }
  } finally {
    fs.closeSync(fd)
  }
}

function openTop(directory: HostPath): number {
  try {
    return fs.openSync(joinPath(directory, '.'), fs.constants.O_RDONLY | fs.constants.O_DIRECTORY)
  } catch (error) {
    throw fileError(printablePath(directory), 'open it', error)
  }
}

/** Finds the first line of standard error that tells of a failure. */
class Failures {
  first: string | null = null
  #line = ''

  push(chunk: Buffer): void {
    const lines = chunk.toString('latin1').split('\n')
    const last = lines.pop()!
    for (const line of lines) {
      this.#append(line)
      if (!this.#line.endsWith(withoutAttributes)) this.first ??= shown(this.#line)
      this.#line = ''
    }
    this.#append(last)
  }

  /** Keep the end of a long line: it says what is wrong. */
  #append(text: string): void {
    this.#line = (this.#line + text).slice(-20_000)
  }
}

function shown(line: string): string {
  const text = printablePath(Buffer.from(line.replaceAll(`${top}/`, ''), 'latin1'))
  return text.length <= keptLength ? text : `...${text.slice(-keptLength)}`
}
