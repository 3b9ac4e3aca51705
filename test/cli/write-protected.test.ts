import { spawnSync } from 'node:child_process'
import { chmodSync, chownSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import { commandPath } from '../support/command.js'
import { canBeOtherUser, otherUser } from '../support/other-user.js'
import { keepsDirectory } from './in-place-scene.js'
import { makeScene } from './scene.js'

const isRoot = process.geteuid?.() === 0

describe.runIf(!isRoot || canBeOtherUser())("a file of mode 0444 in one's own directory", () => {
  /** One's own where the tests run as an ordinary user, and root's otherwise. */
  function protectedScene() {
    const { directory, cow, backing } = makeScene()
    const there = path.join(directory, 'there')
    writeFileSync(there, 'old')
    for (const file of [cow, backing, there]) chmodSync(file, 0o444)
    if (isRoot) {
      chmodSync(directory, 0o700)
      chownSync(directory, otherUser.uid, otherUser.gid)
    }
    keepsDirectory(directory)
    return { directory, cow, backing, there }
  }

  it.each([
    ['reset', 4, ['reset', 'COW']],
    ['merge -d --delete', 4, ['merge', '-d', '--delete', 'COW']],
    ['commit', 4, ['commit', 'COW']],
    ['create --overwrite', 4, ['create', '--overwrite', '-b', 'BACKING', 'COW']],
    ['merge --overwrite', 4, ['merge', '--overwrite', 'COW', 'THERE']],
    ['check --repair', 4, ['check', '--repair', 'COW']],
    ['map --png --overwrite', 4, ['map', '--png', 'THERE', '--overwrite', 'COW']],
    ['mkcow -f', 1, ['mkcow', '-f', 'COW', 'BACKING']],
    ['moo', 1, ['moo', 'COW', 'THERE']],
  ])('%s refuses with status %d and says "Permission denied"', (_name, status, words) => {
    const { cow, backing, there } = protectedScene()
    const names: Record<string, string> = { COW: cow, BACKING: backing, THERE: there }
    const args = words.map((word) => names[word] ?? word)
    const user = isRoot ? otherUser : {}
    const done = spawnSync(process.execPath, [commandPath, ...args], { ...user, cwd: '/', encoding: 'utf8' })
    expect({ status: done.status, stdout: done.stdout }).toEqual({ status, stdout: '' })
    expect(done.stderr).toMatch(/^umlcow: \S+(cow|there): cannot be opened for writing: Permission denied\n$/)
  })
})
