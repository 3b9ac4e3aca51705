import fs from 'node:fs'
import { hasCode, isSystemError } from '../../errors.js'
import { type FileStore, fileError } from '../stores/file-store.js'
import { type DataStretches, ExtentParser } from './filefrag-output.js'
import { findProgram } from './find-program.js'
import { Said } from './program-stderr.js'
import { runProgram } from './run-program.js'

// Ways to copy a file with its holes that Node itself lacks. A helper gets open files as descriptors, and names of
// /proc for them. So it sees the same files that umlcow looked at, and cannot take a name for an option.

/**
 * Make `to`, an empty file, share the storage of `from`. `to` gets the permissions of `from`.
 *
 * @returns false where the file system cannot share storage, or the files lie on two file systems
 */
export async function reflinkFile(from: FileStore, to: FileStore): Promise<boolean> {
  try {
    // Always with FICLONE_FORCE: without it, Node falls back to a copy that fills holes.
    const mode = fs.constants.COPYFILE_FICLONE_FORCE
    await fs.promises.copyFile(`/proc/self/fd/${from.fd}`, `/proc/self/fd/${to.fd}`, mode)
    return true
  } catch (error) {
    if (isSystemError(error) && noReflink.has(error.code)) return false
    throw fileError(to.name, `share the storage of ${from.name}`, error)
  }
}

/** Codes for "not supported here". ENOENT, EACCES, EPERM: there is no /proc, or it denies access. */
const noReflink = new Set([
  'EOPNOTSUPP',
  'ENOTSUP',
  'ENOTTY',
  'EXDEV',
  'EINVAL',
  'ENOSYS',
  'ETXTBSY',
  'ENOENT',
  'EACCES',
  'EPERM',
])

export interface CopyByCpOptions {
  readonly signal?: AbortSignal | undefined
  /** `always`: share storage, or fail; default `auto`. */
  readonly reflink?: 'auto' | 'always' | undefined
}

/**
 * Let the host's `cp` copy `from` with its holes to `to`, an empty file.
 *
 * @returns false when there is no such cp or it failed: `to` may then hold anything
 * @throws  UmlcowError INTERRUPTED; the system's code, such as ENOSPC, where cp reports it, with `program` in its
 *          details
 */
export async function copyByCp(
  from: FileStore,
  to: FileStore,
  { signal, reflink = 'auto' }: CopyByCpOptions,
): Promise<boolean> {
  const program = await findProgram('cp')
  if (program === null) return false
  const args = ['--sparse=auto', `--reflink=${reflink}`, '/proc/self/fd/3', '/proc/self/fd/4']
  const said = new Said()
  const run = { signal, endsWithUs: true, descriptors: [from.fd, to.fd], onStderr: said.push }
  const status = await orFalse(runProgram(program, args, run))
  if (status === 0) return fs.fstatSync(to.fd).size === from.size
  said.refuseHostFailure(`${to.name}: cp cannot copy ${from.name} to it`, 'cp', status)
  return false
}

async function orFalse<T>(pending: Promise<T>): Promise<T | false> {
  try {
    return await pending
  } catch (error) {
    if (hasCode(error, 'HELPER_FAILED')) return false
    throw error
  }
}

/**
 * Let the host's `filefrag` list the extents of a file. Every extent that it lists counts as data, written or not.
 *
 * @param gap  join stretches with a gap of up to this many bytes between them; default 64 KiB
 * @returns null when there is no such program, it failed, or umlcow does not understand its output
 * @throws  UmlcowError INTERRUPTED; the system's code, such as EIO, where filefrag reports it, with `program` in its
 *          details
 */
export async function listExtents(
  file: FileStore,
  signal: AbortSignal | undefined,
  gap?: number,
): Promise<DataStretches | null> {
  const program = await findProgram('filefrag')
  if (program === null) return null
  const parser = new ExtentParser(file.size, gap)
  const said = new Said()
  // -s: data written a moment ago may have no extent yet. -b1: lengths in bytes.
  const status = await orFalse(
    runProgram(program, ['-v', '-s', '-b1', '/proc/self/fd/3'], {
      signal,
      endsWithUs: true,
      descriptors: [file.fd],
      onStdout: (chunk) => parser.push(chunk.toString('latin1')),
      onStderr: (chunk) => {
        parser.refuse()
        said.push(chunk)
      },
    }),
  )
  said.refuseHostFailure(`${file.name}: filefrag cannot list its extents`, 'filefrag', status)
  return status === 0 ? parser.finish() : null
}
