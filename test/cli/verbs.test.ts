import { cpSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import { statusOf } from '../../src/cli/exit-status.js'
import { umlUtilities } from '../../src/cli/uml-utilities.js'
import type { Verb } from '../../src/cli/verb.js'
import { verbGroups } from '../../src/cli/verbs.js'
import { type ErrorEntry, errorCodes, UmlcowError } from '../../src/errors.js'
import { umlcow } from '../support/command.js'
import { temporaryDirectory } from '../support/paths.js'
import { killMerge } from './killed.js'
import { expectPlainFailure, holdOpen, makeScene } from './scene.js'

interface Named {
  /** As a user types it: `humfs export`. */
  readonly name: string
  readonly verb: Verb
}

function named(verbs: readonly Verb[], before = ''): Named[] {
  return verbs.flatMap((verb) => {
    const name = `${before}${verb.name}`
    return [{ name, verb }, ...named(verb.actions ?? [], `${name} `)]
  })
}

const all = named(verbGroups.flatMap(({ verbs }) => verbs))

/** They have the exit statuses of the tools that they replace. */
const tools = umlUtilities.map(({ name }) => name)
/** They read no files. */
const withoutFiles = ['help', 'completion']
const ownStatus = all.filter(({ name }) => !tools.includes(name) && !withoutFiles.includes(name))

/** An overlay with an unfinished merge, `cow` on `root_fs`, and a raw image. */
function unfinished(): string {
  const { cow, directory } = makeScene()
  killMerge(cow, 'writing')
  writeFileSync(path.join(directory, 'raw'), Buffer.alloc(65536))
  return directory
}

/** An overlay that a process writes to. */
async function held(): Promise<string> {
  const { cow, directory } = makeScene()
  await holdOpen(cow)
  return directory
}

const own = [`${process.geteuid?.()}`, `${process.getegid?.()}`]

/** A humfs tree without half of its metadata, here and in directories with the names of actions. */
function damagedTree(): string {
  const directory = temporaryDirectory()
  const inside = (name: string) => path.join(directory, name)
  mkdirSync(inside('data'))
  writeFileSync(inside('data/file'), 'x')
  expect(umlcow(['humfsify', '--no-sync', ...own, '1G'], { cwd: directory }).status).toBe(0)
  rmSync(inside('dir_metadata'), { recursive: true })
  for (const action of ['restore', 'import', 'export']) {
    for (const name of ['data', 'file_metadata', 'superblock']) {
      cpSync(inside(name), path.join(inside(action), name), { recursive: true })
    }
  }
  const lines = ['#mtree', '. type=dir uid=0 gid=0 mode=755', './none type=file uid=0 gid=0 mode=644', '']
  writeFileSync(inside('list.mtree'), lines.join('\n'))
  return directory
}

/** A pack. */
function packed(): string {
  const { directory } = makeScene()
  expect(umlcow(['pack', '--no-sync', '-z', 'none', 'whole', 'cow'], { cwd: directory }).status).toBe(0)
  return directory
}

interface Failures {
  readonly scene: () => string | Promise<string>
  /** Command lines that only read. */
  readonly reads?: readonly string[]
  /** Command lines that write. */
  readonly writes?: readonly string[]
  /** The verb meets no code that means something else to readers: what it refuses is status 4 for all verbs. */
  readonly refusesForAll?: boolean
  /** The exit status where other readers have 1. */
  readonly failedStatus?: number
}

/**
 * For each verb command lines that fail with a code for which readers exit 1 and writers exit 4. `info` and `check` meet
 * no such code when they read: they show it, and their exit status is that of any failure.
 */
const failures: Readonly<Record<string, Failures>> = {
  info: { scene: unfinished, reads: ['--fast .', '--backing-chain .'] },
  map: {
    scene: unfinished,
    reads: ['cow', '--picture cow'],
    writes: ['--overwrite --svg root_fs raw', 'raw --overwrite --png=root_fs', '--svg new.svg cow'],
  },
  check: { scene: held, reads: ['none'], writes: ['--repair cow', 'cow --repair'], refusesForAll: true },
  ls: { scene: unfinished, reads: ['cow', '-lR cow /etc'] },
  cat: { scene: unfinished, reads: ['cow /etc/passwd'] },
  stat: { scene: unfinished, reads: ['cow /'] },
  df: { scene: unfinished, reads: ['cow', '-h cow'] },
  diff: { scene: unfinished, reads: ['--files -b none cow'], failedStatus: 2 },
  tar: { scene: unfinished, writes: ['cow', '-o new cow /etc'] },
  extract: { scene: unfinished, writes: ['-C . cow /etc', '--to cpio -o new cow'] },
  create: { scene: unfinished, writes: ['--overwrite root_fs 1M'] },
  reset: { scene: unfinished, writes: ['cow'] },
  merge: { scene: unfinished, writes: ['-d cow', 'cow new', 'cow -'] },
  commit: { scene: unfinished, writes: ['cow'] },
  compact: { scene: unfinished, writes: ['cow', 'root_fs', '-n cow'] },
  convert: { scene: unfinished, writes: ['cow new', '-O cow -B root_fs cow new', 'raw root_fs --overwrite', 'cow -'] },
  rebase: { scene: unfinished, writes: ['-u -b raw cow'] },
  copy: { scene: unfinished, writes: ['cow new', 'root_fs new'] },
  pack: { scene: unfinished, writes: ['-z none new cow', '--delta new cow'] },
  unpack: {
    scene: packed,
    reads: ['--list --max-size 1 whole', '--verify --max-size 1 whole'],
    writes: ['--max-size 1 whole'],
  },
  humfsify: { scene: damagedTree, writes: ['-r'] },
  humfs: {
    scene: damagedTree,
    reads: ['info', 'info restore', 'info import', '--json info export'],
    writes: ['restore', '--json restore import'],
  },
  'humfs export': { scene: damagedTree, writes: ['--to tar new', '--to tar -'] },
  'humfs import': { scene: damagedTree, writes: ['--from mtree --tree data list.mtree new'] },
}

/** Run a command line that fails. @returns what the table of errors says about its code */
function failureOf(cwd: string, name: string, line: string, status: number): ErrorEntry | undefined {
  const args = [...name.split(' '), ...line.split(' ')]
  const outcome = umlcow(args, { cwd })
  expectPlainFailure(outcome, status)
  // No document with an image or a file on standard output, or with a picture.
  const isMute =
    (line === 'cow' && name === 'tar') || name === 'cat' || args.some((arg) => /^(-|--svg|--png.*)$/.test(arg))
  if (isMute) expect(outcome.stderr, line).toMatch(/merge --resume|dir_metadata/)
  if (isMute) return undefined
  const { code } = JSON.parse(umlcow([...args, '--json'], { cwd }).stdout).error
  return errorCodes[code as keyof typeof errorCodes]
}

describe('every verb of the table', () => {
  it('has command lines here that fail', () => {
    expect(Object.keys(failures).sort()).toEqual(ownStatus.map(({ name }) => name).sort())
  })

  it.each(ownStatus)(
    '$name refuses with status 4 where it writes, and fails with 1 where not',
    async ({ name, verb }) => {
      const { scene, reads = [], writes = [], refusesForAll = false, failedStatus = 1 } = failures[name] as Failures
      expect(reads.length > 0, 'reads').toBe(verb.writes !== true)
      expect(writes.length > 0, 'writes').toBe(verb.writes !== false)
      const cwd = await scene()
      const expected = refusesForAll ? { exitStatus: 4 } : { exitStatus: 1, whenWriting: 4 }
      for (const line of reads) expect(failureOf(cwd, name, line, failedStatus)?.exitStatus ?? 1, line).toBe(1)
      for (const line of writes) expect(failureOf(cwd, name, line, 4) ?? expected, line).toMatchObject(expected)
    },
  )

  it.each(tools)('%s has the statuses of the tool that it replaces', (name) => {
    const cwd = unfinished()
    const args = { moo: ['-d', 'cow'], mkcow: ['-f', 'cow', 'raw'] }[name] as string[]
    const outcome = umlcow([name, ...args], { cwd })
    expectPlainFailure(outcome, 1)
    expect(outcome.stderr).toContain('umlcow merge --resume')
  })

  it('stands in the help below the heading of its group, with its summary', () => {
    const help = umlcow(['--help']).stdout.replaceAll(/\n {10,}/g, ' ')
    const start = help.indexOf('Look at images:')
    const groups = help.slice(start, help.indexOf('\nExit status:')).trim().split('\n\n')
    const shown = groups.map((group) => group.split('\n').map((line) => line.trim().replace(/ {2,}/, ' ')))
    const expected = verbGroups.map(({ title, verbs }) => [
      `${title}:`,
      ...verbs.map(({ name, summary }) => `${name} ${summary}`),
    ])
    expect(shown).toEqual(expected)
  })

  it.each(all)('$name has a summary that is one plain line', ({ verb }) => {
    expect(verb.summary).toMatch(/^[a-z][^\n.]{10,90}$/)
  })
})

describe('the exit status of an error', () => {
  it.each(Object.entries(errorCodes))('%s is that of the table', (code, entry: ErrorEntry) => {
    const error = new UmlcowError(code, 'made')
    expect(statusOf(error, false)).toBe(entry.exitStatus)
    expect(statusOf(error, true)).toBe(entry.whenWriting ?? entry.exitStatus)
  })

  it('is 1 for a code of the operating system, and for a defect', () => {
    for (const error of [
      new UmlcowError('ENOSPC', 'full'),
      new Error('defect'),
      new UmlcowError('toString', 'x'),
      'x',
    ]) {
      expect(statusOf(error, true)).toBe(1)
    }
  })
})
