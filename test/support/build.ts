import { spawnSync } from 'node:child_process'
import { root } from './paths.js'

/** Tests of the command run what `npm run build` makes, made anew from the sources they stand beside. */
export default function build(): void {
  const { status, stdout, stderr } = spawnSync('npm', ['run', 'build'], { cwd: root, encoding: 'utf8' })
  if (status !== 0) throw new Error(`the build failed:\n${stdout}${stderr}`)
}
