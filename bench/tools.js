// The versions of the programs, and the C program that is made here.
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { run } from './measure.js'
import { isExecutable, programs } from './programs.js'

const compilers = ['/usr/bin/cc', '/usr/bin/gcc', '/usr/bin/clang']
const floorSource = fileURLToPath(new URL('floor.c', import.meta.url))

/** Compile the C program into a directory. @returns its path; there is no such file without a compiler */
export async function compileFloor(directory) {
  const program = path.join(directory, 'floor')
  const compiler = compilers.find(isExecutable)
  if (compiler === undefined) return program
  const { output, failure } = await run(compiler, ['-O2', '-o', program, floorSource])
  if (failure !== null) console.log(`*** floor.c: ${output.trim()}`)
  return program
}

/** The versions of the tools, as far as they tell. */
export async function toolVersions() {
  const versions = {}
  for (const program of [programs.qemuImg, programs.nbdcopy, programs.cp]) {
    if (isExecutable(program)) versions[program] = (await run(program, ['--version'])).output.split('\n')[0]
  }
  versions[programs.umlMoo] = isExecutable(programs.umlMoo) ? 'tells no version' : 'absent'
  return versions
}
