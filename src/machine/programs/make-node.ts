import fs from 'node:fs'
import net from 'node:net'
import { UmlcowError } from '../../errors.js'
import type { HostPath } from '../host-files.js'
import { baseName, directoryName, joinPath } from '../path-bytes.js'
import { findProgram } from './find-program.js'
import { runProgram } from './run-program.js'

/** Run a program on a path. Programs take text: umlcow makes these paths, of plain letters. */
async function run(name: string, args: readonly string[], what: string): Promise<void> {
  const program = await findProgram(name)
  if (program === null)
    throw new UmlcowError('HELPER_MISSING', `${what}: needs the program ${name}: no such program on this machine`)
  let said = ''
  const status = await runProgram(program, args, {
    onStderr: (chunk) => {
      if (said.length < 1000) said += chunk.toString()
    },
  })
  if (status !== 0) throw new UmlcowError('HELPER_FAILED', `${what}: ${name} failed: ${said.trim() || status}`)
}

/** Make a device node. @throws UmlcowError HELPER_MISSING, HELPER_FAILED */
export async function makeDevice(
  path: string,
  type: 'character' | 'block',
  major: number,
  minor: number,
): Promise<void> {
  const letter = type === 'character' ? 'c' : 'b'
  await run('mknod', ['--', path, letter, `${major}`, `${minor}`], `device ${letter} ${major} ${minor}`)
}

/** Make a FIFO. @throws UmlcowError HELPER_MISSING, HELPER_FAILED */
export async function makeFifo(path: string): Promise<void> {
  await run('mkfifo', ['--', path], 'FIFO')
}

/**
 * Make a socket.
 *
 * @param place  moves it to its final path: on close, the listener removes what has the name `path`
 */
export async function makeSocket(path: HostPath, place: () => void): Promise<void> {
  // The name of a socket has room for 107 bytes, so a descriptor stands for the directory.
  const directory = fs.openSync(directoryName(path), 'r')
  try {
    const name = joinPath(`/proc/self/fd/${directory}`, baseName(path)).toString('latin1')
    await listenAndPlace(name, place)
  } finally {
    fs.closeSync(directory)
  }
}

function listenAndPlace(name: string, place: () => void): Promise<void> {
  const server = net.createServer((connection) => connection.destroy())
  return new Promise((resolve, reject) => {
    server.on('error', reject)
    server.listen({ path: name, exclusive: true }, () => {
      let failure: unknown
      try {
        place()
      } catch (error) {
        failure = error
      }
      server.close(() => (failure === undefined ? resolve() : reject(failure)))
    })
  })
}
