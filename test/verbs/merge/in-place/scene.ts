import { createDice, type Dice } from '../../../support/generate.js'
import { createModelClock, type ModelClock } from '../../../support/model-clock.js'
import type { KeptTime } from '../../../support/model-content.js'
import { createModelDisk, type ModelDisk } from '../../../support/model-disk.js'
import { bitCount, bootGuest, overlayBytes, readThrough, type Version } from './kernel-rule.js'

// A backing file with overlays of every kind, on a model disk, as guests left them a moment ago.

export interface SceneOptions {
  readonly seed: number
  readonly virtualSize?: number
  /** Of the overlay, and of S1 and S2. */
  readonly version?: Version
  readonly siblingVersion?: Version
  /** S1 and S2 are there. */
  readonly siblings?: boolean
  /** Everything has a directory of its own. */
  readonly apart?: boolean
  /** All headers name the backing file as a process in a chroot jail sees it; outside, that path leads to another file. */
  readonly jail?: boolean
  /** When image and overlays were made, seconds before the merge begins; negative: they are from the future. */
  readonly age?: number
  /** Mtime in the header of T, seconds after the backing file's. */
  readonly staleBy?: number
  /** About how many sectors of the overlay are allocated. */
  readonly sectors?: number
  /** Of the clock, milliseconds. */
  readonly tickPerCall?: number
  /** What the file system makes of mtimes; default it keeps all. */
  readonly keptTime?: KeptTime
}

/** O is merged, S are siblings to keep, T is stale, U is fresh and in a directory that nobody searches. */
export type OverlayName = 'O' | 'S1' | 'S2' | 'T' | 'U'

export interface Scene {
  readonly disk: ModelDisk
  readonly clock: ModelClock
  readonly dice: Dice
  readonly virtualSize: number
  readonly backing: string
  readonly paths: ReadonlyMap<OverlayName, string>
  readonly inodes: ReadonlyMap<OverlayName, number>
  readonly siblingNames: readonly ('S1' | 'S2')[]
  /** The jail that the merge has to be told of. */
  readonly backingRoot: string | undefined
  /** Directories that the merge has to be told of. */
  readonly siblingsIn: readonly string[]
  /** The backing file before. */
  readonly old: Buffer
  readonly oldMtime: number
  /** What guests see through O, S1, S2 and U; that of T is anything. */
  readonly content: ReadonlyMap<OverlayName, Buffer>
  /** Guests may write to the sectors before this one, whatever the versions are. */
  readonly sectorLimit: number
  readonly undo: string
  /** Length of the log when something went wrong on purpose: before that it is as it should be. */
  struckAt: number | null
}

const merging = 1_700_000_000_300

/** As FAT has it: even seconds. */
export const evenSeconds: KeptTime = (time) => time - (time % 2_000_000_000n)

/** As ext4 with small inodes has it, but that it ends soon: whole seconds up to 1000 s after the merge. */
export const endingSoon: KeptTime = (time) => {
  const end = BigInt(merging + 1_000_000) * 1_000_000n
  const kept = time < end ? time : end
  return kept - (kept % 1_000_000_000n)
}

export async function makeScene(options: SceneOptions): Promise<Scene> {
  const { seed, virtualSize = 64 * 1024, siblings = false, apart = false, age = 1000, staleBy = 1 } = options
  const { version = 3, siblingVersion = 3 } = options
  const clock = createModelClock({ start: merging })
  const disk = createModelDisk({ clock, keptTime: options.keptTime })
  const dice = createDice(seed)
  const at = (directory: string, name: string) => `/${apart ? directory : 'd'}/${name}`
  const backing = at('b', 'root_fs')
  const oldMtime = Math.floor(merging / 1000) - age
  const old = drawImage(dice, virtualSize)
  const names: OverlayName[] = ['O', ...(siblings ? (['S1', 'S2'] as const) : []), 'T', 'U']
  const places = { O: at('o', 'O'), S1: at('s', 'S1'), S2: at('o', 'S2'), T: at('b', 'T'), U: '/hidden/U' }
  const paths = new Map(names.map((name) => [name, places[name]]))
  const versions = { O: version, S1: siblingVersion, S2: siblingVersion, T: 3, U: 3 } as const
  // Where a sibling has no bits the merge must not change anything.
  const sectorLimit = Math.min(bitCount(version, virtualSize), bitCount(siblings ? siblingVersion : 3, virtualSize))

  disk.putFile(backing, old, { mtime: oldMtime })
  const backingRoot = options.jail ? at('b', '').slice(0, -1) : undefined
  const backingPath = backing.slice(backingRoot?.length ?? 0)
  if (options.jail) disk.putFile(backingPath, Buffer.alloc(virtualSize), { mtime: oldMtime })
  for (const directory of ['/hidden', at('u', '')]) disk.makeDirectory(directory)
  const count = options.sectors ?? 24
  const drawn = new Map(names.map((name) => [name, drawSectors(dice, count, sectorLimit, virtualSize)]))
  for (const [name, path] of paths) {
    const mtime = name === 'T' ? oldMtime + staleBy : oldMtime
    const sectors = drawn.get(name)
    const bytes = overlayBytes({ version: versions[name], virtualSize, mtime, backingPath, sectors })
    disk.putFile(path, bytes, { mtime: oldMtime })
  }
  // The last writes of some guests are still on their way to the disk.
  for (const name of ['O', 'S1', 'S2'] as const) {
    const path = paths.get(name)
    if (path === undefined) continue
    const again = [...drawn.get(name)!.keys()].slice(0, 1)
    const last = drawSectors(dice, Math.min(3, count), sectorLimit, virtualSize)
    for (const sector of again) last.set(sector, drawSector(dice, sector, virtualSize))
    await bootGuest(disk, path).write(last)
  }
  clock.tickPerCall = options.tickPerCall ?? 9
  const content = new Map(
    [...paths].filter(([name]) => name !== 'T').map(([name, path]) => [name, readThrough(disk.readFile(path), old)]),
  )
  return {
    disk,
    clock,
    dice,
    virtualSize,
    backing,
    paths,
    inodes: new Map([...paths].map(([name, path]) => [name, Number(disk.facts(path).inode)])),
    siblingNames: siblings ? ['S1', 'S2'] : [],
    backingRoot,
    siblingsIn: apart && siblings ? ['/s'] : [],
    old,
    oldMtime,
    content,
    sectorLimit,
    undo: at('u', 'undo'),
    struckAt: null,
  }
}

/** Random bytes; one page in four is zeros. */
function drawImage(dice: Dice, size: number): Buffer {
  const bytes = Buffer.alloc(size)
  for (let start = 0; start < size; start += 4096) {
    if (!dice.once(4)) dice.fill(bytes.subarray(start, start + 4096))
  }
  return bytes
}

/** Runs of sectors; one sector in five is zeros. */
export function drawSectors(dice: Dice, count: number, limit: number, virtualSize: number): Map<number, Uint8Array> {
  const sectors = new Map<number, Uint8Array>()
  while (sectors.size < Math.min(count, limit)) {
    const start = dice.below(limit)
    const end = Math.min(limit, start + 1 + dice.below(dice.pick([1, 3, 12])), start + count - sectors.size)
    for (let sector = start; sector < end; sector++) sectors.set(sector, drawSector(dice, sector, virtualSize))
  }
  return sectors
}

export function drawSector(dice: Dice, sector: number, virtualSize: number): Uint8Array {
  const bytes = new Uint8Array(Math.min(512, virtualSize - sector * 512))
  if (!dice.once(5)) dice.fill(bytes)
  return bytes
}
