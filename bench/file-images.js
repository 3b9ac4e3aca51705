// The images of bench/files.js, by the host's mke2fs.
import { execFileSync } from 'node:child_process'
import { closeSync, copyFileSync, mkdirSync, openSync, readSync, rmSync, writeFileSync, writeSync } from 'node:fs'
import path from 'node:path'
import { mib, randomNumbers } from './shapes.js'

const mke2fs = '/usr/sbin/mke2fs'
const filesPerDirectory = 1000
const blockSize = 4096
/** How the content of every file begins. */
const mark = Buffer.from('the content of file ')

/**
 * Make an ext4 image of small files in directories of 1000.
 *
 * @param {string} image
 * @param {{ files: number, contentSize: number, size: string }} shape  contentSize: most bytes in a file; 0: no content
 */
export function makeFilesImage(image, { files, contentSize, size }) {
  const tree = `${image}.tree`
  mkdirSync(tree)
  for (let file = 0; file < files; file++) {
    const directory = path.join(tree, `directory${Math.floor(file / filesPerDirectory)}`)
    if (file % filesPerDirectory === 0) mkdirSync(directory)
    const content = Buffer.alloc(contentSize === 0 ? 0 : Math.max(mark.length, (file * 1021) % (contentSize + 1)), mark)
    writeFileSync(path.join(directory, `file${file}`), content)
  }
  makeImage(image, tree, size, files + files / filesPerDirectory + 100)
}

/** Make an ext4 image with one file `large` of 1 GiB. @returns  the path of an equal file of the host */
export function makeLargeImage(image) {
  const tree = `${image}.tree`
  mkdirSync(tree)
  const file = openSync(path.join(tree, 'large'), 'w')
  for (let at = 0; at < 1024; at++) writeSync(file, Buffer.alloc(mib, `${at} is the number of this piece. `))
  closeSync(file)
  copyFileSync(path.join(tree, 'large'), `${image}.large`)
  makeImage(image, tree, '1200M', 1000)
  return `${image}.large`
}

function makeImage(image, tree, size, inodes) {
  execFileSync(mke2fs, ['-q', '-F', '-t', 'ext4', '-b', `${blockSize}`, '-N', `${inodes}`, '-d', tree, image, size])
  rmSync(tree, { recursive: true })
}

/** Change one byte in some blocks of files, at random places of an image. @param size  bytes to search */
export function changeBlocks(image, count, size) {
  const random = randomNumbers('changed blocks')
  const file = openSync(image, 'r+')
  const begin = Buffer.alloc(mark.length)
  const changed = new Set()
  while (changed.size < count) {
    const block = random(Math.floor(size / blockSize))
    readSync(file, begin, 0, begin.length, block * blockSize)
    if (!begin.equals(mark)) continue
    writeSync(file, Buffer.from('T'), 0, 1, block * blockSize)
    changed.add(block)
  }
  closeSync(file)
}
