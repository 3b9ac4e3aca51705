import { createHash } from 'node:crypto'
import { openAsBlob } from 'node:fs'
import path from 'node:path'
import vm from 'node:vm'
import { rolldown } from 'rolldown'
import { beforeAll, describe, expect, test } from 'vitest'
import { unpackPair } from '../fixtures/unpack.js'
import type * as Core from '../src/core.js'
import { root, temporaryDirectory } from './support/paths.js'

/** What the web and Node have in common, and the core may use. The context has the language's own globals already. */
const webGlobals = { AbortSignal, Blob, CompressionStream, performance, setTimeout, TextDecoder, TextEncoder }

/** The core as one script, with its exports in `core`. */
async function bundleCore(): Promise<string> {
  const bundle = await rolldown({ input: path.join(root, 'src/core.ts'), platform: 'browser', logLevel: 'silent' })
  const { output } = await bundle.generate({ format: 'iife', name: 'core' })
  await bundle.close()
  expect(output).toHaveLength(1)
  expect([output[0].imports, output[0].dynamicImports]).toEqual([[], []])
  return output[0].code
}

describe('the core outside Node', () => {
  let core: typeof Core
  /** In the context: its arrays are not those of the test. */
  let newBytes: (length: number) => Uint8Array

  beforeAll(async () => {
    const context = vm.createContext({ ...webGlobals })
    vm.runInContext(await bundleCore(), context)
    core = context['core']
    newBytes = vm.runInContext('(length) => new Uint8Array(length)', context)
    expect(vm.runInContext('[typeof Buffer, typeof process, typeof require, typeof setImmediate]', context)).toEqual(
      Array(4).fill('undefined'),
    )
  })

  async function openPair(kind: string) {
    const { paths, overlays } = unpackPair(kind, temporaryDirectory())
    const overlay = core.openBlobStore(await openAsBlob(paths.overlays[0]!), 'cow')
    const head = newBytes(core.maxHeaderSize)
    await core.readPadded(overlay, 0, head)
    const header = core.parseCowHeader(head, { fileSize: overlay.size })
    const guestSha256 = overlays[0]!.guestSha256 ?? overlays[0]!.mergedSha256
    const backing = core.openBlobStore(await openAsBlob(paths.backing), 'root_fs')
    return { overlay, header, backing, guestSha256 }
  }

  test.each(['ext4', 'odd', 'v1-hybrid', 'v3-partial-sector'])('reads what the guest of %s saw', async (kind) => {
    const { overlay, header, backing, guestSha256 } = await openPair(kind)
    const image = core.openCowImage(overlay, header, core.openRawImage(backing))
    const sha256 = createHash('sha256')
    const piece = newBytes(100_000)
    for (let at = 0; at < image.virtualSize; at += piece.length) {
      const part = piece.subarray(0, Math.min(piece.length, image.virtualSize - at))
      await image.read(at, part)
      sha256.update(part)
    }
    await image.close()
    expect(sha256.digest('hex')).toBe(guestSha256)
  })

  test('merges into a store', async () => {
    const { overlay, header, backing, guestSha256 } = await openPair('odd')
    const merged = core.openMemoryStore(newBytes(header.virtualSize))
    const layers = { overlay: { store: overlay, header, layout: core.computeLayout(header) }, backing }
    await core.executeSteps(core.planMerge(layers, { store: merged, keepHoles: true }))
    expect(createHash('sha256').update(merged.bytes()).digest('hex')).toBe(guestSha256)
  })

  test('reads the files of an image', async () => {
    const { overlay, header, backing } = await openPair('ext4')
    const files = await core.openExt(core.openCowImage(overlay, header, core.openRawImage(backing)))
    const path = newBytes(9)
    path.set(Buffer.from('/etc/motd'))
    const file = await files.lookup(path)
    const content = newBytes(file.size)
    expect(await files.read(file, 0, content)).toBe(content.length)
    const names: string[] = []
    for await (const batch of files.entries(await files.lookup(path.subarray(0, 5)))) {
      names.push(...batch.map(({ name }) => new TextDecoder().decode(name)))
    }
    expect([names, content.length, files.findings.length]).toEqual([['motd', 'link'], 23, 0])
  })

  test('reads the archive that it has written', async () => {
    const path = newBytes(2).fill(0x61)
    const facts = { mode: 0o644, uid: 1, gid: 2, mtimeNs: 5n, device: null, linkTarget: null, hardLinkTo: null }
    const entry = { ...facts, path, type: 'file' as const, size: 3, xattrs: null }
    async function* items() {
      yield {
        entry,
        content: (async function* () {
          yield newBytes(3).fill(7)
        })(),
      }
    }
    for (const [read, write] of [
      [core.readTar, core.writeTar],
      [core.readCpio, core.writeCpio],
    ] as const) {
      const found: [string, number[]][] = []
      for await (const item of read(write(items()))) {
        const bytes: number[] = []
        for await (const piece of item.content ?? []) bytes.push(...piece)
        found.push([new TextDecoder().decode(item.entry.path), bytes])
      }
      expect(found).toEqual([['aa', [7, 7, 7]]])
    }
  })

  test('refuses what is no overlay with its own error', async () => {
    const { backing } = await openPair('odd')
    const head = newBytes(core.maxHeaderSize)
    await core.readExact(backing, 0, head)
    expect(() => core.parseCowHeader(head)).toThrow(expect.objectContaining({ code: 'NOT_COW' }))
  })
})
