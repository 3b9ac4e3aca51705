import { describe, expect, test } from 'vitest'
import { openExt } from '../../../src/core.js'
import { type ExtItemsOptions, extItems, findExtFiles } from '../../../src/filesystems/ext/items/index.js'
import { withHoles } from '../../../src/formats/manifest/holes.js'
import { extentNode, HandExt } from '../../support/ext-by-hand.js'

const encrypted = 0x800
const extents = 0x80000
const unwritten = 32768

/** The entries of paths, with their content: bytes, and holes as numbers. */
async function itemsOf(hand: HandExt, paths = ['/'], options: ExtItemsOptions = {}) {
  const files = await openExt(hand.open())
  const tops = await findExtFiles(
    files,
    paths.map((path) => Buffer.from(path)),
  )
  const found: { path: string; content: (string | number)[] | null; first: string | null }[] = []
  for await (const { entry, content } of extItems(files, tops, options)) {
    const parts: (string | number)[] = []
    const whole = content?.whole?.() ?? null
    if (whole !== null) parts.push(`whole ${Buffer.from(whole)}`)
    else if (content !== null) {
      for await (const part of content.sparse ? withHoles(content.sparse, entry.size) : content) {
        parts.push(typeof part === 'number' ? part : `${Buffer.from(part)}`)
      }
    }
    const first = entry.hardLinkTo === null ? null : `${Buffer.from(entry.hardLinkTo)}`
    found.push({ path: `${Buffer.from(entry.path)}`, content: content === null ? null : parts, first })
  }
  return found
}

/** A directory at /dir with a file in it, beside a file. */
function handTree(): HandExt {
  const hand = new HandExt()
  hand.block(30).write('content')
  hand.file('last', 13, { size: 7, map: [30] })
  hand.file('dir', 12, { type: 'directory', size: 1024, map: [21] })
  hand.directory(21, [
    ['below', 14],
    ['again', 13],
  ])
  hand.inode(14, { size: 0 })
  hand.record(13).writeUInt16LE(2, 26)
  return hand
}

describe('extItems', () => {
  test('gives a directory before its files, sorted, and the first name of a file before the others', async () => {
    expect(await itemsOf(handTree())).toEqual([
      { path: '', content: null, first: null },
      { path: 'last', content: ['whole content'], first: null },
      { path: 'dir', content: null, first: null },
      { path: 'dir/again', content: null, first: 'last' },
      { path: 'dir/below', content: ['whole '], first: null },
    ])
  })

  test('gives what lies below some paths, each file once', async () => {
    const paths = async (...given: string[]) => (await itemsOf(handTree(), given)).map(({ path }) => path)
    expect(await paths('/dir/', 'last')).toEqual(['dir', 'dir/again', 'dir/below', 'last'])
    expect(await paths('dir/below', '//dir', './dir', '/dir/again')).toEqual(['dir', 'dir/again', 'dir/below'])
    expect(await paths('last', '/')).toEqual(['', 'last', 'dir', 'dir/again', 'dir/below'])
    await expect(paths('none')).rejects.toMatchObject({ code: 'FS_NOT_FOUND' })
    await expect(paths('dir/../last')).rejects.toMatchObject({
      code: 'UNSAFE_PATH',
      message: 'dir/../last: a path of files to copy cannot hold ".."',
    })
  })

  test('names the paths that lie in the directory of another one', async () => {
    const files = await openExt(handTree().open())
    const inside: string[] = []
    const paths = ['dir/below', 'dir', '/dir/', 'last', 'dir//again'].map((path) => Buffer.from(path))
    const tops = await findExtFiles(files, paths, (...both) =>
      inside.push(both.map((one) => `${Buffer.from(one)}`).join()),
    )
    expect(tops.map(({ path }) => `${Buffer.from(path)}`)).toEqual(['dir', 'last'])
    expect(inside).toEqual(['dir/below,dir', 'dir/again,dir'])
  })

  test('gives holes and what was reserved but not written as holes', async () => {
    const hand = new HandExt()
    for (const block of [30, 31, 32]) hand.block(block).fill(`${block % 10}`)
    const map = extentNode(0, [
      [0, 1, 30],
      [1, unwritten + 1, 40],
      [5, 2, 31],
      [9, 1, 33],
    ])
    hand.file('sparse', 12, { size: 6500, flags: extents, map })
    hand.file('all hole', 13, { size: 900, blocks: 0 })
    hand.file('hole at the end', 14, { size: 5000, map: [30] })
    const [, hole, end, sparse] = await itemsOf(hand)
    expect(sparse!.content).toEqual(['0'.repeat(1024), 4096, '1'.repeat(1024) + '2'.repeat(356)])
    expect([hole!.content, end!.content]).toEqual([[900], ['0'.repeat(1024), 3976]])
  })

  test('reads large files in pieces', async () => {
    const hand = new HandExt()
    for (let block = 100; block < 200; block++) hand.block(block).fill(`${block}`)
    hand.file('large', 12, { size: 99_999, flags: extents, map: extentNode(0, [[0, 100, 100]]) })
    const sizes: number[] = []
    const [, large] = await itemsOf(hand, ['/'], { onRead: (bytes) => sizes.push(bytes) })
    expect(large!.content).toEqual([hand.bytes.subarray(102_400, 202_399).toString()])
    expect(sizes).toEqual([99_999])
  })

  test('leaves out what it cannot give, and says so', async () => {
    const hand = new HandExt()
    hand.file('broken type', 12, {})
    hand.record(12).writeUInt16LE(0, 0)
    hand.file('secret', 13, { flags: encrypted, size: 5, map: [30] })
    hand.file('secrets', 14, { type: 'directory', flags: encrypted, size: 1024, map: [31] })
    hand.file('broken link', 15, { type: 'symlink', size: 5, blocks: 0, map: Buffer.from('a\0bcd') })
    const omitted: string[] = []
    const found = await itemsOf(hand, ['/'], { onOmitted: (path, why) => omitted.push(`${Buffer.from(path)}: ${why}`) })
    expect(found.map(({ path }) => path)).toEqual(['', 'secrets'])
    expect(omitted).toEqual(['broken link: damaged', 'broken type: damaged', 'secret: encrypted', 'secrets: encrypted'])
  })

  test('refuses a directory with two names', async () => {
    const hand = handTree()
    hand.directory(21, [['up', 2]])
    await expect(itemsOf(hand)).rejects.toMatchObject({ code: 'FS_DAMAGED' })
  })

  test('gives further names as files again when there are more than the link count says', async () => {
    const hand = handTree()
    hand.directory(
      21,
      ['a', 'b', 'c'].map((name) => [name, 13] as const),
    )
    const names = (await itemsOf(hand)).map(({ path, first }) => `${path} ${first}`)
    expect(names).toEqual([' null', 'last null', 'dir null', 'dir/a last', 'dir/b null', 'dir/c dir/b'])
  })
})
