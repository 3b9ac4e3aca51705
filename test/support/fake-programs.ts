import { chmodSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { vi } from 'vitest'
import { temporaryDirectory } from './paths.js'

/**
 * Scripts of sh that stand in for programs of the host, in a directory of their own that goes first on the PATH. There
 * the programs themselves are found as `$real/name`; tests that stub the PATH put it back when they end.
 *
 * @returns the directory
 */
export function fakePrograms(scripts: Readonly<Record<string, string>>): string {
  const directory = temporaryDirectory()
  for (const [name, script] of Object.entries(scripts)) {
    const file = path.join(directory, name)
    writeFileSync(file, `#!/bin/sh\n${script}\n`)
    chmodSync(file, 0o755)
  }
  vi.stubEnv('PATH', `${directory}:${process.env['PATH']}`)
  return directory
}
