// Where the programs are that are compared.
import { accessSync, constants, existsSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

export const programs = {
  umlMoo: '/usr/bin/uml_moo',
  qemuImg: '/usr/bin/qemu-img',
  qemuNbd: '/usr/bin/qemu-nbd',
  nbdcopy: '/usr/bin/nbdcopy',
  cp: '/bin/cp',
  dd: '/bin/dd',
  sync: '/bin/sync',
}

export const gnuTime = '/usr/bin/time'

export const defaultCommand = fileURLToPath(new URL('../bin/umlcow.js', import.meta.url))

export function isExecutable(program) {
  try {
    accessSync(program, constants.X_OK)
    return true
  } catch {
    return false
  }
}

/** The directories that `bin/umlcow.js` loads code from. */
export function codeOf(umlcow) {
  const top = path.dirname(path.dirname(umlcow))
  const places = ['dist', 'node_modules/commander', 'node_modules/cli-progress']
  return places.map((name) => path.join(top, name)).filter((place) => existsSync(place))
}
