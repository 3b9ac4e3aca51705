import path from 'node:path'
import { describe, expect, it } from 'vitest'
import { listPairs, unpackPair } from '../../fixtures/unpack.js'
import { sha256 } from '../cli/scene.js'
import { umlcow } from '../support/command.js'
import { bootOn } from '../support/kernel.js'
import { temporaryDirectory } from '../support/paths.js'
import { havePeers } from '../support/peers.js'

interface OverlayFixture {
  readonly file: string
  readonly guestSha256: string
  readonly fsListingSha256?: string
  readonly fsFiles?: number
}

const kernelPairs = listPairs().filter((pair) => pair.group === 'kernel')
const peersThere = havePeers('/usr/bin/linux.uml', '/usr/bin/busybox', '/usr/bin/python3')

const overlays = kernelPairs.flatMap((pair) =>
  (pair.overlays as OverlayFixture[]).map((overlay) => ({ ...overlay, kind: pair.kind })),
)

describe('overlays that a real kernel wrote', () => {
  it('has pairs to merge', () => expect(kernelPairs.map((pair) => pair.kind).sort()).toContain('ext4'))

  it.each(overlays)('$kind/$file merges into the disk that the guest saw', ({ kind, file, guestSha256 }) => {
    expect(sha256(mergeFixture(kind, file))).toBe(guestSha256)
  })

  it.runIf(peersThere)('the kernel boots on the merged images and reads the same', () => {
    const found = bootOn(...overlays.map(({ kind, file }) => mergeFixture(kind, file)))
    expect(found).toHaveLength(overlays.length)
    for (const [i, { kind, file, guestSha256, fsListingSha256, fsFiles }] of overlays.entries()) {
      expect(found[i], `${kind}/${file}`).toMatchObject({ guest_ok: true, sha256: guestSha256 })
      expect(found[i]?.fs_listing_sha256, `${kind}/${file}`).toBe(fsListingSha256)
      expect(found[i]?.fs_files, `${kind}/${file}`).toBe(fsFiles)
    }
  })
})

function mergeFixture(kind: string, overlay: string): string {
  const directory = temporaryDirectory()
  unpackPair(kind, directory)
  const merged = path.join(directory, 'merged.img')
  const outcome = umlcow(['merge', '-b', 'root_fs', overlay, merged], { cwd: directory })
  expect(outcome).toMatchObject({ status: 0, stderr: '' })
  return merged
}
