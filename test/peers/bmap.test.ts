import { execFileSync, spawnSync } from 'node:child_process'
import { closeSync, ftruncateSync, openSync, readFileSync, statSync, writeFileSync, writeSync } from 'node:fs'
import path from 'node:path'
import { gzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { convert, map, writeBmap } from '../../src/index.js'
import { diceFor } from '../support/amount.js'
import { noise } from '../support/byte-streams.js'
import { temporaryDirectory } from '../support/paths.js'
import { havePeers } from '../support/peers.js'

const bmaptool = '/usr/bin/bmaptool'
const qemuImg = '/usr/bin/qemu-img'

const rangesOf = (file: string) => readFileSync(file, 'latin1').match(/<Range .*/g)

/** A sparse image of whole sectors, and a copy without its holes, as it is and compressed. */
function makeScene() {
  const directory = temporaryDirectory()
  const file = (name: string) => path.join(directory, name)
  const dice = diceFor('bmaptool')
  const fd = openSync(file('disk.img'), 'w')
  ftruncateSync(fd, 2 ** 21 + 512)
  for (const start of [0, 40_960, 2 ** 20, 2 ** 21]) writeSync(fd, noise(dice, 512), 0, 512, start)
  writeSync(fd, Buffer.alloc(12_288), 0, 12_288, 2 ** 19)
  closeSync(fd)
  const image = readFileSync(file('disk.img'))
  writeFileSync(file('full.img'), image)
  writeFileSync(file('full.img.gz'), gzipSync(image))
  return { file, image }
}

describe.skipIf(!havePeers(bmaptool, qemuImg, '/usr/sbin/filefrag'))('bmap files beside bmaptool', () => {
  it('have the same ranges and digests, and each reads those of the other', async () => {
    const { file, image } = makeScene()
    await writeBmap(file('disk.img'), file('ours.bmap'))
    execFileSync(bmaptool, ['-q', 'create', '-o', file('theirs.bmap'), file('disk.img')])
    expect(rangesOf(file('ours.bmap'))).toEqual(rangesOf(file('theirs.bmap')))
    expect(rangesOf(file('ours.bmap'))?.length).toBe(5)
    for (const name of ['full.img', 'full.img.gz']) {
      execFileSync(bmaptool, ['-q', 'copy', '--bmap', file('ours.bmap'), file(name), file('out')])
      expect(readFileSync(file('out')).equals(image)).toBe(true)
      const options = { bmap: file('theirs.bmap'), overwrite: true, noSync: true }
      await convert(file(name), file('out'), options)
      expect(readFileSync(file('out')).equals(image)).toBe(true)
      expect(statSync(file('out')).blocks * 512).toBeLessThan(2 ** 17)
    }
    const text = readFileSync(file('ours.bmap'), 'latin1')
    writeFileSync(file('ours.bmap'), text.replace(/chksum="../, 'chksum="zz'))
    const damaged = ['-q', 'copy', '--bmap', file('ours.bmap'), file('full.img'), file('out')]
    expect(spawnSync(bmaptool, damaged).status).not.toBe(0)
  })

  it('map with holes has the extents of qemu-img map', async () => {
    const { file } = makeScene()
    const theirs = JSON.parse(
      execFileSync(qemuImg, ['map', '--output=json', '-f', 'raw', file('disk.img')], { encoding: 'utf8' }),
    )
    const found = await map(file('disk.img'), { holes: true })
    const ours = []
    for await (const { present = true, ...extent } of found.extents) ours.push({ ...extent, present })
    await found.close()
    const withoutNewer = theirs.map(({ compressed: _, ...extent }: Record<string, unknown>) => extent)
    expect(ours).toEqual(withoutNewer)
  })
})
