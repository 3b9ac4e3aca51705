import { execFileSync } from 'node:child_process'
import { chmodSync, copyFileSync, readFileSync, statSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import { keepsUnwritten } from '../cli/scene.js'
import { umlcow } from '../support/command.js'
import { canMount, mountBtrfs } from '../support/mounts.js'
import { temporaryDirectory } from '../support/paths.js'
import { havePeers } from '../support/peers.js'
import { hasBytes, makeSparsePair, mergedBytes, type SparsePair } from '../support/sparse-pair.js'

function merged(pair: SparsePair, ...args: string[]): { copier: string } {
  keepsUnwritten(pair.cow, pair.backing)
  const outcome = umlcow(['merge', '--json', '--verify', ...args, pair.cow, pair.target])
  expect(outcome).toMatchObject({ status: 0, stderr: '' })
  expect(hasBytes(pair.target, mergedBytes(pair))).toBe(true)
  return JSON.parse(outcome.stdout)
}

function sharesStorage(file: string): boolean {
  return execFileSync('/usr/sbin/filefrag', ['-v', file], { encoding: 'utf8' }).includes('shared')
}

describe.runIf(havePeers('/usr/sbin/mkfs.btrfs', '/usr/sbin/filefrag') && canMount())('storage that is shared', () => {
  it.each(['reflink', 'auto', 'cp'])('%s: the merged image takes no more than the overlay does', (copier) => {
    const pair = makeSparsePair(mountBtrfs())
    expect(merged(pair, `--copier=${copier}`)).toMatchObject({ copier: copier === 'auto' ? 'reflink' : copier })
    expect(sharesStorage(pair.target)).toBe(true)
  })

  it.each(['extents', 'read'])('%s: nothing is shared, and the bytes are the same', (copier) => {
    const pair = makeSparsePair(mountBtrfs())
    expect(merged(pair, `--copier=${copier}`)).toMatchObject({ copier })
    expect(sharesStorage(pair.target)).toBe(false)
  })

  it('lets nobody see the overlay who may see the backing file alone', () => {
    const pair = makeSparsePair(mountBtrfs())
    chmodSync(pair.cow, 0o600)
    expect(merged(pair, '--copier=reflink')).toMatchObject({ copier: 'reflink' })
    expect(statSync(pair.target).mode & 0o777).toBe(0o600)
    expect(sharesStorage(pair.target)).toBe(true)
  })

  it('is not to be had across file systems, and another way is taken', () => {
    const pair = { ...makeSparsePair(mountBtrfs()), target: path.join(temporaryDirectory(), 'merged') }
    const refused = umlcow(['merge', '--json', '--copier=reflink', pair.cow, pair.target])
    expect(refused.status).toBe(1)
    expect(JSON.parse(refused.stdout).error.code).toBe('COPIER_UNAVAILABLE')
    expect(merged(pair).copier).not.toBe('reflink')
  })

  it('leaves the backing file as it is when the merged image is written to', () => {
    const pair = makeSparsePair(mountBtrfs())
    const before = readFileSync(pair.backing)
    merged(pair, '--copier=reflink')
    copyFileSync(pair.cow, pair.target)
    expect(Buffer.compare(readFileSync(pair.backing), before)).toBe(0)
  })
})
