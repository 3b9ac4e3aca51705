import { readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { deflateRawSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { UmlcowError } from '../../../src/errors.js'
import { parseQcow2Header } from '../../../src/formats/qcow2/index.js'
import { checkQcow2 } from '../../../src/images/qcow2/check/check-qcow2.js'
import { openQcow2Image } from '../../../src/images/qcow2/qcow2-image.js'
import { createQcow2Sink } from '../../../src/images/qcow2/qcow2-sink.js'
import { openRawImage } from '../../../src/images/raw-image.js'
import { openMemoryStore } from '../../../src/stores/memory-store.js'
import { convert } from '../../../src/verbs/convert/index.js'
import { amount, diceFor, tally } from '../../support/amount.js'
import type { Dice } from '../../support/generate.js'
import { temporaryDirectory } from '../../support/paths.js'
import { makeSinkScene, type SinkScene } from '../../support/qcow2-sink-scene.js'

/**
 * What the format cannot show in the header: the size, as many values fit the same tables, and the path of the backing
 * file with its format.
 */
const unprotected = [
  [24, 32],
  [104, 512],
] as const

async function imageOf(scene: SinkScene): Promise<Uint8Array> {
  const store = openMemoryStore(new Uint8Array(0), 'image')
  const compress = (cluster: Uint8Array) => deflateRawSync(cluster, { windowBits: 12 })
  await scene.fill(createQcow2Sink(store, { ...scene.options, compress: scene.isCompressed ? compress : undefined }))
  return store.bytes()
}

/** Offsets of all bytes of tables: entries that are not in the clusters of data. */
async function tableBytes(file: Uint8Array): Promise<number[]> {
  const { clusterSize } = parseQcow2Header(file.subarray(0, 4136), { fileSize: file.length })
  const found: number[] = []
  const data = new Set<number>()
  const header = parseQcow2Header(file.subarray(0, 4136), { fileSize: file.length })
  const store = openMemoryStore(file)
  const { openClusterMap } = await import('../../../src/images/qcow2/cluster-map.js')
  const map = openClusterMap(store, header)
  for (let at = 0; at < header.virtualSize; ) {
    const run = await map.firstRun(at, header.virtualSize)
    if (run.kind === 'data') {
      for (let o = run.offset; o < run.offset + run.end - run.start; o += 512) data.add(Math.floor(o / clusterSize))
    } else if (run.kind === 'compressed') {
      for (let o = run.place.offset; o < run.place.end; o += 512) data.add(Math.floor(o / clusterSize))
      data.add(Math.floor((run.place.end - 1) / clusterSize))
    }
    at = run.end
  }
  for (let at = 0; at < file.length; at++) {
    const free = unprotected.some(([start, end]) => at >= start && at < end)
    if (!free && !data.has(Math.floor(at / clusterSize))) found.push(at)
  }
  return found
}

/**
 * Damage some bytes of tables, where the format can show it. It cannot for the flag "reads as zeros" of an entry, and for
 * the place of a compressed cluster inside its cluster of the file: refcounts count clusters, and nothing has a checksum.
 */
function damage(dice: Dice, file: Uint8Array, places: readonly number[]): Uint8Array {
  const bytes = Uint8Array.from(file)
  const used = places.filter((at) => bytes[at] !== 0)
  for (let i = 0; i <= dice.below(3); i++) {
    const at = dice.pick(dice.below(3) === 0 ? places : used)
    if (at % 8 >= 6 && (bytes[at - (at % 8)]! & 0xc0) === 0x40) continue
    const value = dice.below(2) === 0 ? dice.below(256) : bytes[at]! ^ (1 << dice.below(8))
    bytes[at] = at % 8 === 7 ? value - (value % 2) + (bytes[at]! % 2) : value
  }
  return bytes
}

type Outcome = 'refused' | 'reported' | 'right' | 'wrong'

async function outcomeOf(bytes: Uint8Array, scene: SinkScene): Promise<Outcome> {
  try {
    const header = parseQcow2Header(bytes.subarray(0, 4136), { fileSize: bytes.length })
    const report = await checkQcow2(openMemoryStore(bytes, 'image'), header)
    if (header.corrupt || header.dirty || Object.values(report.counts).some((count) => count > 0)) return 'reported'
    const below = scene.backing === null ? null : openRawImage(openMemoryStore(scene.backing))
    const image = openQcow2Image(openMemoryStore(bytes, 'image'), header, below)
    const content = new Uint8Array(image.virtualSize)
    await image.read(0, content)
    return Buffer.compare(content, scene.content) === 0 ? 'right' : 'wrong'
  } catch (error) {
    if (error instanceof UmlcowError) return 'refused'
    throw error
  }
}

/** Convert a damaged image of a file. A warning counts as a report. */
async function outcomeOfConvert(bytes: Uint8Array, directory: string, scene: SinkScene): Promise<Outcome> {
  const [image, raw] = [path.join(directory, 'image'), path.join(directory, 'raw')]
  writeFileSync(image, bytes)
  try {
    const { warnings } = await convert(image, raw, { inputFormat: 'qcow2', noSync: true, overwrite: true })
    if (Buffer.compare(readFileSync(raw), scene.content) === 0) return 'right'
    return warnings.length > 0 ? 'reported' : 'wrong'
  } catch (error) {
    if (error instanceof UmlcowError) return 'refused'
    throw error
  }
}

describe('damaged tables of qcow2', () => {
  it('never give wrong data that convert takes for right', async () => {
    const counts = { refused: 0, reported: 0, right: 0, wrong: 0 }
    const directory = temporaryDirectory()
    for (let i = 0; i < amount({ quick: 3, deep: 50 }); i++) {
      const dice = diceFor(`damaged qcow2 to convert ${i}`)
      const scene = makeSinkScene(dice, { small: true })
      if (scene.backing !== null) writeFileSync(path.join(directory, 'below'), scene.backing)
      const file = await imageOf(scene)
      const places = await tableBytes(file)
      for (let n = 0; n < amount({ quick: 8, deep: 40 }); n++) {
        const outcome = await outcomeOfConvert(damage(dice, file, places), directory, scene)
        counts[outcome]++
        expect({ image: i, n, name: scene.name, outcome }).not.toMatchObject({ outcome: 'wrong' })
      }
    }
    tally('damaged qcow2 images converted', counts.refused + counts.reported + counts.right, counts)
  })

  it('never give wrong data that neither a read nor a check reports', async () => {
    const counts = { refused: 0, reported: 0, right: 0, wrong: 0 }
    const images = amount({ quick: 6, deep: 50 })
    for (let i = 0; i < images; i++) {
      const dice = diceFor(`damaged qcow2 ${i}`)
      const scene = makeSinkScene(dice, { small: true })
      const file = await imageOf(scene)
      const places = await tableBytes(file)
      for (let n = 0; n < amount({ quick: 10, deep: 40 }); n++) {
        const outcome = await outcomeOf(damage(dice, file, places), scene)
        counts[outcome]++
        expect({ image: i, n, name: scene.name, outcome }).not.toMatchObject({ outcome: 'wrong' })
      }
    }
    tally('damaged qcow2 images', counts.refused + counts.reported + counts.right, counts)
  })

  it('never crash a reader, wherever the damage is', async () => {
    for (let i = 0; i < amount({ quick: 5, deep: 50 }); i++) {
      const dice = diceFor(`rubbish in qcow2 ${i}`)
      const scene = makeSinkScene(dice, { small: true })
      const file = await imageOf(scene)
      const all = Array.from({ length: Math.min(file.length, 100_000) }, (_, at) => at)
      for (let n = 0; n < 10; n++) {
        const bytes = damage(dice, file, all)
        expect(
          typeof (await outcomeOf(bytes.subarray(0, bytes.length - dice.below(2) * dice.below(bytes.length)), scene)),
        ).toBe('string')
      }
    }
  })
})
