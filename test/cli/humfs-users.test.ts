import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import { humfsify } from '../../src/humfs/humfsify.js'
import { commandPath } from '../support/command.js'
import { scratchDirectory, snapshot } from '../support/humfs-tree.js'
import { canBeOtherUser, otherUser } from '../support/other-user.js'

const foreignGroup = 50

describe.runIf(canBeOtherUser())('humfsify -r as an ordinary user', () => {
  it('does not lose the setgid bit of a file of a group that is not his', async () => {
    const top = scratchDirectory()
    const file = path.join(top, 'data', 'file')
    fs.mkdirSync(path.join(top, 'data'))
    fs.writeFileSync(file, '')
    for (const name of [top, path.join(top, 'data'), file]) fs.chownSync(name, otherUser.uid, foreignGroup)
    fs.chmodSync(file, 0o2755)
    await humfsify(top, { user: otherUser.uid, group: foreignGroup, size: 2 ** 30, noSync: true })
    const before = snapshot(top)
    const restore = () =>
      spawnSync(process.execPath, [commandPath, 'humfsify', '-r'], { ...otherUser, cwd: top, encoding: 'utf8' })
    expect(restore()).toMatchObject({ status: 4, stderr: expect.stringContaining('data/file: only root and members') })
    expect(snapshot(top)).toEqual(before)
  })
})
