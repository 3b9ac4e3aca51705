import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { setMtime, writeOverlay } from '../cli/scene.js'
import { createDice } from './generate.js'
import { type NaiveFacts, naiveFacts } from './naive.js'

// File systems for merges that are killed on the way: each overlay holds what differs between two real ext4 images, so
// that the right answer is an image that mkfs made.

/** In the headers of the overlays, and of the backing file; 2023. */
export const sceneMtime = 1_700_000_000

export interface Ext4Scene {
  readonly directory: string
  readonly virtualSize: number
  readonly facts: NaiveFacts
  /** What a guest sees through `cow`, `sibling0`, `sibling1`, and through `undo` once that is made. */
  readonly views: ReadonlyMap<string, Buffer>
}

export interface Ext4Options {
  readonly virtualSize: number
  /** Random bytes in the file that only the overlay has. */
  readonly dataLength: number
  readonly siblingCount: number
}

/** Make `root_fs`, `cow` and siblings in a directory. Headers name `root_fs`. */
export function makeExt4Scene(directory: string, options: Ext4Options): Ext4Scene {
  const { virtualSize, dataLength, siblingCount } = options
  mkdirSync(directory, { recursive: true })
  const dice = createDice(dataLength)
  const common = { etc: randomBytes(dice, 200_000), bin: randomBytes(dice, 700_000) }
  const backing = path.join(directory, 'root_fs')
  makeImage(backing, virtualSize, common)
  const old = readFileSync(backing)
  setMtime(backing, sceneMtime)
  const views = new Map([['undo', old]])
  const names = ['cow', ...Array.from({ length: siblingCount }, (_, i) => `sibling${i}`)]
  for (const name of names) {
    const length = name === 'cow' ? dataLength : Math.floor(dataLength / 4)
    const image = path.join(directory, `${name}.image`)
    makeImage(image, virtualSize, { ...common, etc: randomBytes(dice, 300_000), [name]: randomBytes(dice, length) })
    const fresh = readFileSync(image)
    rmSync(image)
    writeOverlay(path.join(directory, name), {
      virtualSize,
      backing: 'root_fs',
      mtime: sceneMtime,
      sectors: differences(old, fresh),
    })
    views.set(name, fresh)
  }
  return { directory, virtualSize, facts: naiveFacts('v3', virtualSize, 512, 4096), views }
}

function randomBytes(dice: ReturnType<typeof createDice>, length: number): Buffer {
  const bytes = Buffer.alloc(length)
  dice.fill(bytes)
  return bytes
}

function makeImage(image: string, size: number, files: Record<string, Uint8Array>): void {
  const source = mkdtempSync(`${image}-files-`)
  try {
    for (const [name, bytes] of Object.entries(files)) writeFileSync(path.join(source, name), bytes)
    const uuid = '01234567-89ab-cdef-0123-456789abcdef'
    const args = ['-q', '-F', '-O', '^metadata_csum', '-U', uuid, '-E', `hash_seed=${uuid}`, '-d', source]
    const done = spawnSync('/usr/sbin/mkfs.ext4', [...args, image, `${size / 1024}k`], { encoding: 'utf8' })
    if (done.status !== 0) throw new Error(`mkfs.ext4 failed: ${done.stderr}`)
  } finally {
    rmSync(source, { recursive: true })
  }
}

function differences(old: Buffer, fresh: Buffer): Map<number, Buffer> {
  const sectors = new Map<number, Buffer>()
  for (let at = 0; at < fresh.length; at += 512) {
    const sector = fresh.subarray(at, at + 512)
    if (!sector.equals(old.subarray(at, at + 512))) sectors.set(at / 512, sector)
  }
  return sectors
}

/** What a guest sees, as `mergeNaively` has it, a sector at a time. */
export function readThrough(overlay: Buffer, backing: Buffer, facts: NaiveFacts): Buffer {
  const seen = Buffer.from(backing)
  for (let sector = 0; sector * 512 < facts.virtualSize; sector++) {
    const byte = overlay[facts.bitmapOffset + Math.floor(sector / 8)] ?? 0
    if (Math.floor(byte / 2 ** (sector % 8)) % 2 === 0) continue
    const start = facts.dataOffset + sector * 512
    seen.fill(0, sector * 512, (sector + 1) * 512)
    overlay.copy(seen, sector * 512, start, Math.min(start + 512, facts.dataOffset + facts.virtualSize))
  }
  return seen
}

/** Overlays of a directory that do not read right; one that is not there does not count. */
export function misread(scene: Ext4Scene, directory: string, names: readonly string[]): string[] {
  const backing = readFileSync(path.join(directory, 'root_fs'))
  return names.filter((name) => {
    if (!scene.views.has(name)) return false
    const seen = readThrough(readFileSync(path.join(directory, name)), backing, scene.facts)
    return !seen.equals(scene.views.get(name)!)
  })
}

/** @returns what e2fsck says against an image, empty when nothing */
export function fsckComplaint(image: string): string {
  const done = spawnSync('/usr/sbin/e2fsck', ['-fn', image], { encoding: 'utf8' })
  return done.status === 0 ? '' : `status ${done.status}: ${done.stdout}${done.stderr}`
}
