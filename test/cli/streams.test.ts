import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import zlib from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { commandPath, umlcow } from '../support/command.js'
import { makePackScene } from '../verbs/pack/scene.js'
import { namesIn, sha256 } from './scene.js'

describe('pipes', () => {
  it('take what merge and convert write, and feed convert, unpack and info', () => {
    const scene = makePackScene()
    const cwd = scene.target
    /** The bytes that the command writes to its standard output. */
    const bytesOf = (...args: string[]): Buffer => {
      const { status, stdout, stderr } = spawnSync(process.execPath, [commandPath, ...args], {
        cwd,
        maxBuffer: 2 ** 28,
      })
      expect({ args, status, stderr: `${stderr}`.replaceAll(/^umlcow: warning: .*\n/gm, '') }).toEqual({
        args,
        status: 0,
        stderr: '',
      })
      return stdout
    }
    const feed = (input: Buffer, ...args: string[]) => {
      const done = umlcow(args, { cwd, input })
      expect({ args, status: done.status, stderr: done.stderr }).toEqual({ args, status: 0, stderr: '' })
      return done.stdout
    }
    const merged = bytesOf('merge', scene.cow, '-')
    expect(bytesOf('convert', scene.cow, '-').equals(merged)).toBe(true)
    feed(zlib.gzipSync(merged), 'convert', '--no-sync', '-', 'raw')
    expect(readFileSync(path.join(cwd, 'raw')).equals(merged)).toBe(true)
    feed(merged, 'convert', '--no-sync', '-O', 'qcow2', '-', 'qcow2')
    expect(bytesOf('convert', 'qcow2', '-').equals(merged)).toBe(true)
    const head = readFileSync(path.join(cwd, 'qcow2')).subarray(0, 4136)
    expect(JSON.parse(feed(head, 'info', '--json', '-'))).toMatchObject({
      format: 'qcow2',
      'virtual-size': merged.length,
    })
    const cut = umlcow(['convert', '-', 'cut'], { cwd, input: zlib.gzipSync(merged).subarray(0, -9) })
    expect(cut.status).toBe(1)
    expect(namesIn(cwd)).toEqual(['qcow2', 'raw'])
    umlcow(['pack', '--no-sync', scene.pack, scene.cow], { cwd })
    feed(readFileSync(scene.pack), 'unpack', '--no-sync')
    expect(sha256(path.join(cwd, 'root_fs'))).toBe(sha256(scene.backing))
  })
})
