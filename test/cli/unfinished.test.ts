import { copyFileSync, readFileSync, renameSync, rmSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import { type Outcome, umlcow } from '../support/command.js'
import {
  expectMerged,
  expectPairMerged,
  headerMtime,
  keepsDirectory,
  mtimeOf,
  refusalCodes,
  sceneWithSiblings,
  shownBy,
  writeSibling,
} from './in-place-scene.js'
import { killMerge } from './killed.js'
import { expectPlainFailure, keepsUntouched, namesIn, pairMtime, type Scene, setMtime, shell } from './scene.js'

type Killed = Scene & { readonly sibling: string; readonly shown: Buffer; inside(name: string): string }

/** A merge that keeps a sibling, killed on the way. */
function killed(place: Parameters<typeof killMerge>[1], options: Parameters<typeof killMerge>[2] = {}): Killed {
  const scene = sceneWithSiblings()
  const [sibling = ''] = scene.siblings
  const shown = shownBy(sibling, scene.backing)
  killMerge(scene.cow, place, { keepSiblings: true, ...options })
  return { ...scene, sibling, shown, inside: (name) => path.join(scene.directory, name) }
}

function expectFinished({ cow, backing, directory, sibling, shown }: Killed, ...more: string[]): void {
  expect(namesIn(directory)).toEqual([path.basename(cow), 'root_fs', 'sib0', ...more].sort())
  expect(shownBy(sibling, backing).equals(shown)).toBe(true)
  expect(headerMtime(sibling)).toBe(mtimeOf(backing))
  for (const file of [cow, sibling]) expect(umlcow(['check', file]).status).toBe(0)
}

const begun = ['preparing', 'writing', 'merged', 'unmarked'] as const

describe('an unfinished merge', () => {
  it.each(['preparing', 'writing'] as const)('is told by info, check and --status, with the command (%s)', (place) => {
    const scene = killed(place)
    keepsDirectory(scene.directory)
    const command = `umlcow merge --resume ${scene.cow}`
    const message = new RegExp(`the merge of ${scene.cow} into ${scene.backing}, begun .*Z, was not finished`)
    for (const file of [scene.cow, scene.backing]) {
      const info = umlcow(['info', file])
      expect(info).toMatchObject({ status: 0, stderr: '' })
      expect(info.stdout).toMatch(message)
      expect(info.stdout).toContain(`\n    ${command}\n`)
      const check = umlcow(['check', file])
      expect(check.status).toBe(2)
      expect(check.stdout).toMatch(message)
      expect(check.stdout).toContain(`; ${command}\n`)
      const status = umlcow(['merge', '--status', file])
      expect(status).toMatchObject({ status: 0, stderr: '' })
      expect(status.stdout).toMatch(message)
      expect(status.stdout).toContain(`\n    ${command}\n`)
    }
    expect(umlcow(['check', scene.sibling])).toMatchObject({ status: 2, stdout: expect.stringContaining(command) })
  })

  it.each(['preparing', 'writing'] as const)(
    'keeps the kernel out of everything that would show wrong data (%s)',
    (place) => {
      const scene = killed(place)
      const fits = (file: string) => headerMtime(file) === mtimeOf(scene.backing)
      const isOld = readFileSync(scene.backing).equals(scene.backingBytes)
      for (const file of [scene.cow, scene.sibling]) expect(fits(file)).toBe(isOld)
      expect(isOld).toBe(place === 'preparing')
      // And over the backing file as it is, both show what they showed.
      expect(shownBy(scene.cow, scene.backing).equals(scene.merged)).toBe(true)
      expect(shownBy(scene.sibling, scene.backing).equals(scene.shown)).toBe(true)
    },
  )

  it.each(['preparing', 'writing'] as const)(
    'is refused by every verb that writes, and nothing changes (%s)',
    (place) => {
      const scene = killed(place)
      keepsDirectory(scene.directory)
      const force = '--force=mtime,size,in-use'
      const all: string[][] = [
        ['create', 'new', '-b', 'root_fs'],
        ['create', '--overwrite', 'sib0', '-b', 'root_fs'],
        ['rebase', '-u', '-b', 'root_fs', 'cow'],
        ['rebase', '-u', '-b', 'root_fs', force, 'sib0'],
        ['merge', force, 'cow', 'new'],
        ['merge', force, 'sib0', 'new'],
        ['merge', '-d', '--force=mtime,in-use,siblings,room', 'cow'],
        ['merge', '-d', '--keep-siblings', '--force=mtime,in-use', 'sib0'],
        ['commit', '--force=mtime,in-use,siblings,room', 'cow'],
        ['reset', '--force=in-use', 'cow'],
        ['reset', 'sib0'],
      ]
      for (const args of all) expect(refusalCodes(args, scene.directory), args.join(' ')).toContain('UNFINISHED_MERGE')
      for (const file of ['cow', 'sib0']) {
        const outcome = umlcow(['check', '--repair', file], { cwd: scene.directory })
        expect(outcome.status).toBe(2)
        expect(outcome.stdout).toContain('was not finished')
      }
      for (const args of [
        ['moo', 'cow', 'new'],
        ['moo', '-d', 'cow'],
        ['mkcow', '-f', 'cow', 'root_fs'],
      ]) {
        const outcome = umlcow(args, { cwd: scene.directory })
        expectPlainFailure(outcome, 1)
        expect(outcome.stderr).toContain(`umlcow: try: umlcow merge --resume ${scene.cow}\n`)
      }
    },
  )
})

describe('merge --resume', () => {
  it.each(begun.flatMap((place) => [[place, 'cow'] as const, [place, 'root_fs'] as const]))(
    'finishes what was killed (%s), by the name of %s',
    (place, name) => {
      const scene = killed(place)
      if (place === 'unmarked' && name === 'root_fs') {
        // Without the marker the backing file tells nothing; the merge is over. Beside a sibling the journal tells of it.
        expectPlainFailure(umlcow(['merge', '--resume', scene.backing]), 1)
        expect(umlcow(['check', scene.sibling]).stdout).toContain('was not finished')
        return
      }
      expectMerged(['merge', '--resume', scene.inside(name)])
      expectPairMerged(scene)
      expectFinished(scene)
    },
  )

  it('does what the message says, typed into a shell, whatever the name', () => {
    const scene = sceneWithSiblings()
    const cow = path.join(scene.directory, "a $(touch x) 'b' c")
    renameSync(scene.cow, cow)
    killMerge(cow, 'writing', { keepSiblings: true })
    const document = JSON.parse(umlcow(['info', '--json', scene.backing]).stdout)
    const { hint } = document['format-specific'].data['unfinished-merge']
    const outcome = shell(hint, scene.directory)
    expect(outcome).toMatchObject({ status: 0, stderr: '' })
    expectPairMerged({ ...scene, cow })
    expect(namesIn(scene.directory)).toEqual([path.basename(cow), 'root_fs', 'sib0'])
  })

  it.each([
    ['reset', { afterwards: 'reset' }],
    ['delete', { afterwards: 'delete' }],
    ['leave', { afterwards: 'leave' }],
  ] as const)('goes on with the options of the first: --%s', (_name, options) => {
    const scene = killed('writing', options)
    expectMerged(['merge', '--resume', scene.cow])
    expect(readFileSync(scene.backing).equals(scene.merged)).toBe(true)
    expect(shownBy(scene.sibling, scene.backing).equals(scene.shown)).toBe(true)
    const names = options.afterwards === 'delete' ? ['root_fs', 'sib0'] : ['cow', 'root_fs', 'sib0']
    expect(namesIn(scene.directory)).toEqual(names)
    if (options.afterwards === 'reset') expect(umlcow(['info', scene.cow]).stdout).toContain('allocated: 0 of 601')
    if (options.afterwards === 'leave') expect(headerMtime(scene.cow)).toBe(pairMtime)
  })

  it('--backup and --verify, too', () => {
    const scene = sceneWithSiblings()
    const undo = path.join(scene.directory, 'undo')
    killMerge(scene.cow, 'writing', { keepSiblings: true, backup: undo, verify: true })
    expect(expectMerged(['merge', '--resume', scene.cow]).stdout).toMatch(/^read back/m)
    expect(shownBy(undo, scene.backing).equals(scene.backingBytes)).toBe(true)
    expect(headerMtime(undo)).toBe(mtimeOf(scene.backing))
  })

  it('leaves a sibling that came later, and names it', () => {
    const scene = killed('writing')
    const late = scene.inside('late')
    writeSibling(late, scene.backing, { layout: 'v3' })
    keepsUntouched(late)
    const outcome = umlcow(['merge', '--resume', scene.cow])
    expect(outcome.status).toBe(0)
    expect(outcome.stderr).toBe(
      `umlcow: warning: ${late}: was not among the siblings when the merge was begun; left as it is\n`,
    )
    expectFinished(scene, 'late')
  })

  it('refuses other files than those of the journal', () => {
    const scene = killed('writing')
    copyFileSync(scene.backing, scene.inside('copy'))
    renameSync(scene.backing, scene.inside('moved'))
    renameSync(scene.inside('copy'), scene.backing)
    expect(refusalCodes(['merge', '--resume', scene.cow])).toEqual(['JOURNAL_MISMATCH'])
    renameSync(scene.inside('moved'), scene.backing)
    expectMerged(['merge', '--resume', scene.cow])
    expectFinished(scene)
  })

  it('refuses when somebody wrote to the backing file before its first byte was changed', () => {
    const scene = killed('preparing')
    setMtime(scene.backing, pairMtime + 7)
    expect(refusalCodes(['merge', '--resume', scene.cow])).toEqual(['BACKING_MTIME'])
    expect(umlcow(['merge', '--resume', scene.cow]).stderr).toContain(`umlcow merge --abandon ${scene.cow}\n`)
    const outcome = umlcow(['merge', '--abandon', scene.cow])
    expect(outcome.status).toBe(0)
    expect(mtimeOf(scene.backing)).toBe(pairMtime + 7)
    expect(namesIn(scene.directory)).toEqual(['cow', 'root_fs', 'sib0'])
  })
})

describe('merge --abandon', () => {
  const texts = {
    preparing: /unchanged by the merge; /,
    writing: /holds some of the changes/,
    merged: /holds all of /,
  }

  it.each(['preparing', 'writing', 'merged'] as const)('says what is left, and it is so (%s)', (place) => {
    const scene = killed(place)
    const outcome = umlcow(['merge', '--abandon', scene.backing])
    expect(outcome).toMatchObject({ status: 0, stderr: '' })
    expect(outcome.stdout).toMatch(texts[place])
    expect(shownBy(scene.cow, scene.backing).equals(scene.merged)).toBe(true)
    expect(headerMtime(scene.cow)).toBe(mtimeOf(scene.backing))
    expectFinished(scene)
    if (place === 'preparing') expect(readFileSync(scene.backing).equals(scene.backingBytes)).toBe(true)
    // It can be begun anew.
    expectMerged(['merge', '-d', '--keep-siblings', scene.cow])
    expectPairMerged(scene)
  })
})

describe('without anything unfinished', () => {
  it('--status says so; --resume and --abandon fail', () => {
    const scene = sceneWithSiblings()
    keepsDirectory(scene.directory)
    for (const file of [scene.cow, scene.backing, scene.siblings[0]!]) {
      expect(umlcow(['merge', '--status', file])).toMatchObject({ status: 0, stdout: `${file}: no unfinished merge\n` })
      for (const verb of ['--resume', '--abandon']) {
        const outcome: Outcome = umlcow(['merge', verb, '--json', file])
        expectPlainFailure(outcome, 1)
        expect(JSON.parse(outcome.stdout).error.code).toBe('NOTHING_UNFINISHED')
      }
    }
  })

  it('a marker whose journal is gone is told, and forgotten by --abandon', () => {
    const scene = killed('writing')
    rmSync(scene.inside('cow.umlcow-journal'))
    expect(umlcow(['info', scene.backing]).stdout).toContain('cow.umlcow-journal is gone')
    expect(refusalCodes(['merge', '-d', '--keep-siblings', scene.cow])).toContain('UNFINISHED_MERGE')
    const hint = umlcow(['merge', '--status', scene.backing]).stdout.split('\n')[1]?.trim() ?? ''
    const outcome = shell(hint, scene.directory)
    expect(outcome.stdout).toContain('may hold some of the changes')
    // The overlay is still a redo log over it.
    expect(umlcow(['merge', '-d', '--force=mtime', scene.cow]).status).toBe(0)
    expect(readFileSync(scene.backing).equals(scene.merged)).toBe(true)
    expect(umlcow(['check', scene.cow]).status).toBe(0)
  })
})
