import { copyFileSync, cpSync, mkdirSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import { umlcow } from '../support/command.js'
import { temporaryDirectory } from '../support/paths.js'
import { expectPairMerged, keepsDirectory, refusalCodes } from './in-place-scene.js'
import { killMerge } from './killed.js'
import { makeScene, namesIn, type Scene } from './scene.js'

/** A merge that was killed while it wrote. */
function killed(options: Parameters<typeof killMerge>[2] = {}): Scene & { inside(name: string): string } {
  const scene = makeScene({ header: 'root_fs' })
  killMerge(scene.cow, 'writing', options)
  return { ...scene, inside: (name) => path.join(scene.directory, name) }
}

const unfinished = ['cow', 'cow.umlcow-journal', 'root_fs', 'root_fs.umlcow-merging']

describe('an unfinished merge whose files are not what they were', () => {
  it('is not taken for finished when the overlay is gone, and can be forgotten', () => {
    const scene = killed({ afterwards: 'delete' })
    const saved = path.join(temporaryDirectory(), 'saved')
    renameSync(scene.cow, saved)
    expect(refusalCodes(['merge', '--resume', scene.backing])).toEqual(['JOURNAL_MISMATCH'])
    expect(refusalCodes(['merge', '--abandon', scene.backing])).toEqual(['JOURNAL_MISMATCH'])
    copyFileSync(saved, path.join(temporaryDirectory(), 'copy'))
    renameSync(saved, scene.cow)
    expect(umlcow(['merge', '--resume', scene.backing]).status).toBe(0)
    expect(namesIn(scene.directory)).toEqual(['root_fs'])
  })

  it('can be forgotten for good, and nothing else is touched', () => {
    const scene = killed()
    rmSync(scene.cow)
    const bytes = readFileSync(scene.backing)
    expect(umlcow(['merge', '--abandon', '--force=journal', scene.backing]).status).toBe(0)
    expect(namesIn(scene.directory)).toEqual(['root_fs'])
    expect(readFileSync(scene.backing).equals(bytes)).toBe(true)
  })

  it('is not taken for finished when somebody has set the mtime in the header', () => {
    const scene = killed()
    const bytes = readFileSync(scene.cow)
    bytes.writeUInt32BE(bytes.readUInt32BE(8) + 1, 8)
    writeFileSync(scene.cow, bytes)
    keepsDirectory(scene.directory)
    expect(refusalCodes(['merge', '--resume', scene.cow])).toEqual(['JOURNAL_MISMATCH'])
  })

  it('is refused when its marker is gone', () => {
    const scene = killed()
    rmSync(scene.inside('root_fs.umlcow-merging'))
    keepsDirectory(scene.directory)
    expect(refusalCodes(['merge', '--resume', scene.cow])).toEqual(['JOURNAL_MISMATCH'])
  })

  it('does not reach from a copy into the files that were copied', () => {
    const scene = killed()
    const copy = path.join(temporaryDirectory(), 'copy')
    cpSync(scene.directory, copy, { recursive: true, preserveTimestamps: true })
    keepsDirectory(scene.directory)
    for (const name of ['cow', 'root_fs']) {
      for (const what of ['--resume', '--abandon', '--status']) {
        expect(refusalCodes(['merge', what, path.join(copy, name)]), `${what} ${name}`).toEqual(['JOURNAL_MISMATCH'])
      }
      expect(umlcow(['info', path.join(copy, name)]).stdout).toContain('were moved or copied since')
    }
    expect(namesIn(copy)).toEqual(unfinished)
    for (const name of ['cow', 'root_fs']) {
      expect(umlcow(['merge', '--abandon', '--force=journal', path.join(copy, name)]).status).toBe(0)
    }
    expect(namesIn(copy)).toEqual(['cow', 'root_fs'])
  })

  it('goes on when they are moved back', () => {
    const scene = killed()
    const elsewhere = path.join(temporaryDirectory(), 'elsewhere')
    renameSync(scene.directory, elsewhere)
    expect(refusalCodes(['merge', '--abandon', path.join(elsewhere, 'root_fs')])).toEqual(['JOURNAL_MISMATCH'])
    expect(namesIn(elsewhere)).toEqual(unfinished)
    renameSync(elsewhere, scene.directory)
    expect(umlcow(['merge', '--resume', scene.cow]).status).toBe(0)
    expectPairMerged(scene)
  })

  it('--status of a name that leads nowhere fails', () => {
    expect(umlcow(['merge', '--status', '/no/such/file'])).toMatchObject({ status: 1, stdout: '' })
  })
})

it('an overlay is merged by a link in another directory, beside which its backing file is found', () => {
  const scene = makeScene({ header: 'root_fs' })
  const below = path.join(scene.directory, 'below')
  mkdirSync(below)
  renameSync(scene.cow, path.join(below, 'cow'))
  symlinkSync('below/cow', scene.cow)
  expect(umlcow(['merge', '-d', scene.cow]).status).toBe(0)
  expect(umlcow(['check', '--deep', scene.cow]).stdout).toContain('equal the backing file')
})
