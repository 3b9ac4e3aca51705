import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, test } from 'vitest'
import { umlcow } from '../support/command.js'
import { extentNode, HandExt } from '../support/ext-by-hand.js'
import { temporaryDirectory } from '../support/paths.js'
import { shell } from './scene.js'

/** An image with three files, one of them below a directory. */
function makeImage(): { cwd: string; hand: HandExt } {
  const hand = new HandExt()
  hand.file('a\x1b[2J', 12, { size: 3, map: [30] })
  hand.block(30).set([0, 255, 10])
  hand.file('dir', 13, { type: 'directory', mode: 0o755, size: 1024, map: [21] })
  hand.directory(21, [['inside', 14]])
  hand.inode(14, { size: 600_000 })
  const cwd = temporaryDirectory()
  writeFileSync(path.join(cwd, 'image'), hand.bytes)
  return { cwd, hand }
}

describe('ls, stat and cat', () => {
  test('say which path does not exist, and show the others', () => {
    const { cwd } = makeImage()
    const missing = 'umlcow: image: /none does not exist in the file system\n'
    const seen = (...args: string[]) => umlcow(args, { cwd })
    expect(seen('ls', '-1', 'image', '/none', 'dir')).toMatchObject({
      status: 1,
      stdout: 'dir:\ninside\n',
      stderr: missing,
    })
    expect(seen('stat', 'image', '/none', '/dir')).toMatchObject({ status: 1, stderr: missing })
    expect(seen('stat', 'image', '/none', '/dir').stdout).toContain('File: /dir\n')
    const cat = seen('cat', 'image', '/none', '/dir', '/dir/inside')
    expect(cat).toMatchObject({
      status: 1,
      stderr: `${missing}umlcow: image: /dir is a directory in the file system\n`,
    })
    expect(cat.stdout.length).toBe(600_000)
  })

  test('take options that change nothing here', () => {
    const { cwd } = makeImage()
    const lines = umlcow(['ls', '-l', 'image'], { cwd }).stdout
    expect(umlcow(['ls', '-n', 'image'], { cwd }).stdout).toBe(lines)
    expect(umlcow(['ls', '-n', '--names', 'image'], { cwd }).status).toBe(64)
    expect(umlcow(['df', '-P', 'image'], { cwd }).stdout).toBe(umlcow(['df', 'image'], { cwd }).stdout)
  })
})

describe('tar', () => {
  test('ends without a word when its reader has gone', () => {
    const hand = new HandExt(512)
    for (let block = 100; block < 300; block++) hand.block(block).fill(block)
    hand.file('large', 12, { size: 204_800, flags: 0x80000, map: extentNode(0, [[0, 200, 100]]) })
    const cwd = temporaryDirectory()
    writeFileSync(path.join(cwd, 'image'), hand.bytes)
    const outcome = shell('{ umlcow tar image; echo $? >&2; } | head -c 1', cwd)
    expect(outcome).toMatchObject({ stdout: '.', stderr: '1\n' })
  })
})

describe('ls', () => {
  test('prints names escaped, and with --null as they are', () => {
    const { cwd } = makeImage()
    expect(umlcow(['ls', 'image'], { cwd })).toMatchObject({ status: 0, stdout: 'a\\x1b[2J\ndir\n', stderr: '' })
    expect(umlcow(['ls', '-R0', 'image'], { cwd }).stdout).toBe('/a\x1b[2J\0/dir\0/dir/inside\0')
  })

  test('prints headers for several directories, and totals with -l', () => {
    const { cwd } = makeImage()
    expect(umlcow(['ls', '-R', 'image'], { cwd }).stdout).toBe('/:\na\\x1b[2J\ndir\n\n/dir:\ninside\n')
    const lines = umlcow(['ls', '-lhi', '--time-style', 'iso', 'image', 'dir/inside', '/dir'], { cwd }).stdout
    const inside = '14 -rw-r--r-- 1 0 0 586K 1970-01-01  '
    expect(lines).toBe(`${inside}dir/inside\n\n/dir:\ntotal 1.0K\n${inside}inside\n`)
  })

  test('colours names when asked', () => {
    const { cwd } = makeImage()
    expect(umlcow(['ls', '--color', 'always', '--type', 'd', 'image'], { cwd }).stdout).toContain('mdir\x1b[0m\n')
  })

  test.each([
    [['-0', '-l'], '--null prints paths only: it does not support --long'],
    [['-0', '--json'], '--null prints paths only: it does not support --json'],
    [['-S', '-t'], '--sort-size does not support --sort-time'],
    [['--type', 'x'], '"x" is none of f, d, l'],
    [['--newer', 'today'], 'Give a date'],
  ])('refuses %j', (args, message) => {
    const { cwd } = makeImage()
    const outcome = umlcow(['ls', ...args, 'image'], { cwd })
    expect(outcome.status).toBe(64)
    expect(outcome.stderr).toContain(message)
  })
})

describe('cat', () => {
  test('prints holes as zeros', () => {
    const { cwd } = makeImage()
    expect(umlcow(['cat', 'image', 'dir/inside'], { cwd }).stdout).toBe('\0'.repeat(600_000))
  })
})

test('a file system without a known type is no input', () => {
  const { cwd } = makeImage()
  writeFileSync(path.join(cwd, 'empty'), Buffer.alloc(65_536))
  for (const args of [['ls'], ['df'], ['cat', '/x'], ['stat', '/x']]) {
    expect(umlcow([args[0]!, 'empty', ...args.slice(1)], { cwd }).status).toBe(63)
  }
})

test('damage is shown with --force=damage, and a warning says so', () => {
  const { cwd, hand } = makeImage()
  hand.field(4, 300)
  writeFileSync(path.join(cwd, 'image'), hand.bytes)
  const warning = `umlcow: warning: the file system has ${300 * 1024} bytes, its image only ${256 * 1024}\n`
  for (const args of [
    ['ls', 'image', 'dir'],
    ['cat', 'image', 'dir/inside'],
    ['stat', 'image', '/'],
  ]) {
    expect(umlcow(args, { cwd }).status).toBe(1)
    expect(umlcow([...args, '--force=damage'], { cwd })).toMatchObject({ status: 0, stderr: warning })
  }
  expect(umlcow(['df', '--force=damage', 'image'], { cwd }).stdout).toContain('note: the file system has')
})

test('df prints two lines that programs can read, then the rest', () => {
  const { cwd } = makeImage()
  const lines = umlcow(['df', 'image'], { cwd }).stdout.split('\n')
  expect(lines[0]).toBe('Filesystem 1024-blocks Used Available Capacity Mounted on')
  expect(lines[1]).toBe('image              243  243         0     100% -')
  expect(lines.slice(2, 5)).toEqual(['', 'file system: ext4, was not unmounted', 'label: none'])
  expect(umlcow(['df', '-i', '-h', 'image'], { cwd }).stdout).toContain('image          32    32     0  100% -')
})
