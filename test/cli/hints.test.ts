import { copyFileSync, mkdirSync, truncateSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { gzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { umlcow } from '../support/command.js'
import { expectPlainFailure, makeScene, namesIn, writeOverlay } from './scene.js'

/** `cow` on `root_fs`, and compressed and foreign files with names that say what they are. */
function scene(): string {
  const { directory, cow } = makeScene()
  const inside = (name: string) => path.join(directory, name)
  writeFileSync(inside('cow.gz'), gzipSync('x'.repeat(5000)))
  writeFileSync(inside('root_fs.zst'), Buffer.concat([Buffer.from('28b52ffd', 'hex'), Buffer.alloc(40_000)]))
  writeFileSync(inside('image.qcow2'), Buffer.concat([Buffer.from('QFI\xfb', 'latin1'), Buffer.alloc(40_000)]))
  copyFileSync(cow, inside('other'))
  writeFileSync(inside('plain'), 'x'.repeat(5000))
  writeOverlay(inside('moved'), { virtualSize: 512, backing: '/gone' })
  mkdirSync(inside('tree/data'), { recursive: true })
  for (const name of ['file_metadata', 'dir_metadata']) mkdirSync(inside(`tree/${name}`))
  writeFileSync(inside('tree/superblock'), 'version 2\nmetadata shadow_fs\nused 0\ntotal 1\n')
  return directory
}

const overOverlay = /it is the backing file of the overlay (\.\/)?(cow|moved|other): give that one\n$/

describe('a mistake of a new user is answered with the command that was meant', () => {
  it.each<[why: string, args: string, status: number, says: RegExp]>([
    ['the backing file in place of the overlay', 'merge -d root_fs', 63, overOverlay],
    ['the same', 'commit root_fs', 63, overOverlay],
    ['the same', 'reset root_fs', 63, overOverlay],
    ['the same', 'rebase -u -b cow root_fs', 63, overOverlay],
    ['the same', 'moo -d root_fs', 1, overOverlay],
    ['a file that no overlay has', 'merge -d plain', 63, /give the overlay \(the COW file\), not its backing file\n$/],
    [
      'a backing file that has moved',
      'merge moved out',
      1,
      /"\/gone" does not exist\numlcow: -b FILE says where it is now\n$/,
    ],
    ['the same', 'moo moved out', 1, /umlcow: -b FILE says where it is now\n$/],
    ['the same', 'map moved', 1, /umlcow: -b FILE says where it is now; --no-backing goes on without it\n$/],
    ['the same in place', 'merge -d moved', 1, /say where it is now: umlcow rebase -u -b FILE moved\n$/],
    ['a backing file that is not there', 'merge -b nix cow out', 1, /"nix" does not exist\n$/],
    ['a tree from a pipe', 'humfs info -', 64, /DIR: "-" is no directory\numlcow: give the name of a directory/],
    ['a tree from a pipe', 'humfs import --from mtree --tree - x y', 64, /--tree: "-" is no directory\n/],
    [
      'export swapped',
      'humfs export --to tar tree new',
      63,
      /OUTPUT comes first: umlcow humfs export --to tar new tree\n$/,
    ],
    ['a plain directory', 'humfs export --to tar new .', 63, /\numlcow: --from directory reads a plain directory\n$/],
    ['import swapped', 'humfs import --from tar new cow', 4, /INPUT comes first: .* import --from tar cow new\n$/],
    ['a tree elsewhere', 'humfsify -r tree', 64, /current directory; for another: umlcow humfs restore tree\n$/],
    ['rebase without options', 'rebase cow', 64, /rebase needs -u and -b NEW/],
    ['a size of humfs', 'humfsify 0 0 8P', 64, /"8P" is not a size of a humfs tree: .* to less than 8192T\n$/],
    [
      'the data of a tree',
      'humfs info tree/data',
      63,
      /part of a humfs tree: give the directory above it, tree\/data\/\.\.\n$/,
    ],
    ['a tree that is not there', 'humfs info nix', 63, /: nix: does not exist\n$/],
    ['a file for a tree', 'humfs info cow', 63, /: cow: is not a directory\n$/],
    ['a tree below', 'humfs info .', 63, /give the directory above that\n$/],
    [
      'an archive inside its tree',
      'humfs export --from directory --to tar tree/data/x tree',
      4,
      /give the output a path outside of it\n$/,
    ],
    [
      'create in the order of mkcow',
      'create c2 root_fs',
      64,
      /is a file, not a size.*\n.*try: umlcow create c2 -b root_fs\n$/,
    ],
    ['create with the size first', 'create 1M new', 64, /the file comes first\numlcow: try: umlcow create new 1M\n$/],
    ['a size that no file can have', 'create new 8P', 64, /"8P" is too large: umlcow takes sizes below 8P/],
    ['mkcow in another order', 'mkcow root_fs new', 1, /the overlay comes first: umlcow mkcow new root_fs\n$/],
    ['mkcow swapped, both are there', 'mkcow root_fs cow', 1, /the overlay comes first: umlcow mkcow NEW root_fs\n$/],
    ['create swapped, both are there', 'create root_fs -b cow', 4, /comes first: umlcow create NEW -b root_fs\n$/],
    ['create swapped', 'create root_fs -b new', 1, /the overlay comes first: umlcow create new -b root_fs\n$/],
    ['a new image in the place of an overlay', 'create cow 1M', 4, /cow: is an overlay; remove it first.*\n$/],
    ['a new image in the place of an overlay', 'merge cow other', 4, /other: is an overlay; remove it first.*\n$/],
    [
      'a new overlay over a backing file',
      'mkcow root_fs cow.gz',
      1,
      /root_fs: is the backing file of the overlay .*\n$/,
    ],
    ['mkcow on a file that is there', 'mkcow cow root_fs', 1, /exists already\numlcow: use -f to replace it\n$/],
    ['merge swapped', 'merge merged cow', 1, /the overlay comes first: umlcow merge cow merged\n$/],
    ['merge swapped, the image is there', 'merge root_fs cow', 63, /the overlay comes first: umlcow merge cow NEW\n$/],
    ['a qcow2 image of a raw one', 'create -f qcow2 --from plain q', 64, /try: umlcow convert -O qcow2 plain q\n$/],
    ['a qcow2 image with --chain', 'create -f qcow2 -b cow -F cow --chain q', 64, /: leave it out; -F cow or -F qcow2/],
    ['a qcow2 image with --fs', 'create -f qcow2 --fs ext4 q 1M', 64, /"umlcow convert -O qcow2 RAW FILE"/],
    ['-F without -b', 'create -f qcow2 -F raw q 1M', 64, /there is none\numlcow: add -b FILE, or leave -F out\n$/],
    ['-F of another format', 'create -f qcow2 -b cow -F qcow2 q', 4, /: name the format that it has: -F cow\n$/],
    ['a raw image of an overlay', 'create --from cow new', 63, /"umlcow merge FILE NEW" makes a raw image of it/],
    ['pack without an output', 'pack cow', 64, /missing required argument 'file'; the order is: pack OUT FILE\.\.\.\n/],
    ['pack swapped', 'pack cow other new', 1, /the output comes first: umlcow pack new cow other\n$/],
    ['pack swapped, all are there', 'pack cow root_fs', 4, /output comes first: umlcow pack NEW cow root_fs\n$/],
    ['unpack into nothing', 'unpack -C nix plain', 63, /plain: is not a pack: it begins as no tar archive/],
    ['moo swapped', 'moo merged cow', 1, /the overlay comes first: umlcow moo cow merged\n$/],
    ['merge from a pipe', 'merge - out', 64, /COW: "-" is no file.*\n.*standard input in a file .*in the place of "-"/],
    ['check from a pipe', 'check -', 64, /FILE: "-" is no file.*\n.*standard input in a file .*in the place of "-"/],
    ['create to a pipe', 'create - 1M', 64, /FILE: "-" is no file.*\numlcow: give the name of a file/],
    ['a picture to a pipe', 'map --svg - cow', 64, /--svg: "-" is no file/],
    ['an empty variable', 'merge -b @ cow', 64, /--backing: is empty\numlcow: is a variable of the shell not set\?/],
    ['an empty variable', 'merge cow @', 64, /TARGET: is empty/],
    ['an empty variable', 'reset --siblings-in @ cow', 64, /--siblings-in: is empty/],
    [
      'a compressed overlay',
      'merge cow.gz out',
      63,
      /it is compressed with gzip\numlcow: unpack it first: "zcat FILE > NEW" does/,
    ],
    [
      'a qcow2 image',
      'reset image.qcow2',
      63,
      /it is a qcow2 image\numlcow: "umlcow convert -O cow .* "umlcow merge IMAGE NEW"/,
    ],
    [
      'a compressed backing file',
      'merge -b root_fs.zst cow out',
      4,
      /root_fs.zst is compressed with zstd: unpack it first/,
    ],
    ['the same in place', 'merge -d -b root_fs.zst cow', 4, /root_fs.zst is compressed with zstd: unpack it first/],
    [
      'an option of the wrong form',
      'merge --force=siblings cow out',
      64,
      /--force=siblings: it is for merging in place: add -d/,
    ],
  ])('%s: %s', (_why, args, status, says) => {
    const directory = scene()
    const before = namesIn(directory)
    const words = args.split(' ').map((word) => (word === '@' ? '' : word))
    const outcome = umlcow(words, { cwd: directory })
    expectPlainFailure(outcome, status)
    expect(outcome.stderr).toMatch(says)
    expect(outcome.stderr).not.toMatch(/use --overwrite/)
    expect(namesIn(directory)).toEqual(before)
  })

  it('a backing file of another size and time: both words of --force are named at once, and together they work', () => {
    const cwd = scene()
    truncateSync(path.join(cwd, 'root_fs'), 600 * 512)
    const { status, stderr } = umlcow(['merge', 'cow', 'out'], { cwd })
    expect(status).toBe(4)
    expect(stderr).toMatch(/--force=size goes on.*\n.*--force=mtime goes on/)
    expect(umlcow(['merge', '--force=size,mtime', 'cow', 'out'], { cwd })).toMatchObject({ status: 0 })
  })

  it.each(['root_fs.zst', 'image.qcow2'])('a backing file that a guest cannot use is a warning: %s', (name) => {
    const outcome = umlcow(['create', 'new', '-b', name], { cwd: scene() })
    expect(outcome).toMatchObject({ status: 0, stderr: expect.stringMatching(/a guest sees these bytes as they are/) })
  })

  it('a file that may be a sibling is named, with the word that helps, also beside a sibling', () => {
    const directory = scene()
    writeFileSync(path.join(directory, 'damaged'), Buffer.from('OOOM\0\0\0\x09 of an unknown version'))
    const { stderr } = umlcow(['merge', '-d', 'cow'], { cwd: directory })
    expect(stderr).toMatch(/damaged: cannot tell whether it is another overlay on /)
    expect(stderr).toMatch(/\numlcow: add --keep-siblings.*\numlcow: .*--force=siblings leaves them as they are/)
  })
})
