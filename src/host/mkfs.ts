import { spawn } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { escapeText } from '../bytes/escape.js'
import { UmlcowError } from '../errors.js'

interface Helper {
  readonly program: string
  readonly args: readonly string[]
  /** Where Debian has it, for the message when it is absent. */
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

/** Administrators' programs are not always on an ordinary user's PATH. */
const extraDirectories = ['/usr/local/sbin', '/usr/sbin', '/sbin']

const nameCharacters = new Set('abcdefghijklmnopqrstuvwxyz0123456789._-')

function helperFor(fsType: string): Helper {
  // hasOwn: a file system called "constructor" is none of ours.
  const helper = Object.hasOwn(known, fsType) ? known[fsType] : undefined
  if (helper !== undefined) return helper
  const plain = fsType.length > 0 && [...fsType].every((character) => nameCharacters.has(character))
  if (plain) return { program: `mkfs.${fsType}`, args: [] }
  throw new UmlcowError('USAGE', `"${escapeText(fsType)}" is no name of a file system`)
}

async function findProgram(name: string): Promise<string | null> {
  const directories = [...(process.env['PATH'] ?? '').split(path.delimiter), ...extraDirectories]
  for (const directory of directories.filter((one) => path.isAbsolute(one))) {
    const candidate = path.join(directory, name)
    try {
      await fs.promises.access(candidate, fs.constants.X_OK)
      if ((await fs.promises.stat(candidate)).isFile()) return candidate
    } catch {
      // Not here; the next directory may have it.
    }
  }
  return null
}

async function locate(fsType: string): Promise<{ helper: Helper; program: string }> {
  const helper = helperFor(fsType)
  const program = await findProgram(helper.program)
  if (program !== null) return { helper, program }
  const hint = helper.debianPackage === undefined ? undefined : `on Debian: apt install ${helper.debianPackage}`
  throw new UmlcowError('HELPER_MISSING', `${helper.program}: no such program on this machine`, { hint })
}

/** @throws UmlcowError HELPER_MISSING, USAGE */
export async function assertMkfsAvailable(fsType: string): Promise<void> {
  await locate(fsType)
}

const keptOutput = 4096

/**
 * Make a file system in an image with the host's own program, run without a shell.
 *
 * @throws UmlcowError HELPER_MISSING, HELPER_FAILED with what the program said, INTERRUPTED
 */
export async function runMkfs(fsType: string, image: Buffer, signal: AbortSignal | undefined): Promise<void> {
  const { helper, program } = await locate(fsType)
  // An absolute path cannot be taken for an option.
  const args = [...helper.args, path.resolve(image.toString())]
  const output: Buffer[] = []
  let kept = 0
  const keep = (chunk: Buffer) => {
    if (kept < keptOutput) output.push(chunk.subarray(0, keptOutput - kept))
    kept += chunk.length
  }
  const status = await new Promise<number | string>((resolve, reject) => {
    const child = spawn(program, args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, LC_ALL: 'C' },
      ...(signal === undefined ? {} : { signal }),
    })
    child.stdout.on('data', keep)
    child.stderr.on('data', keep)
    child.on('error', reject)
    child.on('close', (code, killer) => resolve(code ?? killer ?? 'unknown'))
  }).catch((error: unknown) => {
    if (signal?.aborted) throw new UmlcowError('INTERRUPTED', 'stopped', { cause: error })
    throw new UmlcowError('HELPER_FAILED', `${program}: cannot be run`, { cause: error })
  })
  if (status === 0) return
  const said = escapeText(Buffer.concat(output).toString('utf8').trim().split('\n').join('; '))
  throw new UmlcowError('HELPER_FAILED', `${helper.program}: failed with status ${status}: ${said}`, {
    details: { program: helper.program, status },
  })
}
