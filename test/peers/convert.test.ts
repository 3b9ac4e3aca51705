import { readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import { convert } from '../../src/verbs/convert/index.js'
import { createQcow2 } from '../../src/verbs/create-qcow2.js'
import { amount, diceFor, runSeed, tally } from '../support/amount.js'
import { contentOf } from '../support/content-of.js'
import { type Dice, type GeneratedPair, generatePair, writePair } from '../support/generate.js'
import { ownSectors } from '../support/own-sectors.js'
import { temporaryDirectory } from '../support/paths.js'
import { havePeers } from '../support/peers.js'
import { makeQcow2, qemuImg, qemuIo, runQemu } from '../support/qcow2-scene.js'

const noSync = { noSync: true }

async function expectSame(file: string, content: Uint8Array, name: string): Promise<void> {
  expect({ name, same: (await contentOf(file)).equals(content) }).toEqual({ name, same: true })
}

function checkByQemu(file: string, raw: string): void {
  runQemu(qemuImg, 'check', '-q', file)
  runQemu(qemuImg, 'compare', '-q', '-f', 'qcow2', '-F', 'raw', file, raw)
}

/** Sectors that a pair supplies and that differ from its backing file. */
function differing({ supplied, backingBytes, merged, sectorSize }: GeneratedPair): number[] {
  const found: number[] = []
  for (let at = 0; at < merged.length; at += 512) {
    if (supplied[Math.floor(at / sectorSize)] !== 1) continue
    const end = Math.min(merged.length, at + 512)
    if (Buffer.from(merged).compare(backingBytes, at, end, at, end) !== 0) found.push(at / 512)
  }
  return found
}

async function roundTrip(dice: Dice, seed: number): Promise<void> {
  const directory = temporaryDirectory()
  const file = (name: string) => path.join(directory, name)
  const clusterSize = 2 ** (9 + dice.below(13))
  const pair = generatePair(seed, { virtualSize: 512 * (1 + dice.below(3000)) })
  const { overlayPath: overlay, backingPath: backing } = writePair(pair, directory)
  const name = `seed ${seed}, ${pair.layout}, clusters of ${clusterSize}`
  await convert(overlay, file('raw'), noSync)
  expect({ name, same: readFileSync(file('raw')).equals(pair.merged) }).toEqual({ name, same: true })
  const qcow2 = { ...noSync, format: 'qcow2', clusterSize } as const
  await convert(overlay, file('over.qcow2'), {
    ...qcow2,
    outputBacking: backing,
    compress: clusterSize >= 4096 && dice.once(3),
  })
  await convert(overlay, file('alone.qcow2'), { ...qcow2, compress: clusterSize >= 4096 && dice.once(3) })
  for (const made of [file('over.qcow2'), file('alone.qcow2')]) {
    checkByQemu(made, file('raw'))
    await expectSame(made, pair.merged, name)
  }
  const cow = { ...noSync, format: 'cow', outputBacking: backing } as const
  await convert(file('over.qcow2'), file('back.cow'), { ...cow, unit: 512 })
  await expectSame(file('back.cow'), pair.merged, name)
  expect({ name, sectors: await ownSectors(file('back.cow')) }).toEqual({ name, sectors: differing(pair) })
  await convert(file('alone.qcow2'), file('other.cow'), { ...cow, unit: 512 })
  expect(await ownSectors(file('other.cow'))).toEqual(differing(pair))
  await convert(file('over.qcow2'), file('pages.cow'), cow)
  await expectSame(file('pages.cow'), pair.merged, name)
}

describe.runIf(havePeers(qemuImg, qemuIo))('convert', () => {
  it('keeps what a guest sees and the sectors that differ, from COW to qcow2 and back', async () => {
    const count = amount({ quick: 2, deep: 500 })
    for (let i = 0; i < count; i++) await roundTrip(diceFor(`round trip ${i}`), runSeed + i)
    tally('overlays converted to qcow2 and back', count)
  })

  it('and create make overlays into which qemu-io writes, read back by both', async () => {
    const directory = temporaryDirectory()
    const file = (name: string) => path.join(directory, name)
    const content = Buffer.alloc(3 * 65536 + 512, 'base')
    writeFileSync(file('base'), content)
    const over = { backing: file('base'), backingFormat: 'raw', noSync: true } as const
    await createQcow2(file('created'), over)
    await convert(file('created'), file('converted'), { ...noSync, format: 'qcow2', outputBacking: file('base') })
    const writes = ['write -P 7 512 1024', 'write -P 8 65024 70144', 'write -z 131072 4096', 'write -P 9 196608 512']
    content.fill(7, 512, 1536).fill(8, 65024, 135168).fill(0, 131072, 135168).fill(9, 196608, 197120)
    writeFileSync(file('expected'), content)
    for (const name of ['created', 'converted']) {
      runQemu(qemuIo, '-f', 'qcow2', ...writes.flatMap((one) => ['-c', one]), file(name))
      checkByQemu(file(name), file('expected'))
      await expectSame(file(name), content, name)
    }
  })

  it('reads every image of qemu-img, and qemu-io writes into what it makes', async () => {
    const directory = temporaryDirectory()
    const file = (name: string) => path.join(directory, name)
    const count = amount({ quick: 2, deep: 500 })
    for (let i = 0; i < count; i++) {
      const scene = makeQcow2(diceFor(`convert qcow2 ${i}`), directory, `q${i}`)
      await convert(scene.image, file(`raw${i}`), noSync)
      expect({ name: scene.name, same: readFileSync(file(`raw${i}`)).equals(scene.content) }).toMatchObject({
        same: true,
      })
      await convert(scene.image, file(`new${i}`), { ...noSync, format: 'qcow2', compress: i % 2 === 1 })
      checkByQemu(file(`new${i}`), file(`raw${i}`))
      const half = Math.floor(scene.content.length / 1024) * 512
      runQemu(qemuIo, '-f', 'qcow2', '-c', `write -P 7 ${half} 512`, file(`new${i}`))
      scene.content.fill(7, half, half + 512)
      await expectSame(file(`new${i}`), scene.content, scene.name)
      runQemu(qemuImg, 'check', '-q', file(`new${i}`))
    }
    tally('qcow2 images of QEMU converted', count)
  })
})
