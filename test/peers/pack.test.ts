import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import { listPairs, unpackPair } from '../../fixtures/unpack.js'
import { pack, unpack } from '../../src/index.js'
import { namesIn, sha256 } from '../cli/scene.js'
import { guestPeers, runGuest } from '../support/guest.js'
import { temporaryDirectory } from '../support/paths.js'
import { havePeers } from '../support/peers.js'
import { headerPathOf, makePackScene } from '../verbs/pack/scene.js'

const [tar, bsdtar, lz4, gzip] = ['/usr/bin/tar', '/usr/bin/bsdtar', '/usr/bin/lz4', '/usr/bin/gzip'] as const

/** Run a program that must succeed and complain of nothing. */
function run(program: string, args: readonly string[], input?: Buffer): Buffer {
  const { status, stdout, stderr } = spawnSync(program, args, { input, maxBuffer: 2 ** 26 })
  expect({ program, args, status, stderr: stderr.toString('latin1') }).toMatchObject({ status: 0, stderr: '' })
  return stdout
}

describe.runIf(havePeers(tar, bsdtar, lz4, gzip))('a pack', () => {
  it('is taken apart by lz4, gzip and tar alone', async () => {
    const scene = makePackScene()
    for (const compression of ['lz4', 'gzip', 'none'] as const) {
      await pack(scene.pack, [scene.cow], { compression, noSync: true, overwrite: true })
      const bytes = fs.readFileSync(scene.pack)
      if (compression === 'lz4') run(lz4, ['-t', '-q'], bytes)
      if (compression === 'gzip') run(gzip, ['-t'], bytes)
      const unpackers = { lz4: [lz4, ['-dc']], gzip: [gzip, ['-dc']] } as const
      const [program, args] = compression === 'none' ? [null, []] : unpackers[compression]
      const plain = program === null ? bytes : run(program, args, bytes)
      const listing = run(tar, ['-tvSf', '-'], plain).toString()
      expect(listing.split('\n').map((line) => line.split(/ +/)[5])).toEqual([
        'umlcow-pack.json',
        'root_fs',
        'cow.node0',
        undefined,
      ])
      for (const reader of [tar, bsdtar]) {
        const target = temporaryDirectory()
        run(reader, ['-xSpf', '-', '-C', target], plain)
        expect(namesIn(target)).toEqual(['cow.node0', 'root_fs', 'umlcow-pack.json'])
        for (const file of [scene.cow, scene.backing]) {
          const made = path.join(target, path.basename(file))
          expect(sha256(made)).toBe(sha256(file))
          const facts = (one: string) => {
            const { mtimeNs, mode } = fs.statSync(one, { bigint: true })
            return { mtimeNs, mode }
          }
          expect(facts(made)).toEqual(facts(file))
          expect(fs.statSync(made).blocks).toBeLessThanOrEqual(fs.statSync(file).blocks + 8)
        }
      }
    }
  })

  it('that GNU tar and lz4 make again with the same members is a pack, too', async () => {
    const scene = makePackScene()
    await pack(scene.pack, [scene.cow], { noSync: true })
    const target = temporaryDirectory()
    run(tar, ['-xSpf', '-', '-C', target], run(lz4, ['-dc'], fs.readFileSync(scene.pack)))
    const names = ['umlcow-pack.json', 'root_fs', 'cow.node0']
    const again = run(tar, ['-cSf', '-', '--format=posix', '--sparse-version=1.0', '-C', target, ...names])
    const source = (async function* () {
      yield run(lz4, ['-zc'], again)
    })()
    await unpack({ name: 'again', bytes: source }, { directory: scene.target, noSync: true })
    expect(sha256(path.join(scene.target, 'root_fs'))).toBe(sha256(scene.backing))
  })
})

describe.runIf(havePeers(...guestPeers))('a guest', () => {
  it('boots the unpacked pair at once and reads what it read before', async () => {
    const directory = temporaryDirectory()
    const at = (name: string) => path.join(directory, name)
    unpackPair('ext4', directory)
    const { overlays } = listPairs().find(({ kind }) => kind === 'ext4')!
    fs.mkdirSync(at('target'))
    await pack(at('x.pack'), [at('cow')], { backing: at('root_fs'), noSync: true })
    await unpack(at('x.pack'), { directory: at('target'), noSync: true })
    fs.rmSync(at('root_fs'))
    expect(headerPathOf(at('target/cow'))).toBe(at('target/root_fs'))
    const { status, out, messages } = runGuest(at('target'), ['ubda=cow'], 'devsum ubda')
    expect({ status, messages }).toMatchObject({ status: 0 })
    expect(out.trim()).toBe((overlays as { guestSha256: string }[])[0]!.guestSha256)
  }, 180_000)
})
