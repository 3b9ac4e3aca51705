import { mkdtempSync, realpathSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { onTestFinished } from 'vitest'

/** The top of the project. */
export const root = fileURLToPath(new URL('../..', import.meta.url)).replace(/\/$/, '')

/** A directory on a disk, even where tests have their files in memory: see test/vitest.config.ts. */
export const diskDirectory = process.env['UMLCOW_TEST_DISK'] ?? tmpdir()

/** A directory of its own for one test, removed when the test ends. */
export function temporaryDirectory(above = tmpdir()): string {
  const directory = realpathSync(mkdtempSync(path.join(above, 'umlcow-test-')))
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }))
  return directory
}
