import path from 'node:path'
import { escapeText } from '../../bytes/escape.js'
import { UmlcowError } from '../../errors.js'
import { findProgram } from './find-program.js'
import { runProgram } from './run-program.js'

interface Helper {
  readonly program: string
  readonly args: readonly string[]
  /** The Debian package that has it, for the hint when it is absent. */
  readonly debianPackage?: string
}

const quietForce = ['-q', '-f']
const ext = { args: ['-q', '-F'], debianPackage: 'e2fsprogs' }
const known: Record<string, Helper> = {
  ext2: { program: 'mkfs.ext2', ...ext },
  ext3: { program: 'mkfs.ext3', ...ext },
  ext4: { program: 'mkfs.ext4', ...ext },
  swap: { program: 'mkswap', args: [], debianPackage: 'util-linux' },
  xfs: { program: 'mkfs.xfs', args: quietForce, debianPackage: 'xfsprogs' },
  btrfs: { program: 'mkfs.btrfs', args: quietForce, debianPackage: 'btrfs-progs' },
  f2fs: { program: 'mkfs.f2fs', args: quietForce, debianPackage: 'f2fs-tools' },
  vfat: { program: 'mkfs.vfat', args: [], debianPackage: 'dosfstools' },
}

const nameCharacters = new Set('abcdefghijklmnopqrstuvwxyz0123456789._-')

function helperFor(fsType: string): Helper {
  // hasOwn: "constructor" is not a key of ours.
  const helper = Object.hasOwn(known, fsType) ? known[fsType] : undefined
  if (helper !== undefined) return helper
  const plain = fsType.length > 0 && [...fsType].every((character) => nameCharacters.has(character))
  if (plain) return { program: `mkfs.${fsType}`, args: [] }
  throw new UmlcowError('USAGE', `"${escapeText(fsType)}" is not the name of a file system`)
}

async function locate(fsType: string): Promise<{ helper: Helper; program: string }> {
  const helper = helperFor(fsType)
  const program = await findProgram(helper.program)
  if (program !== null) return { helper, program }
  const hint = helper.debianPackage === undefined ? undefined : `on Debian: apt install ${helper.debianPackage}`
  throw new UmlcowError('HELPER_MISSING', `${helper.program}: no such program on this machine`, { hint })
}

/** Refuse a file system that no program on this machine can make. @throws UmlcowError HELPER_MISSING, USAGE */
export async function assertMkfsAvailable(fsType: string): Promise<void> {
  await locate(fsType)
}

const keptOutput = 4096

/**
 * Make a file system in an image with the host's own program, without a shell.
 *
 * @throws UmlcowError HELPER_MISSING, HELPER_FAILED with the program's output, INTERRUPTED
 */
export async function runMkfs(fsType: string, image: Buffer, signal: AbortSignal | undefined): Promise<void> {
  const { helper, program } = await locate(fsType)
  // The program cannot take an absolute path for an option.
  const args = [...helper.args, path.resolve(image.toString())]
  const output: Buffer[] = []
  let kept = 0
  const keep = (chunk: Buffer) => {
    if (kept < keptOutput) output.push(chunk.subarray(0, keptOutput - kept))
    kept += chunk.length
  }
  const status = await runProgram(program, args, { signal, endsWithUs: true, onStdout: keep, onStderr: keep })
  if (status === 0) return
  const said = escapeText(Buffer.concat(output).toString('utf8').trim().split('\n').join('; '))
  throw new UmlcowError('HELPER_FAILED', `${helper.program}: failed with status ${status}: ${said}`, {
    details: { program: helper.program, status },
  })
}
