import fs from 'node:fs'
import path from 'node:path'
import { sectorText, writeOverlay } from '../../cli/scene.js'
import { temporaryDirectory } from '../../support/paths.js'

const mebibyte = 2 ** 20

/** No multiple of a block. */
export const virtualSize = 2 * mebibyte + 512

/** An mtime with all nine digits. */
export const backingMtimeNs = 1_714_564_800_123_456_789n

/** Files to pack: an overlay and its backing file in two directories, with an mtime that has nanoseconds. */
export interface PackScene {
  readonly directory: string
  readonly backing: string
  readonly cow: string
  /** An empty directory. */
  readonly target: string
  readonly pack: string
}

/** Set an mtime to the nanosecond, by this machine's touch: Node keeps microseconds. */
export function setMtimeNs(file: string, mtimeNs: bigint): void {
  const seconds = mtimeNs / 10n ** 9n
  const { status } = process
    .getBuiltinModule('node:child_process')
    .spawnSync('/usr/bin/touch', ['-m', '-d', `@${seconds}.${String(mtimeNs % 10n ** 9n).padStart(9, '0')}`, file])
  if (status !== 0) throw new Error('touch failed')
}

export function makePackScene(): PackScene {
  const directory = temporaryDirectory()
  const at = (name: string) => path.join(directory, name)
  for (const name of ['images', 'project', 'target']) fs.mkdirSync(at(name))
  const backing = at('images/root_fs')
  const fd = fs.openSync(backing, 'w', 0o640)
  fs.writeSync(fd, Buffer.alloc(8192, 'begin '), 0, 8192, 0)
  for (let i = 0; i < 20; i++) fs.writeSync(fd, Buffer.alloc(4096, `stretch ${i} `), 0, 4096, 256 * 1024 + i * 8192)
  // Zeros that are stored.
  fs.writeSync(fd, Buffer.alloc(65536), 0, 65536, mebibyte)
  fs.writeSync(fd, Buffer.from('the end'), 0, 7, virtualSize - 7)
  fs.ftruncateSync(fd, virtualSize)
  fs.closeSync(fd)
  setMtimeNs(backing, backingMtimeNs)
  const cow = at('project/cow.node0')
  const sectors = new Map([0, 7, 8, 1000, 4096].map((sector) => [sector, sectorText('overlay', sector)]))
  writeOverlay(cow, { virtualSize, backing, mtime: Number(backingMtimeNs / 10n ** 9n), sectors })
  fs.chmodSync(cow, 0o600)
  return { directory, backing, cow, target: at('target'), pack: at('x.pack') }
}

/** The path in the header of a version 3 overlay. */
export function headerPathOf(file: string): string {
  const field = fs.readFileSync(file).subarray(32, 4128)
  return field.subarray(0, field.indexOf(0)).toString()
}

/** The bytes of an overlay without the path in its header. */
export function withoutPath(file: string): Buffer {
  const bytes = fs.readFileSync(file)
  bytes.fill(0, 32, 4128)
  return bytes
}
