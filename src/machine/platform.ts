import { UmlcowError } from '../errors.js'

// What umlcow refuses on other systems than Linux; docs/install.md has the whole list. These checks stand at the calls
// that need Linux, so all else works where Node does.

/**
 * Refuse to go on where the host has no lock that ends with the process: two runs could change the same files.
 *
 * @throws UmlcowError PLATFORM on any system but Linux
 */
export function refuseWithoutLocks(): void {
  const { platform } = process
  if (platform === 'linux') return
  throw new UmlcowError(
    'PLATFORM',
    `cannot lock files on ${platform}: umlcow changes and replaces files on Linux only`,
    {
      details: { platform },
      hint: 'use Linux, in a container or a virtual machine; reading, and merging into a stream, need no locks',
    },
  )
}

/**
 * Refuse to write files on Windows: umlcow's new files need paths of POSIX, and directories that can be synced.
 *
 * @throws UmlcowError PLATFORM
 */
export function refuseWritesOnWindows(): void {
  const { platform } = process
  if (platform !== 'win32') return
  throw new UmlcowError('PLATFORM', 'cannot write files on Windows', {
    details: { platform },
    hint: 'use Linux, for example in the Windows Subsystem for Linux; reading works, and so does merging into a stream',
  })
}
