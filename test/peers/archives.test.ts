import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import { readCpio } from '../../src/formats/cpio/index.js'
import type { ManifestItem } from '../../src/formats/manifest/index.js'
import { readTar } from '../../src/formats/tar/index.js'
import { writeDirectory } from '../../src/trees/kinds/directory/sink.js'
import { importHumfs } from '../../src/trees/transfer/import-humfs.js'
import { scratchDirectory } from '../support/humfs-tree.js'
import { cut, readAll } from '../support/manifest-entries.js'
import { havePeers } from '../support/peers.js'

const tar = '/usr/bin/tar'
const bsdtar = '/usr/bin/bsdtar'
const cpio = '/usr/bin/cpio'

function run(program: string, args: readonly string[], cwd: string, input: string | Uint8Array = ''): Buffer {
  const env = { ...process.env, LC_ALL: 'C', TZ: 'UTC' }
  const done = spawnSync(program, args, { cwd, input, env, timeout: 60_000, maxBuffer: 2 ** 27 })
  expect(done.status, `${program} ${args.join(' ')}: ${done.stderr}`).toBe(0)
  return done.stdout
}

/** A directory with these files. */
function filesIn(files: Readonly<Record<string, string>>): string {
  const top = scratchDirectory()
  for (const [name, text] of Object.entries(files)) {
    fs.mkdirSync(path.dirname(path.join(top, name)), { recursive: true })
    fs.writeFileSync(path.join(top, name), text)
  }
  return top
}

/** The names below a directory, with their content and the names of the same file. */
function treeOf(top: string): Record<string, string> {
  const names = fs.readdirSync(top, { recursive: true, encoding: 'utf8' }).sort()
  const inode = (name: string) => fs.lstatSync(path.join(top, name)).ino
  return Object.fromEntries(
    names.map((name) => {
      const place = path.join(top, name)
      if (fs.statSync(place).isDirectory()) return [name, 'directory']
      const same = names.filter((other) => inode(other) === inode(name))
      return [name, `${fs.readFileSync(place, 'latin1')} ${same.join(' ')}`]
    }),
  )
}

/** Unpack with GNU tar and with umlcow, and compare. */
async function expectAsTar(archive: Uint8Array): Promise<void> {
  const top = scratchDirectory()
  fs.mkdirSync(path.join(top, 'theirs'))
  run(tar, ['-xf', '-', '-C', 'theirs'], top, archive)
  await writeDirectory(readTar(cut(archive, 4096)), path.join(top, 'ours'), { noSync: true })
  const theirs = treeOf(path.join(top, 'theirs'))
  expect(Object.keys(theirs).length).toBeGreaterThan(0)
  expect(treeOf(path.join(top, 'ours'))).toEqual(theirs)
}

const failureOf = async (items: AsyncIterable<ManifestItem>) => readAll(items).catch((error) => error)

describe.runIf(havePeers(tar))('archives of GNU tar', () => {
  it.each(['gnu', 'posix', 'v7'])('with appended entries: %s', async (format) => {
    const top = filesIn({ a: 'one', 'd/f': 'first' })
    fs.linkSync(path.join(top, 'a'), path.join(top, 'b'))
    const append = (...names: string[]) => run(tar, ['-rf', 'x.tar', `--format=${format}`, ...names], top)
    run(tar, ['-cf', 'x.tar', `--format=${format}`, 'a', 'b', 'd'], top)
    fs.rmSync(path.join(top, 'a'))
    fs.writeFileSync(path.join(top, 'a'), 'two')
    append('a')
    fs.writeFileSync(path.join(top, 'd/f'), 'second')
    fs.linkSync(path.join(top, 'a'), path.join(top, 'c'))
    append('d', 'a', 'c')
    fs.rmSync(path.join(top, 'b'))
    fs.linkSync(path.join(top, 'a'), path.join(top, 'b'))
    append('b', 'c', 'a')
    await expectAsTar(fs.readFileSync(path.join(top, 'x.tar')))
  })

  it.each(['gnu', 'posix'])('of an incremental backup: %s', async (format) => {
    const top = filesIn({ 'd/f': 'text', 'd/e/g': 'more' })
    run(tar, ['-cf', 'x.tar', `--format=${format}`, '--listed-incremental=state', 'd'], top)
    await expectAsTar(fs.readFileSync(path.join(top, 'x.tar')))
  })

  it.each(['gnu', 'posix'])('of several volumes are refused by name: %s', async (format) => {
    const top = filesIn({ big: 'x'.repeat(30_000) })
    run(tar, ['-M', '-L', '20', `--format=${format}`, '-cf', 'x.1', 'big'], top, 'n x.2\ny\n')
    const [first, second] = ['x.1', 'x.2'].map((name) => fs.readFileSync(path.join(top, name)))
    expect(await failureOf(readTar([first!]))).toMatchObject({ code: 'TRUNCATED_ARCHIVE' })
    expect(await failureOf(readTar([second!], { name: 'x.2' }))).toMatchObject({
      code: 'ARCHIVE_FEATURE',
      message: expect.stringContaining('x.2: big: continues a file of another volume'),
    })
  })
})

describe.runIf(havePeers(bsdtar, cpio))('archives of cpio', () => {
  const scene = () => {
    const top = filesIn({ a: 'hello', 'd/f': 'other', empty: '' })
    fs.linkSync(path.join(top, 'a'), path.join(top, 'b'))
    fs.linkSync(path.join(top, 'empty'), path.join(top, 'd/empty'))
    return { top, names: 'a\nb\nd\nd/f\nd/empty\nempty\n' }
  }
  const described = async (bytes: Uint8Array) => {
    const items = await readAll(readCpio(cut(bytes, 1000)))
    return items.map(({ entry: { path: name, hardLinkTo }, content }) => `${name} ${hardLinkTo} ${content}`).sort()
  }

  it('with checksums are read as those without', async () => {
    const { top, names } = scene()
    const [newc, crc] = ['newc', 'crc'].map((form) => run(cpio, ['-o', '--quiet', '-H', form], top, names))
    expect(await described(crc!)).toEqual(await described(newc!))
    expect(await described(newc!)).toContain('b a null')
  })

  it.each(['odc', 'bin'])('of an old form are named, and the command of the hint converts them: %s', async (form) => {
    const { top, names } = scene()
    fs.writeFileSync(path.join(top, 'old'), run(cpio, ['-o', '--quiet', '-H', form], top, names))
    const error = await importHumfs(path.join(top, 'old'), null, { from: 'cpio', dryRun: true }).catch(
      (thrown) => thrown,
    )
    expect(error).toMatchObject({ code: 'NOT_ARCHIVE', hint: expect.stringContaining('bsdtar -cf - --format=newc @') })
    const converted = run(bsdtar, ['-cf', '-', '--format=newc', '@old'], top)
    expect((await described(converted)).map((text) => text.split(' ')[0])).toEqual([
      'a',
      'b',
      'd',
      'd/empty',
      'd/f',
      'empty',
    ])
  })

  it('that follow one another are read as one, as those of an initramfs', async () => {
    const { top, names } = scene()
    const [early, main] = ['a\n', names].map((list) => run(cpio, ['-o', '--quiet', '-H', 'newc'], top, list))
    const made = path.join(scratchDirectory(), 'made')
    await writeDirectory(readCpio([Buffer.concat([early!, main!])]), made, { noSync: true })
    expect(treeOf(made)).toMatchObject({ a: 'hello a b', b: 'hello a b', 'd/f': 'other d/f' })
  })
})
