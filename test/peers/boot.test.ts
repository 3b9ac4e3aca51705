import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import { listPairs, unpackPair } from '../../fixtures/unpack.js'
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

describe('overlays that a real kernel wrote', () => {
  it('has pairs to merge', () => expect(kernelPairs.map((pair) => pair.kind).sort()).toContain('ext4'))

  for (const pair of kernelPairs) {
    for (const overlay of pair.overlays as OverlayFixture[]) {
      it(`${pair.kind}/${overlay.file} merges into the disk that the guest saw`, () => {
        const { merged } = mergeFixture(pair.kind, overlay.file)
        expect(createHash('sha256').update(readFileSync(merged)).digest('hex')).toBe(overlay.guestSha256)
      })

      it.runIf(peersThere)(
        `${pair.kind}/${overlay.file}: the kernel boots on the merged image and reads the same`,
        () => {
          const { merged } = mergeFixture(pair.kind, overlay.file)
          const { status, facts } = bootOn(merged, overlay.guestSha256)
          expect(facts).toMatchObject({ guest_ok: true, sha256: overlay.guestSha256, as_expected: true })
          expect(status).toBe(0)
          expect(facts.fs_listing_sha256).toBe(overlay.fsListingSha256)
          expect(facts.fs_files).toBe(overlay.fsFiles)
        },
        180_000,
      )
    }
  }
})

function mergeFixture(kind: string, overlay: string): { merged: string } {
  const directory = temporaryDirectory()
  unpackPair(kind, directory)
  const merged = path.join(directory, 'merged.img')
  const outcome = umlcow(['merge', '-b', 'root_fs', overlay, merged], { cwd: directory })
  expect(outcome).toMatchObject({ status: 0, stderr: '' })
  return { merged }
}
