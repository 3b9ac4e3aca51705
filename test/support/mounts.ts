import { execFileSync, spawnSync } from 'node:child_process'
import {
  closeSync,
  ftruncateSync,
  mkdtempSync,
  openSync,
  realpathSync,
  rmSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { onTestFinished } from 'vitest'
import { temporaryDirectory } from './paths.js'

/** Bytes that a file takes at the least. */
export const tmpfsBlock = 4096

function mount(...args: string[]): string | null {
  const { status, stderr } = spawnSync('mount', args, { encoding: 'utf8' })
  return status === 0 ? null : `mount ${args.join(' ')}: ${stderr}`
}

function unmount(directory: string): void {
  spawnSync('umount', [directory])
}

/** Whether tests may mount a tmpfs: takes root. In CI it has to be so; elsewhere tests that need it are skipped. */
export function canMount(): boolean {
  const directory = mkdtempSync(path.join(tmpdir(), 'umlcow-mount-'))
  const complaint = mount('-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', directory)
  if (complaint === null) unmount(directory)
  rmSync(directory, { recursive: true })
  if (complaint === null) return true
  if (process.env['CI'] === 'true') throw new Error(`missing in CI: ${complaint}`)
  console.warn(`SKIPPED: tests that need root to mount a tmpfs: ${complaint}`)
  return false
}

/** A file system of its own, of so many bytes, until the test ends. */
export function mountTmpfs(size: number): string {
  return mountUntilTestEnds('-t', 'tmpfs', '-o', `size=${size}`, 'tmpfs')
}

/** A file system whose files may share storage, until the test ends. */
export function mountBtrfs(): string {
  const image = path.join(temporaryDirectory(), 'btrfs')
  writeFileSync(image, '')
  truncateSync(image, 2 ** 28)
  execFileSync('/usr/sbin/mkfs.btrfs', ['-q', image], { stdio: 'pipe' })
  return mountUntilTestEnds('-t', 'btrfs', '-o', 'loop', image)
}

/** A tmpfs on a directory that is there, until the test ends or it is unmounted. @returns what unmounts it */
export function mountTmpfsOn(directory: string): () => void {
  const complaint = mount('-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', directory)
  if (complaint !== null) throw new Error(complaint)
  onTestFinished(() => unmount(directory))
  return () => unmount(directory)
}

function mountUntilTestEnds(...args: string[]): string {
  const directory = realpathSync(mkdtempSync(path.join(tmpdir(), 'umlcow-mount-')))
  onTestFinished(() => {
    unmount(directory)
    rmSync(directory, { recursive: true })
  })
  const complaint = mount(...args, directory)
  if (complaint !== null) throw new Error(complaint)
  return directory
}

export function resizeTmpfs(directory: string, size: number): void {
  const complaint = mount('-o', `remount,size=${size}`, directory)
  if (complaint !== null) throw new Error(complaint)
}

/** Fill a file system with one file but for so many blocks. @returns the file */
export function fill(directory: string, blocksLeft: number): string {
  const filler = path.join(directory, 'filler')
  const fd = openSync(filler, 'w')
  try {
    const block = Buffer.alloc(tmpfsBlock, 'full')
    let length = 0
    for (;;) {
      try {
        length += writeSync(fd, block)
      } catch {
        break // Full.
      }
    }
    ftruncateSync(fd, length - blocksLeft * tmpfsBlock)
  } finally {
    closeSync(fd)
  }
  return filler
}
