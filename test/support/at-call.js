// Preloaded by tests:  UMLCOW_AT_CALL=JSON node --import .../at-call.js bin/umlcow.js ARGUMENT...
// Numbers the calls that the command makes from 1, and acts before one of them:
//   counts  'changes': calls that change a file, a directory or a node, standard output and standard error aside
//           'all': calls on files in the working directory, and attempts to take a lock
//   log     when the command ends, write the calls into this file, an array of text
//   kill    before the call of this number, die as by kill -9; at the end of the process when it makes fewer calls
//   torn    do about half of that call first, a write of more than two pages
//   stop    before the call of this number, write "stopped" to descriptor 3; go on so many milliseconds after a line
//           with this number comes from there
//   freeze  { call, file, number }: before this call on this file is made for the numberth time, stop as by SIGSTOP
// Syncing changes nothing that a killed process leaves behind: it does not count as a change.
import childProcess from 'node:child_process'
import fs from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import net from 'node:net'
import path from 'node:path'

const { counts, log, kill, torn, stop, freeze } = JSON.parse(process.env.UMLCOW_AT_CALL)
const top = `${process.cwd()}/`
const { readlinkSync, readSync, writeFileSync, writeSync } = fs
const { O_CREAT, O_TRUNC } = fs.constants
const made = []
let freezeCount = 0
const page = 4096
/** Node is within a call that counts: some of its functions call others. */
let isWithin = false

const withTwoNames = ['copyFile', 'link', 'rename', 'symlink']
const ofNames = [
  'open',
  'unlink',
  'rm',
  'mkdir',
  'rmdir',
  'truncate',
  'chmod',
  'lchmod',
  'chown',
  'lchown',
  'utimes',
  'lutimes',
]
const ofOpenFiles = ['ftruncate', 'fchmod', 'fchown', 'futimes']
const changes = ['write', 'writeFile', 'appendFile', ...withTwoNames, ...ofNames, ...ofOpenFiles]
const looks = [
  'stat',
  'lstat',
  'fstat',
  'read',
  'readFile',
  'readdir',
  'opendir',
  'readlink',
  'realpath',
  'fsync',
  'statfs',
]

/** Of a path, or of an open file. */
function nameOf(file) {
  if (typeof file === 'number') return readlinkSync(`/proc/self/fd/${file}`)
  if (file instanceof URL) return file.pathname
  return path.resolve(String(file)).replace(/^\/proc\/self\/fd\/\d+/, (link) => readlinkSync(link))
}

function countsAs(call, operands) {
  if (counts === 'all') return `${nameOf(operands[0])}/`.startsWith(top)
  if (call === 'open') return /[wax+]/.test(operands[1]) || (operands[1] & (O_CREAT | O_TRUNC)) !== 0
  return !(operands[0] === 1 || operands[0] === 2)
}

/** Write the pages of the first half of what a call is to write: within a page a kill does not stop it. */
function writeHalf([file, bytes, start = 0, length = bytes.length - start, position = null]) {
  const half = Math.floor(length / 2)
  writeSync(file, bytes, start, half - (((position ?? 0) + half) % page), position)
}

function pause() {
  writeSync(3, 'stopped\n')
  const line = Buffer.alloc(32)
  const delay = Number(line.toString('latin1', 0, readSync(3, line)))
  if (delay > 0) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, delay)
}

function isToFreeze(call, [file]) {
  if (freeze === undefined || call !== freeze.call || nameOf(file) !== freeze.file) return false
  freezeCount++
  return freezeCount === freeze.number
}

function atCall(call, operands) {
  const names = operands.slice(0, withTwoNames.includes(call) ? 2 : 1)
  const size = call === 'write' ? [operands[3] ?? operands[1].length] : []
  made.push([call, ...names.map(nameOf), ...size].join(' '))
  if (made.length === kill || (call === 'exit' && kill !== undefined)) {
    // A run that finishes another makes other calls: this one need not be a write.
    if (torn && call === 'write' && size[0] > 2 * page) writeHalf(operands)
    process.kill(process.pid, 'SIGKILL')
  }
  if (made.length === stop) pause()
  if (isToFreeze(call, names)) process.kill(process.pid, 'SIGSTOP')
}

/** @param counted  whether a call with these operands counts */
function hook(holder, name, call, counted = countsAs) {
  const original = holder[name]
  if (typeof original !== 'function') return
  const hooked = function (...operands) {
    if (isWithin) return original.apply(this, operands)
    isWithin = true
    try {
      if (counted(call, operands)) atCall(call, operands)
      return original.apply(this, operands)
    } finally {
      isWithin = false
    }
  }
  // Some have properties, such as realpath.native.
  holder[name] = Object.assign(hooked, original)
}

for (const call of counts === 'all' ? [...changes, ...looks] : changes) {
  hook(fs, call, call)
  hook(fs, `${call}Sync`, call)
  hook(fs.promises, call, call)
}
hook(childProcess, 'spawn', 'spawn', () => true)
if (counts === 'all') {
  const { listen } = net.Server.prototype
  net.Server.prototype.listen = function (...operands) {
    atCall('lock', [])
    return listen.apply(this, operands)
  }
}
syncBuiltinESMExports()
process.on('exit', () => {
  isWithin = true
  atCall('exit', [])
  if (log !== undefined) writeFileSync(log, JSON.stringify(made))
})
