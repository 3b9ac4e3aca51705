import { spawnSync } from 'node:child_process'
import { readdirSync, statSync } from 'node:fs'
import path from 'node:path'
import { root } from './paths.js'

/** Tests of the command run what `npm run build` makes; it is made anew when a source is newer. */
export default function build(): void {
  if (isFresh()) return
  const { status, stdout, stderr } = spawnSync('npm', ['run', 'build'], { cwd: root, encoding: 'utf8' })
  if (status !== 0) throw new Error(`the build failed:\n${stdout}${stderr}`)
}

function isFresh(): boolean {
  const built = statSync(path.join(root, 'dist/index.js'), { throwIfNoEntry: false })
  if (built === undefined) return false
  const source = path.join(root, 'src')
  const names = readdirSync(source, { recursive: true, encoding: 'utf8' })
  // A directory's own time tells of files that were removed.
  const times = [source, ...names.map((name) => path.join(source, name))].map((name) => statSync(name).mtimeMs)
  return Math.max(...times) < built.mtimeMs
}
