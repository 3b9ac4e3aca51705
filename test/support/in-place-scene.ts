import { existsSync, readdirSync, readFileSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { type GeneratedPair, generatePair } from './generate.js'
import { mergeNaively, type NaiveFacts, naiveFacts } from './naive.js'

// A backing file, an overlay to merge, siblings, and what a guest has to read through each of them at every instant.

/** In the headers of overlays that fit; 2023. Far enough in the past for no merge to have to wait. */
export const sceneMtime = 1_700_000_000

export interface SceneShape {
  readonly virtualSize: number
  /** Overlays that the kernel would open. */
  readonly siblingCount: number
  /** The mtime in the header of one more that it would not. */
  readonly staleMtime?: number | undefined
}

export interface SceneTemplate {
  readonly shape: SceneShape
  readonly files: ReadonlyMap<string, Uint8Array>
  readonly facts: NaiveFacts
  /** What reads right, by name: `cow`, `sibling0`, ..., `undo`. */
  readonly views: ReadonlyMap<string, Uint8Array>
  /** Of `cow`: the backing file after the merge. */
  readonly merged: Uint8Array
}

export function makeTemplate(seed: number, shape: SceneShape): SceneTemplate {
  const { virtualSize, siblingCount, staleMtime } = shape
  const pairs = Array.from({ length: siblingCount + 2 }, (_, i) =>
    generatePair(seed + i, { layout: 'v3', sectorSize: 512, alignment: 4096, pattern: 'runs', virtualSize }),
  ) as [GeneratedPair, ...GeneratedPair[]]
  const { backingBytes, facts, merged } = pairs[0]
  const files = new Map([['root_fs', backingBytes]])
  const views = new Map([['undo', backingBytes]])
  const addOverlay = (name: string, { overlayBytes }: GeneratedPair, mtime: number) => {
    const bytes = Buffer.from(overlayBytes)
    bytes.writeUInt32BE(mtime, 8)
    files.set(name, bytes)
    return mergeNaively(bytes, backingBytes, facts)
  }
  views.set('cow', addOverlay('cow', pairs[0], sceneMtime))
  for (let i = 0; i < siblingCount; i++) {
    views.set(`sibling${i}`, addOverlay(`sibling${i}`, pairs[i + 1]!, sceneMtime))
  }
  if (staleMtime !== undefined) addOverlay('stale', pairs.at(-1)!, staleMtime)
  return { shape, files, facts, views, merged }
}

export function layOut(template: SceneTemplate, directory: string): void {
  for (const [name, bytes] of template.files) writeFileSync(path.join(directory, name), bytes)
  utimesSync(path.join(directory, 'root_fs'), sceneMtime, sceneMtime)
}

/** What of a directory makes a state: names, contents, and the backing file's mtime. */
export interface SavedState {
  readonly files: ReadonlyMap<string, Uint8Array>
  readonly backingMtime: number
}

export function saveState(directory: string): SavedState {
  const files = new Map(readdirSync(directory).map((name) => [name, readFileSync(path.join(directory, name))]))
  return { files, backingMtime: backingMtimeIn(directory) }
}

export function backingMtimeIn(directory: string): number {
  return Math.floor(statSync(path.join(directory, 'root_fs')).mtimeMs / 1000)
}

/** The mtime in the header of an overlay of version 3. */
export function headerMtime(overlay: Uint8Array): number {
  return Buffer.from(overlay.buffer, overlay.byteOffset).readUInt32BE(8)
}

/** Everything about an undo overlay of a backing file of this size. */
export function undoFacts(virtualSize: number): NaiveFacts {
  return naiveFacts('v3', virtualSize, 512, 4096)
}

/**
 * What is wrong in a directory in which a merge may be under way. While an overlay is there, it reads right: the kernel
 * may refuse it, yet it is what a resume goes by. A stale one is never touched.
 */
export function wrongReads(template: SceneTemplate, directory: string): string[] {
  const { facts, views, files } = template
  const wrong: string[] = []
  const backing = readFileSync(path.join(directory, 'root_fs'))
  if (backing.length !== facts.virtualSize) wrong.push(`root_fs has ${backing.length} bytes`)
  for (const [name, expected] of views) {
    const file = path.join(directory, name)
    if (!existsSync(file)) continue
    const overlay = readFileSync(file)
    if (overlay.length === 0) continue
    const seen = mergeNaively(overlay, backing, name === 'undo' ? undoFacts(facts.virtualSize) : facts)
    if (Buffer.compare(seen, expected) === 0) continue
    const accepted = headerMtime(overlay) === backingMtimeIn(directory)
    wrong.push(`${name} does not read right${accepted ? ', and the kernel accepts it' : ''}`)
  }
  const stale = files.get('stale')
  if (stale !== undefined && Buffer.compare(readFileSync(path.join(directory, 'stale')), stale) !== 0) {
    wrong.push('the stale overlay was touched')
  }
  return wrong
}

export interface ExpectedEnd {
  readonly afterwards: 'keep' | 'leave' | 'reset' | 'delete'
  readonly keepSiblings: boolean
  readonly backup: boolean
}

/** What is wrong in a directory in which a merge has come to its end. */
export function wrongEnd(template: SceneTemplate, directory: string, expected: ExpectedEnd): string[] {
  const wrong = wrongReads(template, directory)
  const read = (name: string) => readFileSync(path.join(directory, name))
  if (Buffer.compare(read('root_fs'), template.merged) !== 0) wrong.push('root_fs is not the merged image')
  const names = new Set(template.files.keys())
  if (expected.afterwards === 'delete') names.delete('cow')
  if (expected.backup) names.add('undo')
  const there = readdirSync(directory).sort()
  if (there.join() !== [...names].sort().join()) return [...wrong, `in the directory: ${there}`]
  const mtime = backingMtimeIn(directory)
  for (const name of names) {
    if (name === 'root_fs') continue
    const fits = headerMtime(read(name)) === mtime
    if (fits !== shouldFit(name, expected)) wrong.push(`${name}: the kernel ${fits ? 'accepts' : 'refuses'} it`)
  }
  if (expected.afterwards === 'leave' && Buffer.compare(read('cow'), template.files.get('cow')!) !== 0) {
    wrong.push('cow was to be left byte for byte')
  }
  if (expected.afterwards === 'reset' && !isEmpty(read('cow'), template.facts)) wrong.push('cow was to be emptied')
  return wrong
}

function shouldFit(name: string, { afterwards, keepSiblings }: ExpectedEnd): boolean {
  if (name === 'cow') return afterwards === 'keep' || afterwards === 'reset'
  if (name.startsWith('sibling')) return keepSiblings
  return name === 'undo'
}

/** No bit of a sector is set; stray bits do not count. */
function isEmpty(overlay: Uint8Array, facts: NaiveFacts): boolean {
  for (let sector = 0; sector * facts.sectorSize < facts.virtualSize; sector++) {
    const byte = overlay[facts.bitmapOffset + Math.floor(sector / 8)]!
    if (Math.floor(byte / 2 ** (sector % 8)) % 2 === 1) return false
  }
  return true
}
