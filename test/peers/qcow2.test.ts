import { readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import type { Extent } from '../../src/bytes/extents.js'
import { infoDocument } from '../../src/cli/reports/info.js'
import { createQcow2Sink } from '../../src/images/qcow2/qcow2-sink.js'
import { packCluster } from '../../src/machine/pack-cluster.js'
import { openImage } from '../../src/overlays/open-image.js'
import { openMemoryStore } from '../../src/stores/memory-store.js'
import { check } from '../../src/verbs/check/index.js'
import { info } from '../../src/verbs/info.js'
import { map } from '../../src/verbs/map/index.js'
import { collect, expectTiles } from '../images/oracle.js'
import { amount, diceFor, tally } from '../support/amount.js'
import { temporaryDirectory } from '../support/paths.js'
import { havePeers } from '../support/peers.js'
import { makeQcow2, type Qcow2Scene, qemuImg, qemuIo, runQemu } from '../support/qcow2-scene.js'
import { makeSinkScene } from '../support/qcow2-sink-scene.js'

/** The image reads as the plain array does, at random places too, and its extents say nothing wrong. */
async function expectSameAsArray({ image: file, content, name }: Qcow2Scene): Promise<void> {
  const dice = diceFor(name)
  const image = await openImage(file)
  try {
    expect(image.virtualSize).toBe(content.length)
    const all = Buffer.alloc(content.length)
    await image.read(0, all)
    expect({ name, same: all.equals(content) }).toEqual({ name, same: true })
    for (let i = 0; i < 20; i++) {
      const start = dice.below(content.length)
      const part = Buffer.alloc(dice.below(content.length - start + 1))
      await image.read(start, part)
      expect({ name, start, same: part.equals(content.subarray(start, start + part.length)) }).toMatchObject({
        same: true,
      })
    }
    const start = dice.below(content.length)
    const length = dice.below(content.length - start + 1)
    expectTiles(await collect(image.extents(start, length)), start, length)
    expectExtents(await collect(image.extents(0, content.length)), file, content)
  } finally {
    await image.close()
  }
}

function expectExtents(extents: readonly Extent[], file: string, content: Buffer): void {
  expectTiles(extents, 0, content.length)
  const bytes = readFileSync(file)
  for (const { start, length, depth, data, zero, offset } of extents) {
    const part = content.subarray(start, start + length)
    if (zero) expect(part.every((byte) => byte === 0)).toBe(true)
    if (depth > 0 || !data || offset === undefined) continue
    const stored = Buffer.alloc(length)
    bytes.copy(stored, 0, offset, offset + length)
    expect(stored.equals(part)).toBe(true)
  }
}

describe.runIf(havePeers(qemuImg, qemuIo))('qcow2 images of QEMU', () => {
  it('read as a plain array, and a check counts what qemu-img check counts', async () => {
    const directory = temporaryDirectory()
    const count = amount({ quick: 6, deep: 500 })
    for (let i = 0; i < count; i++) {
      const scene = makeQcow2(diceFor(`qcow2 ${i}`), directory, `q${i}`)
      await expectSameAsArray(scene)
      const theirs = JSON.parse(runQemu(qemuImg, 'check', '--output=json', scene.image))
      const { qcow2, findings } = await check(scene.image)
      expect({ name: scene.name, findings }).toEqual({ name: scene.name, findings: [] })
      expect({ name: scene.name, end: qcow2!.imageEndOffset, ...qcow2 }).toMatchObject({
        end: theirs['image-end-offset'],
        totalClusters: theirs['total-clusters'],
        allocatedClusters: theirs['allocated-clusters'] ?? 0,
        compressedClusters: theirs['compressed-clusters'] ?? 0,
        fragmentedClusters: theirs['fragmented-clusters'] ?? 0,
      })
    }
    tally('qcow2 images of QEMU', count)
  })
})

describe.runIf(havePeers(qemuImg))('qcow2 images of the sink', () => {
  it('are clean for qemu-img check, and qemu-img reads the same bytes', async () => {
    const directory = temporaryDirectory()
    const count = amount({ quick: 5, deep: 500 })
    for (let i = 0; i < count; i++) {
      const scene = makeSinkScene(diceFor(`sink of qcow2 ${i}`))
      const store = openMemoryStore()
      const compress = scene.isCompressed ? packCluster : undefined
      await scene.fill(createQcow2Sink(store, { ...scene.options, compress }))
      const [image, raw] = [path.join(directory, 'image'), path.join(directory, 'raw')]
      writeFileSync(image, store.bytes())
      if (scene.backing !== null) writeFileSync(path.join(directory, 'below'), scene.backing)
      // One leaked or damaged cluster gives another exit status.
      runQemu(qemuImg, 'check', '-q', image)
      runQemu(qemuImg, 'convert', '-O', 'raw', image, raw)
      expect({ name: scene.name, same: readFileSync(raw).equals(scene.content) }).toMatchObject({ same: true })
    }
    tally('qcow2 images of the sink', count)
  })
})

type Json = Record<string, unknown>

describe.runIf(havePeers(qemuImg, qemuIo))('JSON of qcow2 images', () => {
  it('has the keys and values of qemu-img info and qemu-img map', async () => {
    const directory = temporaryDirectory()
    for (let i = 0; i < amount({ quick: 2, deep: 60 }); i++) {
      const { image } = makeQcow2(diceFor(`qcow2 as JSON ${i}`), directory, `j${i}`)
      if (i % 2 === 0 && countsManyUsers(image)) runQemu(qemuImg, 'snapshot', '-c', 'first', image)
      const theirs: Json = JSON.parse(runQemu(qemuImg, 'info', '--output=json', image))
      const { 'format-specific': ours, ...common } = infoDocument(await info(image)) as Json & {
        'format-specific': Json
      }
      const { 'format-specific': specific, snapshots = [], ...others } = theirs
      expect(common).toMatchObject(others)
      expect(ours).toMatchObject(specific as Json)
      // umlcow does not read how many instructions a guest ran.
      for (const [n, { icount: _, ...snapshot }] of (snapshots as Json[]).entries()) {
        expect((common['snapshots'] as Json[])[n]).toEqual(snapshot)
      }
      expect(await mapOf(image)).toEqual(joined(JSON.parse(runQemu(qemuImg, 'map', '--output=json', image))))
    }
  })
})

/** A snapshot doubles the users of a cluster, which packed clusters share. Short refcounts cannot count so far. */
function countsManyUsers(image: string): boolean {
  const header = readFileSync(image)
  const isVersion2 = header.readUInt32BE(4) === 2
  const refcountOrder = header.readUInt32BE(96)
  return isVersion2 || refcountOrder >= 4
}

interface MapLine {
  readonly start: number
  readonly length: number
  readonly depth: number
  readonly zero: boolean
  readonly data: boolean
  readonly offset?: number
}

async function mapOf(image: string): Promise<MapLine[]> {
  const found = await map(image)
  const lines = await collect(found.extents)
  await found.close()
  return joined(lines)
}

/** What both can know: zeros have no place here, and no layer, as QEMU counts those behind the end of a file otherwise. */
function joined(lines: readonly MapLine[]): MapLine[] {
  const found: MapLine[] = []
  for (const { start, length, depth, zero: isZero, data, offset } of lines) {
    // QEMU looks for holes of the host in data, too.
    const zero = isZero && !data
    const plain = { depth: zero ? 0 : depth, zero, data }
    const place = data && offset !== undefined ? { offset } : {}
    const last = found.at(-1)
    const goesOn =
      last !== undefined &&
      last.depth === plain.depth &&
      last.zero === zero &&
      last.data === data &&
      (last.offset === undefined ? undefined : last.offset + last.length) === place.offset
    if (goesOn) found[found.length - 1] = { ...last, length: last.length + length }
    else found.push({ start, length, ...plain, ...place })
  }
  return found
}
