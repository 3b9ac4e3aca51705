import { spawnSync } from 'node:child_process'
import { chmodSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import { commandPath, type Outcome, umlcowTelling } from '../support/command.js'
import { canBeOtherUser, otherUser } from '../support/other-user.js'
import { keepsDirectory } from './in-place-scene.js'
import { expectPlainFailure, makeScene } from './scene.js'

type Run = (args: readonly string[]) => Outcome

const isRoot = process.geteuid?.() === 0

/** The command as nobody in particular, who cannot see what root has open. */
const asOther: Run = (args) => {
  if (!isRoot) return umlcowTelling(args)
  return spawnSync(process.execPath, [commandPath, ...args], { ...otherUser, cwd: '/', encoding: 'utf8' })
}

/** The command where an empty directory is mounted on /proc. */
const withoutProc: Run = (args) => {
  const script = 'mount -t tmpfs none /proc && exec "$@"'
  return spawnSync('unshare', ['-m', 'sh', '-c', script, 'sh', process.execPath, commandPath, ...args], {
    encoding: 'utf8',
  })
}

/** In CI it has to be so for root; elsewhere tests that need it are skipped. */
function canHideProc(): boolean {
  const { status, stderr } = isRoot ? withoutProc(['--version']) : { status: null, stderr: 'not root' }
  if (status === 0) return true
  if (isRoot && process.env['CI'] === 'true') throw new Error(`missing in CI: mount namespaces: ${stderr}`)
  console.warn(`SKIPPED: tests that need root and mount namespaces to hide /proc: ${stderr}`)
  return false
}

/** A pair that everybody may write to. */
function openScene() {
  const scene = makeScene()
  chmodSync(scene.directory, 0o777)
  for (const file of [scene.cow, scene.backing]) chmodSync(file, 0o666)
  return scene
}

const told = 'umlcow: warning: cannot see every process that may have the files open; not looked at: '

function linesTold({ stderr }: Outcome): string[] {
  return stderr.split('\n').filter((line) => line.startsWith(told))
}

describe.runIf(!isRoot || canBeOtherUser())('as a user who cannot see what others have open', () => {
  it.each([
    ['reset', []],
    ['check', ['--repair']],
    ['rebase', ['-u', '-b', 'root_fs']],
  ])('%s tells so, once, in text and in JSON', (verb, more) => {
    const { cow, backing } = openScene()
    const args = [verb, ...more.map((one) => (one === 'root_fs' ? backing : one)), cow]
    const plain = asOther(args)
    expect(plain.status).toBe(0)
    expect(linesTold(plain)).toHaveLength(1)
    expect(plain.stderr).toContain('open files of other users')
    const { warnings } = JSON.parse(asOther([...args, '--json']).stdout)
    expect(warnings).toContainEqual(expect.stringContaining('not looked at: open files of other users'))
    expect(asOther([...args, ...(verb === 'check' ? ['-q'] : ['--quiet'])]).stderr).toBe('')
  })

  it('check --repair of several files tells so once', () => {
    const { cow } = openScene()
    expect(linesTold(asOther(['check', '--repair', cow, cow]))).toHaveLength(1)
  })

  it.each(['moo', 'mkcow'])('%s tells so', (verb) => {
    const { cow, backing, directory } = openScene()
    const outcome = asOther(verb === 'moo' ? ['moo', cow, path.join(directory, 'new')] : ['mkcow', '-f', cow, backing])
    expect(outcome.status).toBe(0)
    expect(linesTold(outcome)).toHaveLength(1)
  })
})

describe.runIf(canHideProc())('without any /proc', () => {
  it.each([['commit'], ['merge', '-d'], ['reset'], ['rebase', '-u', '-b', '/somewhere']])(
    '%s refuses, and names the word that overrides it',
    (...words) => {
      const { cow, directory } = makeScene()
      keepsDirectory(directory)
      const outcome = withoutProc([...words, cow])
      expectPlainFailure(outcome, 4)
      expect(outcome.stderr).toContain('--force=in-use')
    },
  )

  it('commit --force=in-use goes on, and tells what was not looked at', () => {
    const { cow, backing } = makeScene()
    const before = readFileSync(backing)
    const outcome = withoutProc(['commit', '--force=in-use', cow])
    expect(outcome.status).toBe(0)
    expect(linesTold(outcome)).toHaveLength(1)
    expect(readFileSync(backing).equals(before)).toBe(false)
  })
})
