import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { localHostFiles } from '../../src/machine/host-files.js'
import { guardTarget, refuseSameFile, targetFacts } from '../../src/overlays/guard-target.js'
import { findOverlayOver } from '../../src/overlays/siblings/find-overlay-over.js'
import { writeBytes } from '../../src/overlays/write-bytes.js'
import { generatePair, writePair } from '../support/generate.js'
import { hookedFiles, injected } from '../support/hooked-files.js'
import { temporaryDirectory } from '../support/paths.js'

function pairIn(directory: string, headerPath?: string | Uint8Array, seed = 41) {
  const pair = generatePair(seed, { layout: 'v3', virtualSize: 20 * 512, sectorSize: 512, headerPath })
  return { pair, ...writePair(pair, directory) }
}

async function overlayOver(directory: string, filePath: string): Promise<string | null> {
  const found = await findOverlayOver(localHostFiles, directory, await localHostFiles.stat(filePath))
  return found === null ? null : found.toString('latin1')
}

describe('findOverlayOver', () => {
  test('finds the overlay whose header leads to the file, among others', async () => {
    const directory = temporaryDirectory()
    const { backingPath, overlayPath } = pairIn(directory)
    writeFileSync(path.join(directory, 'other'), 'no overlay')
    writeFileSync(path.join(directory, 'zebra'), 'OOOM damaged')
    mkdirSync(path.join(directory, 'sub'))
    symlinkSync('cow', path.join(directory, 'a-link'))
    symlinkSync('nothing', path.join(directory, 'dangling'))
    expect(await overlayOver(directory, backingPath)).toBe(overlayPath)
    expect(await overlayOver(directory, path.join(directory, 'other'))).toBeNull()
    expect(await overlayOver(directory, overlayPath)).toBeNull()
  })

  test('follows the path of the header by links, absolute and relative', async () => {
    const directory = temporaryDirectory()
    mkdirSync(path.join(directory, 'images'))
    mkdirSync(path.join(directory, 'cows'))
    symlinkSync('../images/disk', path.join(directory, 'cows/root_fs'))
    writeFileSync(path.join(directory, 'images/disk'), 'x')
    for (const headerPath of ['root_fs', '../images/disk', path.join(directory, 'images/disk')]) {
      const { overlayBytes } = generatePair(42, { layout: 'v3', virtualSize: 512, headerPath })
      writeFileSync(path.join(directory, 'cows/cow'), overlayBytes)
      expect(await overlayOver(path.join(directory, 'cows'), path.join(directory, 'images/disk'))).toBe(
        path.join(directory, 'cows/cow'),
      )
    }
  })

  test('protects a file that may be meant', async () => {
    const directory = temporaryDirectory()
    const { backingPath, overlayPath } = pairIn(directory)
    const before = process.cwd()
    onTestFinished(() => process.chdir(before))
    mkdirSync(path.join(directory, 'here'))
    writeFileSync(path.join(directory, 'here/root_fs'), 'another')
    process.chdir(path.join(directory, 'here'))
    expect(await overlayOver(directory, backingPath)).toBe(overlayPath)
  })

  test('passes over what cannot be read, and nothing else', async () => {
    const directory = temporaryDirectory()
    const { backingPath } = pairIn(directory)
    const files = hookedFiles((call) => {
      if (call.startsWith('open ')) throw injected('EACCES')
    })
    const facts = await localHostFiles.stat(backingPath)
    expect(await findOverlayOver(files, directory, facts)).toBeNull()
    const defect = hookedFiles((call) => {
      if (call.startsWith('open ')) throw new TypeError('a mistake')
    })
    await expect(findOverlayOver(defect, directory, facts)).rejects.toThrow(TypeError)
    expect(readdirSync('/proc/self/fd').length).toBeGreaterThan(0)
  })

  test('finds an overlay whose name is no text', async () => {
    const directory = temporaryDirectory()
    const { backingPath, overlayPath } = pairIn(directory)
    await localHostFiles.rename(overlayPath, Buffer.concat([Buffer.from(`${directory}/`), Buffer.of(0xff)]))
    expect(await overlayOver(directory, backingPath)).toBe(`${directory}/\xff`)
  })
})

