import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import { humfsify } from '../../src/humfs/humfsify/index.js'
import { commandPath } from '../support/command.js'
import { scratchDirectory, snapshot } from '../support/humfs-tree.js'
import { canBeOtherUser, otherUser } from '../support/other-user.js'

const foreignGroup = 50

function runAs(user: object, cwd: string, ...args: string[]) {
  return spawnSync(process.execPath, [commandPath, 'humfsify', ...args], { ...user, cwd, encoding: 'utf8' })
}

describe.runIf(canBeOtherUser())('humfsify as an ordinary user', () => {
  it.each([
    [
      'a group that he is not in',
      otherUser.uid,
      foreignGroup,
      `only root and members may give data to group ${foreignGroup}`,
    ],
    ['another user', otherUser.uid + 1, otherUser.gid, `only root may give data to user ${otherUser.uid + 1}`],
  ])('gives nothing to %s, whose the files are, and changes nothing', (_, user, group, message) => {
    const top = scratchDirectory()
    fs.mkdirSync(path.join(top, 'data'))
    fs.writeFileSync(path.join(top, 'data', 'file'), '')
    for (const name of ['', 'data', 'data/file']) fs.chownSync(path.join(top, name), otherUser.uid, foreignGroup)
    const before = snapshot(top)
    const refused = runAs(otherUser, top, `${user}`, `${group}`, '1G')
    expect(refused).toMatchObject({ status: 4, stderr: expect.stringContaining(message) })
    expect(snapshot(top)).toEqual(before)
  })

  it('does not lose the setgid bit of a file of a group that is not his', async () => {
    const top = scratchDirectory()
    const file = path.join(top, 'data', 'file')
    fs.mkdirSync(path.join(top, 'data'))
    fs.writeFileSync(file, '')
    for (const name of [top, path.join(top, 'data'), file]) fs.chownSync(name, otherUser.uid, foreignGroup)
    fs.chmodSync(file, 0o2755)
    await humfsify(top, { user: otherUser.uid, group: foreignGroup, size: 2 ** 30, noSync: true })
    const before = snapshot(top)
    const refused = runAs(otherUser, top, '-r')
    expect(refused).toMatchObject({ status: 4, stderr: expect.stringContaining('data/file: only root and members') })
    expect(snapshot(top)).toEqual(before)
  })
})
