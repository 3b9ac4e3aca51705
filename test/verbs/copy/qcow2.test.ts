import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import { copySparse, createQcow2, openImage } from '../../../src/index.js'
import { temporaryDirectory } from '../../support/paths.js'

describe('a qcow2 image in another directory', () => {
  async function makeImage(name: string, backing: string): Promise<void> {
    mkdirSync(path.dirname(name), { recursive: true })
    await createQcow2(name, { backing, backingFormat: 'raw', pathStyle: { kind: 'relative' }, noSync: true })
  }

  async function firstByte(name: string): Promise<number> {
    const image = await openImage(name)
    const bytes = Buffer.alloc(1)
    await image.read(0, bytes)
    await image.close()
    return bytes[0]!
  }

  it('keeps its backing file: the path changes, also to a longer one, and stays where it leads there', async () => {
    const directory = temporaryDirectory()
    const at = (name: string) => path.join(directory, name)
    writeFileSync(at('base'), Buffer.alloc(65536, 'x'))
    await makeImage(at('a/image'), at('base'))
    mkdirSync(at('a/b/c'), { recursive: true })
    for (const [target, stored, pathChanged] of [
      ['a/other', '../base', false],
      ['image', 'base', true],
      ['a/b/c/image', '../../../base', true],
    ] as const) {
      const result = await copySparse(at('a/image'), at(target), { noSync: true })
      expect(result).toMatchObject({ backingPath: Buffer.from(stored), pathChanged, warnings: [] })
      expect(await firstByte(at(target))).toBe('x'.charCodeAt(0))
    }
    const kept = await copySparse(at('a/image'), at('a/b/kept'), { noSync: true, keepPath: true })
    expect(kept).toMatchObject({ backingPath: Buffer.from('../base'), pathChanged: false })
    expect(readFileSync(at('a/b/kept'))).toEqual(readFileSync(at('a/image')))
  })

  it('gets a warning with the command where its header has no room', async () => {
    const directory = temporaryDirectory()
    const at = (name: string) => path.join(directory, name)
    writeFileSync(at('base'), Buffer.alloc(65536, 'x'))
    await makeImage(at('image'), at('base'))
    const bytes = readFileSync(at('image'))
    bytes[bytes.readUInt32BE(12) + 'base'.length] = 1
    writeFileSync(at('image'), bytes)
    mkdirSync(at('deep'))
    const result = await copySparse(at('image'), at('deep/image'), { noSync: true })
    expect(result).toMatchObject({ backingPath: Buffer.from('base'), pathChanged: false })
    expect(result.warnings).toEqual([expect.stringContaining('"qemu-img rebase -u -F raw -b ../base ')])
  })
})
