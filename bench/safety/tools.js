// The tools side by side, and how each is told to do the same thing.
import { fileURLToPath } from 'node:url'
import { isExecutable } from '../programs.js'
import { readCow, readQcow2, writeCow, writeQcow2 } from './overlays.js'
import { run } from './processes.js'

export const umlMoo = '/usr/bin/uml_moo'
export const umlMkcow = '/usr/bin/uml_mkcow'
export const qemuImg = '/usr/bin/qemu-img'
export const qemuNbd = '/usr/bin/qemu-nbd'
export const linux = '/usr/bin/linux.uml'
export const busybox = '/usr/bin/busybox'
export const python = '/usr/bin/python3'

const commandPath = fileURLToPath(new URL('../../bin/umlcow.js', import.meta.url))

/**
 * @typedef {object} Tool
 * @property {string} name
 * @property {string} program
 * @property {(name: string) => string} overlay             file name of an overlay
 * @property {(place: object, name: string, changes: object) => Promise<void>} write  make one
 * @property {(place: object, name: string) => Promise<{ refused?: string, bytes?: Buffer }>} read  through one, as a guest
 * @property {(cow: string, ...options: string[]) => string[]} inPlace  the command that merges in place
 * @property {(cow: string, output: string) => string[]} newFile
 * @property {boolean} [waitsForSecond]  never merges in place in the second in which the image was changed
 * @property {boolean} [canFreeze]  test/support/at-call.js can stop it before a call
 */

const cowFiles = { overlay: (name) => name, write: writeCow, read: readCow }

/** @returns {Tool} */
function umlcowTool() {
  const command = [process.execPath, commandPath]
  return {
    ...cowFiles,
    name: 'umlcow',
    program: command[0],
    canFreeze: true,
    waitsForSecond: true,
    inPlace: (cow, ...options) => [...command, 'merge', '-d', ...options, cow],
    newFile: (cow, output) => [...command, 'merge', cow, output],
    withBacking: (backing, cow) => [...command, 'merge', '-b', backing, '-d', cow],
    ontoBacking: (backing, cow) => [...command, 'merge', '-b', backing, cow, backing],
    ontoItself: (cow) => [...command, 'merge', cow, cow],
    recover: (cow) => [...command, 'merge', '--resume', cow],
    create: (cow, backing) => [...command, 'create', cow, '-b', backing],
    startClean: (cow) => [...command, 'reset', cow],
    /** What the other tools do without being asked. */
    evenWithSiblings: ['--force=siblings'],
    evenWithoutRoom: ['--force=room'],
    keepSiblings: ['--keep-siblings'],
    keepUndo: ['--backup', 'undo'],
    undo: [...command, 'merge', '-d', 'undo'],
  }
}

/** @returns {Tool} */
function umlMooTool() {
  return {
    ...cowFiles,
    name: 'uml_moo, uml_mkcow',
    program: umlMoo,
    inPlace: (cow) => [umlMoo, '-d', cow],
    newFile: (cow, output) => [umlMoo, cow, output],
    withBacking: (backing, cow) => [umlMoo, '-b', backing, '-d', cow],
    ontoBacking: (backing, cow) => [umlMoo, '-b', backing, cow, backing],
    ontoItself: (cow) => [umlMoo, cow, cow],
    recover: (cow) => [umlMoo, '-d', cow],
    create: (cow, backing) => [umlMkcow, cow, backing],
    startClean: (cow, backing) => [umlMkcow, '-f', cow, backing],
  }
}

/** @returns {Tool} */
function qemuTool() {
  const convert = ['convert', '-f', 'qcow2', '-O', 'raw']
  const create = [qemuImg, 'create', '-q', '-f', 'qcow2', '-F', 'raw', '-b']
  const commit = (cow) => [qemuImg, 'commit', '-q', '-f', 'qcow2', cow]
  return {
    name: 'qemu-img',
    program: qemuImg,
    overlay: (name) => `${name}.qcow2`,
    write: writeQcow2,
    read: readQcow2,
    inPlace: commit,
    newFile: (cow, output) => [qemuImg, ...convert, cow, output],
    withBacking: (backing, cow) => [qemuImg, 'commit', '-q', '-f', 'qcow2', '-b', backing, cow],
    ontoBacking: (backing, cow) => [qemuImg, ...convert, cow, backing],
    ontoItself: (cow) => [qemuImg, ...convert, cow, cow],
    recover: commit,
    create: (cow, backing) => [...create, backing, cow],
    startClean: (cow, backing) => [...create, backing, cow],
  }
}

export function allTools() {
  return [umlcowTool(), umlMooTool(), qemuTool()]
}

/** The first of these programs that is not there, or null. */
export function missingOf(...programs) {
  return programs.find((program) => !isExecutable(program)) ?? null
}

/** One line with the versions of everything that had a part in it. */
export async function versionsText() {
  const own = await run([process.execPath, commandPath, '--version'])
  if (own.status !== 0) throw new Error(`umlcow does not run; is it built? ${own.stderr}`)
  const parts = [`umlcow ${own.stdout.trim()}`]
  parts.push(isExecutable(umlMoo) ? `uml-utilities ${await debianVersion('uml-utilities')}` : 'no uml_moo')
  parts.push(await versionOf(qemuImg, /version (\S+)/, 'qemu-img'))
  parts.push(await versionOf(linux, /(\S+)/, 'User-Mode Linux'))
  return `${parts.join(', ')}, Node ${process.versions.node}`
}

async function versionOf(program, pattern, name) {
  if (!isExecutable(program)) return `no ${name}`
  const { stdout } = await run([program, '--version'])
  return `${name} ${pattern.exec(stdout)?.[1] ?? 'of unknown version'}`
}

/** uml_moo does not tell its version; the package does, where there is one. */
async function debianVersion(name) {
  if (!isExecutable('/usr/bin/dpkg-query')) return 'of unknown version'
  const { status, stdout } = await run(['/usr/bin/dpkg-query', '-W', '-f', '$' + '{Version}', name])
  return status === 0 ? stdout.trim() : 'of unknown version'
}
