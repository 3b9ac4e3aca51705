import { readFileSync, statSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { expect, onTestFinished } from 'vitest'
import { type Outcome, umlcow } from '../support/command.js'
import { type GenerateOptions, generatePair, type PairLayout, writeHeaderPath } from '../support/generate.js'
import { mergeNaively, naiveFacts } from '../support/naive.js'
import { expectPlainFailure, makeScene, namesIn, pairMtime, type Scene, stateOf } from './scene.js'

// Scenes of merges in place. What a guest sees is told by test/support/naive.ts, which shares no code with src/.

/** When the test ends, all files of the directory must be as they are now, and no others be there. */
export function keepsDirectory(directory: string): void {
  const look = () =>
    namesIn(directory)
      .map((name) => path.join(directory, name))
      .map((file) => (statSync(file).isFile() ? stateOf(file) : file))
  const before = look()
  onTestFinished(() => expect(look()).toEqual(before))
}

function mtimeOffset(layout: PairLayout): number {
  if (layout.startsWith('v1')) return 264
  return layout.startsWith('v2') ? 4104 : 8
}

/** The modification time that a header wants, seconds. */
export function headerMtime(cow: string, layout: PairLayout = 'v3'): number {
  const bytes = readFileSync(cow)
  const offset = mtimeOffset(layout)
  return layout === 'v1' || layout === 'v1hybrid' ? bytes.readUInt32LE(offset) : bytes.readUInt32BE(offset)
}

export function mtimeOf(file: string): number {
  return statSync(file).mtimeMs / 1000
}

/** What a guest sees through an overlay, whatever its header says of the time. */
export function shownBy(cow: string, backing: string, layout: PairLayout = 'v3', sectorSize = 512): Buffer {
  const bytes = readFileSync(backing)
  return Buffer.from(mergeNaively(readFileSync(cow), bytes, naiveFacts(layout, bytes.length, sectorSize, 4096)))
}

/** Write a random overlay, of any version, on a backing file of a scene. Its header has the mtime and the path. */
export function writeSibling(file: string, backing: string, options: GenerateOptions & { layout: PairLayout }): void {
  const pair = generatePair(7, {
    sectorSize: 512,
    alignment: 4096,
    virtualSize: statSync(backing).size,
    headerPath: backing,
    ...options,
  })
  const bytes = Buffer.from(pair.overlayBytes)
  const { layout } = pair
  const isLittle = layout === 'v1' || layout === 'v1hybrid'
  if (isLittle) bytes.writeUInt32LE(pairMtime, mtimeOffset(layout))
  else bytes.writeUInt32BE(pairMtime, mtimeOffset(layout))
  writeHeaderPath(bytes, layout, options.headerPath ?? backing)
  writeFileSync(file, bytes)
}

/** A pair and some siblings, `sib0` and so on, in their directory. */
export function sceneWithSiblings(layouts: readonly PairLayout[] = ['v3']): Scene & { readonly siblings: string[] } {
  const scene = makeScene()
  const siblings = layouts.map((layout, i) => {
    const file = path.join(scene.directory, `sib${i}`)
    writeSibling(file, scene.backing, { layout })
    return file
  })
  return { ...scene, siblings }
}

/** A merge that went well and had nothing to warn of. */
export function expectMerged(args: readonly string[], cwd?: string): Outcome {
  const outcome = umlcow(args, { cwd: cwd ?? '.' })
  expect(outcome).toMatchObject({ status: 0, stderr: '' })
  return outcome
}

/** The pair after a merge: the backing file holds all, the overlay fits it and shows the same. */
export function expectPairMerged(scene: Scene): void {
  expect(readFileSync(scene.backing).equals(scene.merged)).toBe(true)
  expect(shownBy(scene.cow, scene.backing).equals(scene.merged)).toBe(true)
  expect(mtimeOf(scene.backing)).toBe(headerMtime(scene.cow))
  expect(mtimeOf(scene.backing)).toBeGreaterThan(pairMtime)
}

/** The codes of everything that was found to speak against it, the exit status being 4. */
export function refusalCodes(args: readonly string[], cwd?: string): string[] {
  const outcome = umlcow([...args, '--json'], { cwd: cwd ?? '.' })
  expectPlainFailure(outcome, 4)
  const { code, details } = JSON.parse(outcome.stdout).error
  const findings: string[] = details.findings ?? []
  const codes = findings.map((finding) => finding.slice(0, finding.indexOf(':')))
  return codes.length === 0 ? [code] : codes
}
