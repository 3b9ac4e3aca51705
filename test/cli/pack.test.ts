import { readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import { umlcow, withoutUnseenTold } from '../support/command.js'
import { validate } from '../support/json-schema.js'
import { root } from '../support/paths.js'
import { headerPathOf, makePackScene } from '../verbs/pack/scene.js'
import { expectPlainFailure, namesIn, sha256 } from './scene.js'

function expectDocument(name: string, text: string): void {
  const schema = JSON.parse(readFileSync(path.join(root, `docs/schema/${name}.json`), 'utf8'))
  expect(validate(schema, JSON.parse(text), { closed: true }), text).toEqual([])
}

describe('pack and unpack', () => {
  it('make one file of a pair, and a pair of that', () => {
    const scene = makePackScene()
    const run = (args: string[], input?: Buffer) =>
      withoutUnseenTold(umlcow(args, { cwd: scene.target, ...(input === undefined ? {} : { input }) }))
    const packed = run(['pack', '--json', '--no-sync', scene.pack, scene.cow])
    expect(packed).toMatchObject({ status: 0, stderr: '' })
    expectDocument('pack', packed.stdout)
    const listed = run(['unpack', '--list', scene.pack])
    expect(listed.stdout).toContain(`overlay on root_fs, sha256 ${sha256(scene.cow)}\n`)
    expectDocument('unpack', run(['unpack', '--list', '--json', scene.pack]).stdout)
    const verified = run(['unpack', '--verify'], readFileSync(scene.pack))
    expect(verified).toMatchObject({ status: 0, stderr: '', stdout: listed.stdout })
    expect(namesIn(scene.target)).toEqual([])
    const done = run(['unpack', '--json', '--no-sync', '-'], readFileSync(scene.pack))
    expect(done).toMatchObject({ status: 0, stderr: '' })
    expectDocument('unpack', done.stdout)
    const place = path.join(scene.target, 'root_fs')
    expect(headerPathOf(path.join(scene.target, 'cow.node0'))).toBe(place)
    expect(sha256(place)).toBe(sha256(scene.backing))
  })

  it('refuse what means nothing, and other formats', () => {
    const scene = makePackScene()
    const refuse = (args: string[], status: number) => expectPlainFailure(umlcow(args, { cwd: scene.target }), status)
    refuse(['pack', '--json', '-', scene.cow], 64)
    refuse(['pack', '--overwrite', '-', scene.cow], 64)
    refuse(['pack', '--threads', '17', 'x', scene.cow], 64)
    refuse(['unpack', '--list', '--overwrite', scene.pack], 64)
    refuse(['unpack', '--verify', '-C', '.', scene.pack], 64)
    const text = path.join(scene.directory, 'text')
    writeFileSync(text, 'x'.repeat(5000))
    refuse(['unpack', text], 63)
    expect(namesIn(scene.target)).toEqual([])
  })
})
