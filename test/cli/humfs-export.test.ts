import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { commandPath, umlcow } from '../support/command.js'
import { removeTree, scratchDirectory } from '../support/humfs-tree.js'
import { havePeers } from '../support/peers.js'
import { startUmlcow, untilFull, waitUntil } from './scene.js'

const python = '/usr/bin/python3'
const own = [`${process.geteuid?.()}`, `${process.getegid?.()}`]

/** A humfs tree with a file of this length, all zeros. */
function tree(size = 5) {
  const top = scratchDirectory()
  fs.mkdirSync(path.join(top, 'data/dir'), { recursive: true })
  fs.writeFileSync(path.join(top, 'data/dir/file'), '')
  fs.truncateSync(path.join(top, 'data/dir/file'), size)
  const run = (...args: string[]) => umlcow(args, { cwd: top })
  expect(run('humfsify', '--no-sync', ...own, '1T')).toMatchObject({ status: 0 })
  return { top, run, shell: (script: string) => shell(script, top) }
}

/** Runs a script in which `umlcow` is the command. */
function shell(script: string, cwd: string) {
  const start = `umlcow() { '${process.execPath}' '${commandPath}' "$@"; }\n`
  const done = spawnSync('/bin/bash', ['-c', start + script], { cwd, encoding: 'utf8', timeout: 60_000 })
  return { status: done.status, stdout: done.stdout, stderr: done.stderr }
}

const children: { kill(signal: 'SIGKILL'): boolean }[] = []
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL')
})

describe('humfs export', () => {
  it('writes a file and says so', () => {
    const { top, run } = tree()
    expect(run('humfs', 'export', '--to', 'tar', 'out.tar')).toEqual({
      status: 0,
      signal: null,
      stdout: 'out.tar: tar of 3 entries, 6 KiB\n',
      stderr: '',
    })
    expect(fs.readdirSync(top).sort()).toEqual(['data', 'dir_metadata', 'file_metadata', 'out.tar', 'superblock'])
    expect(run('humfs', 'export', '--to', 'tar', 'out.tar')).toMatchObject({ status: 4, stdout: '' })
    expect(run('humfs', 'export', '--to', 'tar', '--overwrite', '-q', 'out.tar')).toMatchObject({
      status: 0,
      stdout: '',
    })
    expect(run('humfs', 'export', '--to', 'cpio', '-n', 'out.cpio').stdout).toBe(
      'out.cpio: would be cpio of 3 entries\n',
    )
  })

  it('writes to standard output, of a tree elsewhere too', () => {
    const { top, run } = tree()
    run('humfs', 'export', '--to', 'mtree', 'out')
    const written = fs.readFileSync(path.join(top, 'out'), 'utf8')
    expect(run('humfs', 'export', '--to', 'mtree', '-')).toMatchObject({ status: 0, stdout: written, stderr: '' })
    expect(umlcow(['humfs', 'export', '--to', 'mtree', '-', top], { cwd: '/' }).stdout).toBe(written)
    const directory = run('humfs', 'export', '--to', 'mtree', '--from', 'directory', '-', 'data').stdout
    expect(directory.split('\n')).toHaveLength(written.split('\n').length)
  })

  it.each([
    ['no format', ['out'], /required option '--to <format>' not specified/],
    ['no such format', ['--to', 'zip', 'out'], /Allowed choices are tar, cpio, mtree, fakeroot, squashfs/],
    ['no output', ['--to', 'tar'], /missing required argument 'output'/],
    ['JSON and the archive', ['--to', 'tar', '--json', '-'], /cannot take both the archive and JSON/],
    ['a file of exclusions for tar', ['--to', 'tar', '--exclude-file', 'x', 'out'], /needs --to squashfs, not tar/],
    ['twice the same file', ['--to', 'squashfs', '--exclude-file', 'out', 'out'], /are the same file/],
    ['an option of another action', ['--to', 'tar', '--repair', 'out'], /unknown option '--repair'/],
  ])('is wrong usage with %s', (_, args, message) => {
    const { top, run } = tree()
    const before = fs.readdirSync(top)
    const outcome = run('humfs', 'export', ...args)
    expect(outcome).toMatchObject({ status: 64, signal: null })
    expect(outcome.stderr).toMatch(message)
    expect(fs.readdirSync(top)).toEqual(before)
  })

  it('names its own help', () => {
    expect(umlcow(['humfs', 'export']).stderr).toContain('umlcow: try: umlcow humfs export --help\n')
    expect(umlcow(['humfs', 'export', '--help'])).toMatchObject({ status: 0, stderr: '' })
  })

  it('tells what is no humfs tree, and what is damaged', () => {
    const { top, run } = tree()
    expect(umlcow(['humfs', 'export', '--to', 'tar', '/dev/null', '/'])).toMatchObject({ status: 63, stdout: '' })
    fs.writeFileSync(path.join(top, 'data/new\x1b[2J'), '')
    fs.writeFileSync(path.join(top, 'data/dir/other'), '')
    const { status, stderr } = run('humfs', 'export', '--to', 'tar', 'out')
    expect(status).toBe(4)
    expect(stderr.split('\n').sort()).toEqual([
      '',
      'umlcow: data/dir/other: has no metadata',
      'umlcow: data/new\\x1b[2J: has no metadata',
    ])
    expect(fs.existsSync(path.join(top, 'out'))).toBe(false)
  })

  it('does not take a file of the tree for standard output', () => {
    const { top, shell } = tree()
    const outcome = shell('umlcow humfs export --to cpio - >> data/dir/file')
    expect(outcome.status).toBe(4)
    expect(outcome.stderr).toBe('umlcow: standard output: is the same file as dir/file in the tree\n')
    expect(fs.statSync(path.join(top, 'data/dir/file')).size).toBe(5)
  })

  it.runIf(havePeers(python))('does not write an archive to a terminal, but text', () => {
    const { top } = tree()
    const script = (format: string) =>
      `import pty, sys; sys.exit(pty.spawn([sys.argv[1], sys.argv[2], 'humfs', 'export', '--to', '${format}', '-']) >> 8)`
    const run = (format: string) =>
      spawnSync(python, ['-c', script(format), process.execPath, commandPath], { cwd: top, encoding: 'utf8' })
    for (const format of ['tar', 'cpio', 'squashfs']) {
      expect(run(format)).toMatchObject({
        status: 64,
        stdout: expect.stringContaining('to a terminal: redirect standard output'),
      })
    }
    expect(run('mtree')).toMatchObject({ status: 0, stdout: expect.stringContaining('./dir/file type=file') })
  })

  it('tells of a full disk and of a reader that has gone', () => {
    const { shell } = tree(2 ** 22)
    const full = shell('umlcow humfs export --to tar - > /dev/full')
    expect(full).toMatchObject({ status: 1, stderr: expect.stringContaining('ENOSPC') })
    const gone = shell('set -o pipefail; umlcow humfs export --to tar - | true')
    expect(gone.status).toBe(1)
    expect(gone.stderr).not.toMatch(/defect|\n\s+at /)
  })

  it.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)('is stopped by %s, and nothing is left', async (signal, status) => {
    const { top } = tree(2 ** 39)
    const out = scratchDirectory()
    const running = startUmlcow(['humfs', 'export', '--no-sync', '--to', 'tar', path.join(out, 'out.tar'), top])
    children.push(running.child)
    await waitUntil(() => fs.readdirSync(out).some((name) => name.endsWith('.tmp')), 'the temporary file')
    running.child.kill(signal)
    expect(await running.ended).toMatchObject({ status, signal: null })
    expect(running.stderr()).toMatch(/^umlcow: stopped; the inputs are unchanged, and no unfinished output is left\n$/)
    expect(fs.readdirSync(out)).toEqual([])
  })

  it('is stopped while nobody reads what it writes', async () => {
    const { top } = tree(2 ** 39)
    const fifo = path.join(scratchDirectory(), 'fifo')
    expect(spawnSync('mkfifo', [fifo]).status).toBe(0)
    const fd = fs.openSync(fifo, fs.constants.O_RDWR)
    try {
      const running = startUmlcow(['humfs', 'export', '--to', 'tar', '-', top], { stdio: ['ignore', fd, 'pipe'] })
      children.push(running.child)
      await untilFull(fifo)
      running.child.kill('SIGINT')
      expect(await running.ended).toMatchObject({ status: 130, signal: null })
      expect(running.stderr()).toMatch(/stopped; .* standard output got only a part of the archive/)
    } finally {
      fs.closeSync(fd)
    }
  })

  it('tells how far it is', () => {
    const { top, run } = tree(2 ** 20)
    const { stderr } = run('humfs', 'export', '--to', 'tar', '--progress=json', '-q', 'out')
    const last = JSON.parse(stderr.trimEnd().split('\n').at(-1) ?? '')
    expect(last).toMatchObject({ transferred: 2 ** 20 + 3, size: 2 ** 20 + 3, description: 'exporting' })
    removeTree(path.join(top, 'out'))
  })
})

