import { spawnSync } from 'node:child_process'
import { readFileSync, statSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import { allocatedBytes, expectPlainFailure, namesIn, startUmlcow, waitUntil } from '../cli/scene.js'
import { umlcow } from '../support/command.js'
import { temporaryDirectory } from '../support/paths.js'
import { havePeers, type Peer } from '../support/peers.js'

const e2fsck: Peer = '/usr/sbin/e2fsck'

describe.runIf(havePeers('/usr/sbin/mkfs.ext4', e2fsck))('create --fs', () => {
  it.each(['ext2', 'ext3', 'ext4'])('%s makes a file system that e2fsck finds clean', (fs) => {
    const directory = temporaryDirectory()
    const image = path.join(directory, 'an image')
    const outcome = umlcow(['create', image, '16M', '--fs', fs])
    expect(outcome).toMatchObject({ status: 0, stderr: '' })
    expect(statSync(image).size).toBe(16 * 2 ** 20)
    expect(statSync(image).mode & 0o777).toBe(0o666 & ~process.umask() & 0o644)
    const check = spawnSync(e2fsck, ['-fn', image], { encoding: 'utf8' })
    expect({ status: check.status, stdout: check.stdout }).toMatchObject({ status: 0 })
    expect(namesIn(directory)).toEqual(['an image'])
  })

  it('stays sparse', () => {
    const image = path.join(temporaryDirectory(), 'image')
    expect(umlcow(['create', image, '1G', '--fs', 'ext4']).status).toBe(0)
    expect(statSync(image).size).toBe(2 ** 30)
    expect(allocatedBytes(image)).toBeLessThan(2 ** 27)
  })

  it('in a file whose name looks like an option', () => {
    const directory = temporaryDirectory()
    const outcome = umlcow(['create', '--fs', 'ext4', '--', '-F', '16M'], { cwd: directory })
    expect(outcome).toMatchObject({ status: 0, stderr: '' })
    expect(namesIn(directory)).toEqual(['-F'])
    expect(spawnSync(e2fsck, ['-fn', path.join(directory, '-F')]).status).toBe(0)
  })

  it('over an old file', () => {
    const directory = temporaryDirectory()
    const image = path.join(directory, 'image')
    for (const args of [[], ['--overwrite']]) {
      expect(umlcow(['create', image, '16M', '--fs', 'ext4', ...args]).status).toBe(0)
    }
    expectPlainFailure(umlcow(['create', image, '16M', '--fs', 'ext4']), 4)
    expect(spawnSync(e2fsck, ['-fn', image]).status).toBe(0)
    expect(namesIn(directory)).toEqual(['image'])
  })

  it('fails with the words of the program, and leaves nothing', () => {
    const directory = temporaryDirectory()
    const outcome = umlcow(['create', 'image', '1K', '--fs', 'ext4'], { cwd: directory })
    expectPlainFailure(outcome, 1)
    expect(outcome.stderr).toMatch(/^umlcow: mkfs\.ext4: failed with status 1: /)
    expect(namesIn(directory)).toEqual([])
  })

  it('fails by the name of the program when there is none, and leaves nothing', () => {
    const directory = temporaryDirectory()
    const outcome = umlcow(['create', 'image', '16M', '--fs', 'reallynosuchfs'], { cwd: directory })
    expectPlainFailure(outcome, 1)
    expect(outcome.stderr).toContain('mkfs.reallynosuchfs: no such program on this machine')
    expect(
      JSON.parse(umlcow(['create', '--json', 'image', '1M', '--fs', 'nosuchfs'], { cwd: directory }).stdout),
    ).toMatchObject({
      error: { code: 'HELPER_MISSING' },
    })
    expect(namesIn(directory)).toEqual([])
  })

  it('is stopped by a signal, and nothing is left', async () => {
    const directory = temporaryDirectory()
    const running = startUmlcow(['create', 'image', '4T', '--fs', 'ext3'], { cwd: directory })
    await waitUntil(() => namesIn(directory).length > 0, 'the temporary file')
    running.child.kill('SIGTERM')
    expect(await running.ended).toMatchObject({ status: 143 })
    expect(namesIn(directory)).toEqual([])
  })
})

describe.runIf(havePeers('/usr/sbin/mkfs.ext4'))('create --fs swap', () => {
  it('has the signature at the end of the first page', () => {
    const image = path.join(temporaryDirectory(), 'swap')
    expect(umlcow(['create', image, '1M', '--fs', 'swap'])).toMatchObject({ status: 0, stderr: '' })
    expect(statSync(image).size).toBe(2 ** 20)
    const bytes = readFileSync(image)
    const ends = [4096, 16_384, 65_536].map((end) => bytes.toString('latin1', end - 10, end))
    expect(ends).toContain('SWAPSPACE2')
  })
})
