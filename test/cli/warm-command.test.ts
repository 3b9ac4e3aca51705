import { mkdirSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { umlcow, umlcowAlone } from '../support/command.js'
import { root, temporaryDirectory } from '../support/paths.js'
import { holdOpen, makeScene, setMtime } from './scene.js'

const fixture = (name: string) => path.join(root, 'fixtures/invalid', name)

// Most tests of the command run it in a process that is kept, for Node takes long to start.
describe('a command in the process that is kept', () => {
  it.each<[string, string[]]>([
    ['help', ['--help']],
    ['no arguments', []],
    ['the version', ['--version']],
    ['a verb', ['info', 'cow']],
    ['a document', ['check', '--json', 'cow']],
    ['a long document', ['map', '--json', 'cow']],
    ['an image', ['merge', 'cow', '-']],
    ['wrong usage', ['merge', '--frobnicate']],
    ['wrong usage in a document', ['info', '--json']],
    ['a file that is not there', ['info', 'none']],
    ['that in a document', ['info', '--json', 'none']],
    ['a format that is none', ['map', fixture('NOT_COW--text.cow')]],
    ['a refusal', ['merge', 'cow', 'root_fs/..']],
    ['a verb of others', ['moo', '-b']],
    ['a bar', ['merge', '--progress=bar', '--dry-run', 'cow', 'merged']],
    ['lines of progress', ['merge', '--progress=2', '--dry-run', 'cow', 'merged']],
  ])('gives what a process of its own gives: %s', (_, args) => {
    const { directory: cwd } = makeScene()
    const alone = umlcowAlone(args, { cwd })
    expect(umlcow(args, { cwd })).toEqual(alone)
    expect(umlcow(args, { cwd })).toEqual(alone)
  })

  it('has the working directory and the environment of the test', () => {
    const { directory, cow } = makeScene()
    const below = path.join(directory, 'below')
    mkdirSync(below)
    vi.stubEnv('UMLCOW_DEBUG', '1')
    onTestFinished(() => {
      vi.unstubAllEnvs()
    })
    expect(umlcow(['info', '../cow'], { cwd: below })).toMatchObject({ status: 0, stderr: '' })
    expect(umlcow(['info', 'cow'], { cwd: below })).toMatchObject({ status: 1 })
    expect(umlcow(['info', cow])).toMatchObject({ status: 0 })
  })

  it('is another process than the test, and sees what others have open', async () => {
    const { cow, backing, directory } = makeScene()
    await holdOpen(cow)
    expect(umlcow(['reset', cow])).toMatchObject({ status: 4 })
    setMtime(backing, 5)
    const args = ['merge', 'cow', 'merged']
    expect(umlcow(args, { cwd: directory })).toEqual(umlcowAlone(args, { cwd: directory }))
  })

  it('takes no harm from many runs', () => {
    const cwd = temporaryDirectory()
    for (let i = 0; i < 30; i++) {
      expect(umlcow(['info', '--json', 'none'], { cwd })).toMatchObject({
        status: 1,
        stderr: expect.stringMatching(/^umlcow: .*none.*\n$/),
      })
    }
  })
})