describe('humfs export to a tree', () => {
  it('makes a directory, which import makes humfs of again', () => {
    const { top, run } = tree()
    expect(run('humfs', 'export', '--to', '9p', '--no-sync', 'made')).toMatchObject({
      status: 0,
      stdout: 'made: 9p of 3 entries\n',
      stderr: '',
    })
    const json = run('humfs', 'export', '--to', 'directory', '--no-sync', '--json', 'plain')
    expect(JSON.parse(json.stdout)).toMatchObject({ format: 'directory', filename: 'plain', entries: 3, bytes: null })
    for (const from of ['9p', 'directory', 'humfs']) {
      const input = { '9p': 'made', directory: 'plain', humfs: '.' }[from]!
      const place = path.join(scratchDirectory(), 'tree')
      expect(run('humfs', 'import', '--from', from, '--no-sync', input, place)).toMatchObject({ status: 0, stderr: '' })
      expect(fs.readFileSync(path.join(place, 'data/dir/file')).length).toBe(5)
      expect(run('humfs', 'check', place).status).toBe(0)
    }
    expect(run('humfs', 'export', '--to', 'directory', 'plain')).toMatchObject({ status: 4, stdout: '' })
    expect(run('humfs', 'export', '--to', 'directory', 'data/new')).toMatchObject({ status: 4, stdout: '' })
    expect(fs.readdirSync(path.join(top, 'data'))).toEqual(['dir'])
  })

  it.each([
    [['-'], 'needs its name'],
    [['--overwrite', 'x'], 'does not support --overwrite'],
    [['--force=in-use', 'x'], 'does not support --force'],
    [['--no-sockets', 'x'], 'does not support --no-sockets'],
    [['--exclude-file', 'y', 'x'], 'needs --to squashfs'],
  ])('does not take %j', (args, complaint) => {
    const outcome = umlcow(['humfs', 'export', '--to', 'directory', ...args])
    expect(outcome.status).toBe(64)
    expect(outcome.stderr).toContain(complaint)
  })
})
