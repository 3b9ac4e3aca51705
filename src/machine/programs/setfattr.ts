import fs from 'node:fs'
import { UmlcowError } from '../../errors.js'
import type { HostPath } from '../host-files.js'
import { joinPath } from '../path-bytes.js'
import { findProgram } from './find-program.js'
import { runProgram } from './run-program.js'
import { type AttributeFailures, FailureReader } from './setfattr-failures.js'

/** How the setting of extended attributes ended. `missing`: this machine has no setfattr. */
export type AttributeSetting = 'complete' | 'missing' | AttributeFailures

/** The directory of the files, and the list, as the program sees them. */
const top = '/proc/self/fd/3'
const programArguments = ['-h', '--restore=/proc/self/fd/4']

const [backslash, newline, carriageReturn] = [0x5c, 0x0a, 0x0d]

/**
 * Write the lines that set the extended attributes of a file.
 *
 * @param path  below the directory that `setAttributes` gets
 */
export function attributeLines(
  path: Uint8Array,
  attributes: readonly { readonly name: Uint8Array; readonly value: Uint8Array }[],
): Buffer {
  const lines = [Buffer.from(`# file: ${top}/`), escaped(path), Buffer.from('\n')]
  for (const { name, value } of attributes) {
    lines.push(escaped(name), Buffer.from(`=0x${Buffer.from(value).toString('hex')}\n`))
  }
  return Buffer.concat([...lines, Buffer.from('\n')])
}

/** As getfattr prints names. */
function escaped(bytes: Uint8Array): Buffer {
  const parts: Buffer[] = []
  for (const byte of bytes) {
    const isOdd = byte === backslash || byte === newline || byte === carriageReturn || byte === 0x3d
    parts.push(isOdd ? Buffer.from(`\\${byte.toString(8).padStart(3, '0')}`) : Buffer.of(byte))
  }
  return Buffer.concat(parts)
}

/**
 * Set extended attributes with the host's setfattr: one process for all files. It follows no links in the last place.
 *
 * @param list  a file with the lines of `attributeLines`
 * @throws      UmlcowError INTERRUPTED, HELPER_FAILED
 */
export async function setAttributes(
  directory: HostPath,
  list: HostPath,
  signal: AbortSignal | undefined,
): Promise<AttributeSetting> {
  const program = await findProgram('setfattr')
  if (program === null) return 'missing'
  const { O_DIRECTORY, O_NOFOLLOW, O_RDONLY } = fs.constants
  const place = fs.openSync(joinPath(directory, '.'), O_RDONLY | O_DIRECTORY)
  try {
    const lines = fs.openSync(list, O_RDONLY | O_NOFOLLOW)
    try {
      const failures = new FailureReader(top)
      const onStderr = (chunk: Buffer) => failures.add(chunk)
      const status = await runProgram(program, programArguments, { signal, descriptors: [place, lines], onStderr })
      if (status === 0) return 'complete'
      const { count, first } = failures.result()
      if (count > 0) return { count, first }
      throw new UmlcowError('HELPER_FAILED', `${program}: ended with ${status}, and did not say why`)
    } finally {
      fs.closeSync(lines)
    }
  } finally {
    fs.closeSync(place)
  }
}