describe('guardTarget', () => {
  const guard = (target: string, options = {}) => guardTarget(localHostFiles, target, { overwrite: true, ...options })

  test('lets a new name and a plain file pass', async () => {
    const directory = temporaryDirectory()
    pairIn(directory)
    const plain = path.join(directory, 'plain')
    expect(await guard(plain, { overwrite: false })).toMatchObject({ existing: null })
    writeFileSync(plain, 'x')
    expect(await guard(plain)).toMatchObject({ existing: { size: 1 } })
    await expect(guard(plain, { overwrite: false })).rejects.toMatchObject({ code: 'TARGET_EXISTS' })
  })

  test('protects overlays, damaged ones too, and backing files', async () => {
    const directory = temporaryDirectory()
    const { overlayPath, backingPath } = pairIn(directory)
    const damaged = path.join(directory, 'damaged')
    writeFileSync(damaged, 'OOOM\0\0\0\x09')
    symlinkSync('cow', path.join(directory, 'link'))
    for (const target of [overlayPath, backingPath, damaged, path.join(directory, 'link')]) {
      await expect(guard(target), target).rejects.toMatchObject({ code: 'TARGET_PROTECTED' })
      // Without --overwrite too: a hint to that option would only lead to this refusal.
      await expect(guard(target, { overwrite: false })).rejects.toMatchObject({ code: 'TARGET_PROTECTED' })
    }
    expect(await guard(overlayPath, { mayBeOverlay: true })).toMatchObject({ existing: { kind: 'file' } })
    await expect(guard(backingPath, { mayBeOverlay: true })).rejects.toMatchObject({ code: 'TARGET_PROTECTED' })
    const replaceable = guard(overlayPath, { mayBeOverlay: true, overwrite: false })
    await expect(replaceable).rejects.toMatchObject({ code: 'TARGET_EXISTS' })
  })

  test('protects a file that somebody writes to, unless forced', async () => {
    const plain = path.join(temporaryDirectory(), 'plain')
    writeFileSync(plain, 'x')
    const script = `require('node:fs').openSync(process.argv[1], 'r+'); console.log('open'); setInterval(() => {}, 1000)`
    const child = spawn(process.execPath, ['-e', script, plain], { stdio: ['ignore', 'pipe', 'inherit'] })
    onTestFinished(() => void child.kill('SIGKILL'))
    await once(child.stdout, 'data')
    await expect(guard(plain)).rejects.toMatchObject({ code: 'IN_USE' })
    expect(await guard(plain, { force: ['in-use'] })).toMatchObject({ existing: { kind: 'file' } })
  })
})

test('targetFacts follows links and takes a link to nothing for nothing', async () => {
  const directory = temporaryDirectory()
  const at = (name: string) => path.join(directory, name)
  writeFileSync(at('file'), 'abc')
  symlinkSync('file', at('link'))
  symlinkSync('nothing', at('dangling'))
  symlinkSync('loop', at('loop'))
  expect(await targetFacts(localHostFiles, at('file'))).toMatchObject({ size: 3 })
  expect(await targetFacts(localHostFiles, at('link'))).toMatchObject({ size: 3 })
  expect(await targetFacts(localHostFiles, at('dangling'))).toBeNull()
  expect(await targetFacts(localHostFiles, at('none'))).toBeNull()
  await expect(targetFacts(localHostFiles, at('loop'))).rejects.toMatchObject({ code: 'ELOOP' })
})

test('refuseSameFile refuses the input under another name', async () => {
  const directory = temporaryDirectory()
  writeFileSync(path.join(directory, 'a'), 'x')
  writeFileSync(path.join(directory, 'b'), 'x')
  const [a, b] = await Promise.all(['a', 'b'].map((name) => localHostFiles.stat(path.join(directory, name))))
  expect(() => refuseSameFile(null, 'out', a!, 'a')).not.toThrow()
  expect(() => refuseSameFile(b!, 'out', a!, 'a')).not.toThrow()
  expect(() => refuseSameFile(a!, 'out', a!, 'a\n')).toThrow(
    expect.objectContaining({ code: 'SAME_FILE', message: 'out: is the same file as the input a\\x0a' }),
  )
})

test('writeBytes makes a small file whole, guarded as any output', async () => {
  const directory = temporaryDirectory()
  const { overlayPath, pair } = pairIn(directory)
  const target = path.join(directory, 'map.svg')
  const inputs = [overlayPath, path.join(directory, 'missing')]
  await writeBytes(target, Buffer.from('one'), { inputs })
  expect(readFileSync(target, 'utf8')).toBe('one')
  const again = writeBytes(target, Buffer.from('two'), { inputs })
  await expect(again).rejects.toMatchObject({ code: 'TARGET_EXISTS' })
  await writeBytes(target, Buffer.from('two'), { inputs, overwrite: true })
  expect(readFileSync(target, 'utf8')).toBe('two')
  for (const [options, code] of [
    [{ inputs: [] }, 'TARGET_PROTECTED'],
    [{ inputs }, 'SAME_FILE'],
    [{ inputs, mayBeOverlay: true }, 'SAME_FILE'],
  ] as const) {
    const refused = writeBytes(overlayPath, Buffer.from('two'), { ...options, overwrite: true })
    await expect(refused).rejects.toMatchObject({ code })
  }
  expect(readFileSync(overlayPath).equals(pair.overlayBytes)).toBe(true)
  expect(readdirSync(directory).sort()).toEqual(['cow', 'map.svg', 'root_fs'])
})
