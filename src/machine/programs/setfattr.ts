import fs from 'node:fs'
import { printablePath } from '../../bytes/escape.js'
import type { HostPath } from '../host-files.js'
import { joinPath } from '../path-bytes.js'
import { findProgram } from './find-program.js'
import { runProgram } from './run-program.js'

/** How the setting of extended attributes ended: as `AttributeSearch`. */
export type AttributeSetting = 'complete' | 'missing' | { readonly incomplete: string }

/** The directory of the files, and the list, as the program sees them. */
const top = '/proc/self/fd/3'
const programArguments = ['-h', '--restore=/proc/self/fd/4']

const keptLength = 500
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
      let failures = Buffer.alloc(0)
      const onStderr = (chunk: Buffer) => {
        if (failures.length < keptLength) failures = Buffer.concat([failures, chunk.subarray(0, keptLength)])
      }
      const status = await runProgram(program, programArguments, { signal, descriptors: [place, lines], onStderr })
      return status === 0 ? 'complete' : { incomplete: shown(failures) || `setfattr ended with ${status}` }
    } finally {
      fs.closeSync(lines)
    }
  } finally {
    fs.closeSync(place)
  }
}

function shown(failures: Buffer): string {
  const line = failures.toString('latin1').split('\n')[0]!.replaceAll(`${top}/`, '')
  return printablePath(Buffer.from(line, 'latin1'))
}
