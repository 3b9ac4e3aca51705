import fs from 'node:fs'
import path from 'node:path'
import { parseDigits } from '../../bytes/decimal.js'
import { printablePath } from '../../bytes/escape.js'
import type { HostPath } from '../host-files.js'
import { pathBytes } from '../path-bytes.js'
import { fileError } from '../stores/file-store.js'
import { findProgram } from './find-program.js'
import { runProgram } from './run-program.js'

/** The C library returns at most this for a file system that it does not know. No such number is a limit. */
const guessedLimit = 127

/** Names of one file, by the type of the file system.  Source: Linux include/uapi/linux/magic.h and statfs(2) */
const limitsByType: ReadonlyMap<number, number> = new Map([
  [0xef53, 65_000], // ext4; ext2 and ext3 have the same type and take 32,000
  [0x9123683e, 65_535], // btrfs
  [0x58465342, 2_147_483_647], // XFS
])

/**
 * Find out how many names the file system of a directory takes for one file. Node has no `pathconf`, so the host's
 * getconf is asked.
 *
 * @returns null when it is unknown
 */
export async function linkLimit(directory: HostPath, signal: AbortSignal | undefined): Promise<number | null> {
  const asked = await askGetconf(pathBytes(directory), signal)
  if (asked !== null && asked > guessedLimit) return asked
  try {
    const { type } = await fs.promises.statfs(directory)
    return limitsByType.get(type) ?? null
  } catch (error) {
    throw fileError(printablePath(directory), 'look at its file system', error)
  }
}

async function askGetconf(directory: Buffer, signal: AbortSignal | undefined): Promise<number | null> {
  const text = directory.toString()
  const program = await findProgram('getconf')
  // An argument is text, and another directory could have a text that replaces bytes.
  if (program === null || !Buffer.from(text).equals(directory)) return null
  const answer: Buffer[] = []
  const onStdout = (bytes: Buffer) => answer.push(bytes)
  const status = await runProgram(program, ['LINK_MAX', path.resolve(text)], { signal, onStdout })
  return status === 0 ? parseDigits(Buffer.concat(answer).subarray(0, -1), 10) : null
}
