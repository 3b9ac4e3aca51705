import { spawnSync } from 'node:child_process'
import { existsSync, lstatSync, readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, test } from 'vitest'
import { fileSystemUsage, listFiles, statFiles } from '../../src/index.js'
import { diceFor, sampleOf } from '../support/amount.js'
import { commandPath, umlcow } from '../support/command.js'
import { debugfs, extConfigs, makeExtImage, makeExtTree } from '../support/ext-images.js'
import { lineOf, listedLines } from '../support/ext-listing.js'
import { temporaryDirectory } from '../support/paths.js'
import { havePeers } from '../support/peers.js'

const configs = sampleOf('ext verbs', extConfigs, 1)

function makeImage(name: string): { directory: string; tree: string; image: string } {
  const config = configs.find((one) => one.name === name)!
  const directory = temporaryDirectory()
  const [tree, image] = [path.join(directory, 'tree'), path.join(directory, 'image')]
  makeExtTree(tree, diceFor(name))
  makeExtImage(image, config, tree)
  return { directory, tree, image }
}

/** Lines of `ls -lA`. A directory has another size in the image, which also decides the width of its column. */
function linesOf(text: string, isExact: boolean): string[] {
  const lines = text.split('\n').filter((line) => !/^total |lost\+found$|^$/.test(line))
  if (isExact) return lines
  return lines.map((line) => line.replaceAll(/ +/g, ' ').replace(/^(d\S+ \d+ \d+ \d+) \d+/, '$1'))
}

/** What the command prints, as bytes. */
const aloneIn = (cwd: string, args: readonly string[]) =>
  spawnSync(process.execPath, [commandPath, ...args], { cwd, maxBuffer: 2 ** 28 }).stdout

const gnuLs = (directory: string, args: readonly string[]) =>
  spawnSync('/usr/bin/ls', args, { cwd: directory, encoding: 'utf8', env: { LC_ALL: 'C', TZ: process.env['TZ'] } })
    .stdout

describe.runIf(havePeers('/usr/sbin/mke2fs', '/usr/sbin/debugfs', '/usr/sbin/dumpe2fs', '/usr/bin/ls'))(
  'files in images',
  () => {
    test.each(configs)('are listed as GNU ls and debugfs list them: $name', async ({ name }) => {
      const { directory, tree, image } = makeImage(name)
      // In the locale C, "locale" means the same for both.
      for (const [below, style, isExact] of [
        ['.', 'locale', false],
        ['.', 'iso', false],
        ['many', 'long-iso', true],
      ] as const) {
        const args = ['-lA', `--time-style=${style}`]
        const own = umlcow(['ls', ...args, 'image', below], { cwd: directory }).stdout
        expect(linesOf(own, isExact)).toEqual(linesOf(gnuLs(path.join(tree, below), [...args, '-n']), isExact))
      }
      const ownPaths = aloneIn(directory, ['ls', '-RA0', 'image', '.']).toString('latin1').split('\0')
      const onHost = readdirSync(tree, { recursive: true, encoding: 'latin1' as 'utf8' })
      // Node follows the link to a directory.
      const names = onHost.filter((one) => !one.startsWith('to directory/'))
      const expected = [...names.map((one) => `./${one}`), './lost+found', '']
      expect(ownPaths.sort()).toEqual(expected.sort())

      await using listing = await listFiles(image, { recursive: true, hidden: 'almost-all' })
      const directories: [path: string, lines: string[]][] = []
      for await (const one of listing.directories) {
        const lines = one.files.map((file) => lineOf(file.inode, file.name))
        directories.push([Buffer.from(one.path!).toString('latin1'), lines.sort()])
      }
      const outputs = debugfs(
        image,
        directories.map(([one]) => `ls -l -p "${one}"`),
      )
      expect(directories.map(([, lines]) => lines)).toEqual(outputs.map((output) => listedLines(output).sort()))
    })

    test.each(configs)('have the content and the facts that debugfs shows: $name', async ({ name }) => {
      const { directory, tree, image } = makeImage(name)
      const names = ['size70000', 'sparse', 'fragmented', 'size0', 'size60']
      const printed = aloneIn(directory, ['cat', 'image', ...names])
      const expected = Buffer.concat(names.map((one) => readFileSync(path.join(tree, one))))
      expect(printed.equals(expected)).toBe(true)

      const devices = ['null', 'big'].filter((one) => existsSync(path.join(tree, one)))
      const wanted = [...names, ...devices, 'link60', 'dir', 'mode1', 'fifo']
      const stats = debugfs(
        image,
        wanted.map((one) => `stat ${one}`),
      )
      let index = 0
      for await (const { inode } of statFiles(image, wanted)) {
        const text = stats[index++]!
        const field = (label: string) => Number(new RegExp(`\\b${label}:\\s+(-?\\d+)`).exec(text)?.[1])
        expect([inode.number, inode.size, inode.linkCount, inode.uid | 0, inode.gid | 0, inode.generation]).toEqual(
          ['Inode', 'Size', 'Links', 'User', 'Group', 'Generation'].map(field),
        )
        expect(inode.allocatedSize / 512).toBe(field('Blockcount'))
      }
      expect(index).toBe(wanted.length)
      const { mtime } = lstatSync(path.join(tree, 'mode1'))
      const seconds = mtime.toISOString().slice(0, -'.000Z'.length).replace('T', ' ')
      expect(umlcow(['stat', 'image', 'mode1'], { cwd: directory }).stdout).toContain(`Modify: ${seconds}`)
    })

    test.each(configs)('fill the file system as dumpe2fs says: $name', async ({ name }) => {
      const { image } = makeImage(name)
      const text = spawnSync('/usr/sbin/dumpe2fs', ['-h', image], {
        encoding: 'utf8',
        env: { LC_ALL: 'C', TZ: 'UTC' },
      }).stdout
      const field = (label: string) => new RegExp(`^${label}:\\s+(.*)$`, 'm').exec(text)?.[1]
      const usage = await fileSystemUsage(image)
      const { blockSize } = usage.superblock
      expect(usage.features).toEqual(
        field('Filesystem features')
          ?.split(' ')
          .filter((one) => one !== '(none)'),
      )
      expect(usage.free / blockSize).toBe(Number(field('Free blocks')))
      expect(usage.reserved / blockSize).toBe(Number(field('Reserved block count')))
      expect([usage.inodeCount, usage.freeInodeCount]).toEqual([field('Inode count'), field('Free inodes')].map(Number))
      const overhead = Number(field('Overhead clusters')) * usage.superblock.blocksPerCluster
      expect(usage.size / blockSize).toBe(Number(field('Block count')) - overhead)
      if (usage.superblock.blocksPerCluster > 1) return
      // Older file systems do not say it.
      debugfs(image, ['set_super_value overhead_clusters 0'], ['-w'])
      expect((await fileSystemUsage(image)).size).toBe(usage.size)
    })
  },
)
