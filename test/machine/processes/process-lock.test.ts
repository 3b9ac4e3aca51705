import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { localHostFiles } from '../../../src/machine/host-files.js'
import { lockFiles } from '../../../src/machine/processes/lock-files.js'
import { takeLock } from '../../../src/machine/processes/process-lock.js'
import { temporaryDirectory } from '../../support/paths.js'

const name = () => `umlcow test ${process.pid} ${Math.random()}`

test('one has it, the next does not, until it is released', async () => {
  const wanted = name()
  const lock = await takeLock(wanted)
  expect(lock).not.toBeNull()
  expect(await takeLock(wanted)).toBeNull()
  expect(await takeLock(`${wanted}.`)).not.toBeNull()
  await lock?.release()
  const again = await takeLock(wanted)
  expect(again).not.toBeNull()
  await again?.release()
})

test('another process cannot take it, and it goes with the process, by SIGKILL too', async () => {
  const wanted = name()
  const script =
    "const s = require('net').createServer(); s.listen({ path: '\\0' + process.argv[1].padEnd(107) }, () => console.log())"
  const holder = spawn(process.execPath, ['-e', script, wanted], { stdio: ['ignore', 'pipe', 'inherit'] })
  onTestFinished(() => void holder.kill('SIGKILL'))
  await once(holder.stdout, 'data')
  expect(await takeLock(wanted)).toBeNull()
  holder.kill('SIGKILL')
  await once(holder, 'exit')
  const lock = await takeLock(wanted)
  expect(lock).not.toBeNull()
  await lock?.release()
})

test('files are locked by device and inode, each once, and all or none', async () => {
  const directory = temporaryDirectory()
  const files = await Promise.all(
    ['a', 'b'].map(async (one) => {
      writeFileSync(path.join(directory, one), '')
      return { path: one, facts: await localHostFiles.stat(path.join(directory, one)) }
    }),
  )
  const [a, b] = files as [(typeof files)[0], (typeof files)[0]]
  const first = await lockFiles(localHostFiles, [b, b])
  await expect(lockFiles(localHostFiles, [a, { ...b, path: 'b by another name' }])).rejects.toMatchObject({
    code: 'IN_USE',
    message: 'b by another name: another umlcow is working on it',
  })
  const second = await lockFiles(localHostFiles, [a])
  await first.release()
  await second.release()
  await (await lockFiles(localHostFiles, files)).release()
})
