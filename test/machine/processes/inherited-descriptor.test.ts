import { spawnSync } from 'node:child_process'
import { closeSync, constants, openSync, readdirSync, readlinkSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { accessModeOf, isInheritedAndWritable } from '../../../src/machine/processes/inherited-descriptor.js'
import { temporaryDirectory } from '../../support/paths.js'

function opened(filePath: string, flags: string | number): number {
  const fd = openSync(filePath, flags)
  onTestFinished(() => closeSync(fd))
  return fd
}

/** The descriptors of this process, with what they lead to. */
function descriptors(): { fd: number; link: string }[] {
  return readdirSync('/proc/self/fd').flatMap((name) => {
    try {
      return [{ fd: Number(name), link: readlinkSync(`/proc/self/fd/${name}`) }]
    } catch {
      return [] // The one that listed the directory.
    }
  })
}

describe('isInheritedAndWritable', () => {
  test('goes by how a file was opened', () => {
    const filePath = path.join(temporaryDirectory(), 'file')
    writeFileSync(filePath, '')
    for (const flags of ['w', 'a', 'r+']) expect(isInheritedAndWritable(opened(filePath, flags)), flags).toBe(true)
    expect(isInheritedAndWritable(opened(filePath, 'r'))).toBe(false)
    expect(isInheritedAndWritable(opened('/dev/null', 'w'))).toBe(true)
    const fifo = path.join(temporaryDirectory(), 'fifo')
    expect(spawnSync('mkfifo', [fifo]).status).toBe(0)
    expect(isInheritedAndWritable(opened(fifo, constants.O_RDWR | constants.O_NONBLOCK))).toBe(true)
  })

  test('is false for what is not open', () => {
    const fd = openSync('/dev/null', 'w')
    closeSync(fd)
    for (const one of [fd, 99_999, -1, 1.5]) expect(isInheritedAndWritable(one)).toBe(false)
  })

  test('is false for what Node keeps for itself: event queues, and pipes with both ends here', () => {
    const all = descriptors()
    const own = all.filter(({ fd, link }) => {
      const isBothEnds = link.startsWith('pipe:') && all.some((other) => other.fd !== fd && other.link === link)
      return fd > 2 && (link.startsWith('anon_inode:') || isBothEnds)
    })
    // An event loop has an epoll descriptor at least.
    expect(own.length).toBeGreaterThan(0)
    expect(own.filter(({ fd }) => isInheritedAndWritable(fd))).toEqual([])
  })
})

test.each([
  ['pos:\t0\nflags:\t0100000\nmnt_id:\t29\n', constants.O_RDONLY],
  ['pos:\t0\nflags:\t0100001\nmnt_id:\t29\n', constants.O_WRONLY],
  ['pos:\t0\nflags:\t02100002\nmnt_id:\t29\n', constants.O_RDWR],
  ['flags:\t0102001', constants.O_WRONLY],
  ['pos:\t1\n', constants.O_RDONLY],
  ['', constants.O_RDONLY],
])('the access mode in %j', (text, mode) => {
  expect(accessModeOf(text)).toBe(mode)
})
